"""The drain of a server that gets SIGTERM.

The server takes no new runs, gives running ones some time, and interrupts the rest.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from contextlib import suppress
from types import FrameType

from django.utils.translation import gettext as _

from .. import webhooks
from ..conf import settings
from ..exceptions import RequestRefused
from .registry import LIVE
from .supervisor import supervisor

logger = logging.getLogger(__name__)
# Seconds between two checks whether runs have ended, for the last writes of a run, and
# for the last frames of its watchers.
CHECK_SECONDS, WRITE_SECONDS, LAST_SECONDS = 0.1, 10.0, 5.0


class Draining(RequestRefused):
    """This process drains; another one can answer the request."""

    def __init__(self) -> None:
        super().__init__(
            "draining",
            _("The server is being restarted. Try again in a moment."),
            status=503,
            allow_retry=True,
        )


class Drain:
    """Drains at SIGTERM, then lets the server handle the signal as it would have.

    Daphne kills its requests, and uvicorn waits for them for ever. When their runs have
    ended, no request is left. A second SIGTERM ends the wait, a third goes to the
    server at once. SIGINT is not touched.
    """

    def __init__(self) -> None:
        self.begun = False
        self._hurry = asyncio.Event()
        self._installed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._before: signal._HANDLER = None

    def install(self) -> None:
        """Handle SIGTERM from now on, if this is the event loop of the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return
        if self._loop is None or self._loop.is_closed():
            # A script may have one loop after the other.
            self._loop = asyncio.get_running_loop()
        if self._installed:
            return
        self._installed = True
        self._before = signal.getsignal(signal.SIGTERM)
        if self._before is None or self._before is signal.SIG_IGN:
            return  # The signal is not Python's to handle, or is to be ignored.
        signal.signal(signal.SIGTERM, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        # A signal may interrupt any code, so the event loop does the work.
        if self._hurry.is_set() or self._loop is None or self._loop.is_closed():
            self._pass_on()
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
            self._pass_on()

    def _pass_on(self) -> None:
        """Let the server end as if it had received the signal now."""
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
    # Readers of other processes' runs would keep the server from ending too.
    supervisor().followed_logs.close()
    if LIVE:
        logger.info("%d runs have %s s to end", len(LIVE), seconds)
    while LIVE and loop.time() < end and not hurry.is_set():
        await asyncio.sleep(CHECK_SECONDS)
    rest = list(LIVE.values())
    for run in rest:
        # It may be of another event loop. One that is closed has no run that goes on.
        with suppress(RuntimeError):
            run.loop.call_soon_threadsafe(run.interrupt)
    if rest:
        logger.warning("%d runs are interrupted", len(rest))
        last = loop.time() + WRITE_SECONDS
        while any(run.id in LIVE for run in rest) and loop.time() < last:
            await asyncio.sleep(CHECK_SECONDS)
    # Now readers get the last events, watchers learn how the run has ended, and so does
    # the webhook. Otherwise another process would tell it, some minutes later.
    last = loop.time() + LAST_SECONDS
    await asyncio.sleep(CHECK_SECONDS)
    while supervisor().watches.shows or webhooks.posting():
        if loop.time() > last or hurry.is_set():
            return
        await asyncio.sleep(CHECK_SECONDS)


_drain = Drain()


def install() -> None:
    """Drain when this process receives SIGTERM."""
    _drain.install()


def draining() -> bool:
    """Whether this process drains."""
    return _drain.begun
