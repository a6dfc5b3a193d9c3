"""How fast an answer may be sent, where its server does not say so by itself.

Daphne takes all that it is given into its memory, however slowly the client reads: its
``send`` never waits. It is built on Twisted, which tells a producer when to pause.
Other servers wait in ``send``, as the ASGI specification wants it.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from functools import partial
from typing import Any

# Where Django's handler sends an answer, ``send`` is a local of the task's coroutine.
SEND = "send"


class Pace:
    """Waits until a client has taken what it was sent, in the task that sends it.

    It is a push producer of Twisted, which calls its methods with ``Producing``.
    """

    def __init__(self, request: Any = None) -> None:
        self._request = request
        self._ready = asyncio.Event()
        self._ready.set()
        if request is not None:
            request.registerProducer(self, True)

    async def wait(self) -> None:
        """Wait until there is room for more. Anybody else's server waits itself."""
        if not self._ready.is_set():
            await self._ready.wait()

    def end(self) -> None:
        """Note that no more is sent. The request may be gone."""
        if self._request is not None and self._request.channel is not None:
            self._request.unregisterProducer()

    def cut(self) -> bool:
        """Cut the connection, so that the client knows that something is missing.

        Returns:
            Whether that is done. Other servers do it themselves when an exception comes
            out of the application; Daphne's supervision would end of it.
        """
        if self._request is None:
            return False
        self._request.loseConnection()
        return True

    def pauseProducing(self) -> None:
        self._ready.clear()

    def resumeProducing(self) -> None:
        self._ready.set()

    def stopProducing(self) -> None:
        self._ready.set()


def of_this_task() -> Pace:
    """Return the pace at which the answer of this task may be sent."""
    task = asyncio.current_task()
    coroutine = task.get_coro() if task else None
    if "daphne.server" not in sys.modules or not inspect.iscoroutine(coroutine):
        return Pace()
    send = inspect.getcoroutinelocals(coroutine).get(SEND)
    if isinstance(send, partial) and send.args:
        request = send.args[0]
        if callable(getattr(request, "registerProducer", None)) and request.channel:
            return Pace(request)
    return Pace()
