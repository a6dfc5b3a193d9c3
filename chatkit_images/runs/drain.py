"""The end of a server: no new runs, time for those that go on, an end for the rest."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from types import FrameType

from django.utils.translation import gettext as _

from ..conf import settings
from ..exceptions import RequestRefused
from .runner import LIVE
from .supervisor import supervisor

logger = logging.getLogger(__name__)
# Seconds between two looks at what goes on, for the last writes of a run, and for what
# its watchers get then.
LOOK_SECONDS, WRITE_SECONDS, LAST_SECONDS = 0.1, 10.0, 5.0


class Draining(RequestRefused):
    """This process is about to end; another one does what it was asked for."""

    def __init__(self) -> None:
        super().__init__(
            "draining",
            _("The server is being restarted. Try again in a moment."),
            status=503,
            allow_retry=True,
        )


class Drain:
    """Stands before the server's own answer to SIGTERM, and gives it back at the end.

    Daphne kills its requests and uvicorn waits for them for ever: with their runs
    ended, there is nothing left to kill or to wait for. A second SIGTERM ends the wait,
    a third goes to the server at once. SIGINT is not touched.
    """

    def __init__(self) -> None:
        self.begun = False
        self._hurry = asyncio.Event()
        self._installed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._before: signal._HANDLER = None

    def install(self) -> None:
        """Do so, in the event loop of the main thread; elsewhere nothing."""
        if self._installed or threading.current_thread() is not threading.main_thread():
            return
        self._installed = True
        self._loop = asyncio.get_running_loop()
        self._before = signal.getsignal(signal.SIGTERM)
        if self._before is None or self._before is signal.SIG_IGN:
            return  # Not Python's to handle, or not to be handled.
        signal.signal(signal.SIGTERM, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        # A signal may come in the middle of anything; the loop goes on with it.
        if self._hurry.is_set() or self._loop is None or self._loop.is_closed():
            self._give_back()
        elif self.begun:
            self._loop.call_soon_threadsafe(self._hurry.set)
        else:
            self.begun = True
            self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._task = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        try:
            await drain(settings.DRAIN_SECONDS, self._hurry)
        except Exception:
            logger.exception("The runs are not drained")
        finally:
            self._give_back()

    def _give_back(self) -> None:
        """Let the server end as if it had got the signal now."""
        before = self._before
        signal.signal(signal.SIGTERM, before)
        if callable(before):
            before(signal.SIGTERM, None)
        else:
            os.kill(os.getpid(), signal.SIGTERM)


async def drain(seconds: float, hurry: asyncio.Event) -> None:
    """Wait for the runs of this process, then interrupt those that are left."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    # Not only runs keep a server busy.
    supervisor().close()
    if LIVE:
        logger.info("%d runs have %s s to end", len(LIVE), seconds)
    while LIVE and loop.time() < end and not hurry.is_set():
        await asyncio.sleep(LOOK_SECONDS)
    rest = list(LIVE.values())
    for run in rest:
        run.interrupt()
    if rest:
        logger.warning("%d runs are interrupted", len(rest))
        waits = [asyncio.ensure_future(run.wait()) for run in rest]
        await asyncio.wait(waits, timeout=WRITE_SECONDS)
    # Readers get the last events, and who watches learns how the run has ended.
    last = loop.time() + LAST_SECONDS
    await asyncio.sleep(LOOK_SECONDS)
    while supervisor().shows and loop.time() < last and not hurry.is_set():
        await asyncio.sleep(LOOK_SECONDS)


_drain = Drain()


def install() -> None:
    """Drain the runs of this process when it gets SIGTERM."""
    _drain.install()


def draining() -> bool:
    """Whether this process is about to end."""
    return _drain.begun
