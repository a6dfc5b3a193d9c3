"""The readers of a run, and what happens to the run when they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context

from ..conf import settings
from .polling import PRESENCE_SECONDS
from .task import RunTask


class Readers:
    """The readers of a run of this process, here and in other processes.

    A run that nobody reads waits until no reader can come back. Then
    ``ON_DISCONNECT`` decides whether it goes on.

    Attributes:
        count: How many read the run in this process.
    """

    def __init__(self, task: RunTask) -> None:
        self.count = 0
        self._task = task
        # Until when a reader that left here may come back, and until when a reader in
        # another process counts as present, by the clock of the event loop.
        self._awaited_until = 0.0
        self._elsewhere_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def reading(self, patient: bool) -> Iterator[None]:
        """Count a reader.

        Args:
            patient: Whether the reader may come back after it has left.
        """
        self.count += 1
        if self._timer is not None:
            self._timer.cancel()
        try:
            yield
        finally:
            self.count -= 1
            self.left(patient)

    def left(self, patient: bool) -> None:
        """Note that a reader has left.

        If it is patient, it may come back, here or in another process.
        """
        try:
            now = asyncio.get_running_loop().time()
        except RuntimeError:
            return  # A stream that nobody closed is forgotten, and its loop is over.
        if patient:
            self._awaited_until = now + settings.RECONNECT_SECONDS
        if not self.count and not self._task.log.closed:
            # No reader takes the first event, so nothing needs to wait for that.
            self._task.state.served.set()
            self._wait()

    def seen_elsewhere(self) -> None:
        """Note that another process reads the run."""
        seconds = max(PRESENCE_SECONDS, settings.RECONNECT_SECONDS)
        self._elsewhere_until = asyncio.get_running_loop().time() + seconds

    def _wait(self) -> None:
        """Wait until no reader can come back, then decide about the run."""
        loop = asyncio.get_running_loop()
        until = max(self._awaited_until, self._elsewhere_until)
        if until > loop.time():
            # A timer keeps the context in which it is made, if it is not given one.
            self._timer = loop.call_at(until, self._wait, context=Context())
        elif not self.count:
            self._decide()

    def _decide(self) -> None:
        """Stop the run, which nobody reads, unless ``ON_DISCONNECT`` lets it go on."""
        if not self._task.needs_reader:
            return
        policy = settings.ON_DISCONNECT
        if policy == "cancel" or (policy == "auto" and not self._task.is_generating):
            self._task.stop()
