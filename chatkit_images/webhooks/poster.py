"""The thread that posts to the webhook, and the messages that wait for it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import Context
from dataclasses import dataclass
from functools import cache

from .sending import Answer, send

logger = logging.getLogger(__name__)
# Messages that are sent at once, and that are in memory: those included that wait.
AT_ONCE, MOST = 8, 64


@dataclass(frozen=True)
class Post:
    """A message to the webhook.

    Attributes:
        id: The same each time that it is sent.
        body: JSON.
        until: When it is too late to begin, as ``time.monotonic()`` says it.
        then: Gets the answer, or ``None`` if it was too late. It must not block, and
            returns what is done with the answer.
    """

    id: str
    body: bytes
    until: float
    then: Callable[[Answer | None], Future[None]]


class Poster:
    """Sends messages in a thread that ends with the process.

    A process that ends does not wait for it: whoever has the message elsewhere sends it
    again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[Future[None]] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._loop = asyncio.new_event_loop()
        threading.Thread(
            target=self._loop.run_forever, name="chatkit-images-webhook", daemon=True
        ).start()

    @property
    def posting(self) -> int:
        """How many messages wait or are being sent."""
        with self._lock:
            return len(self._open)

    def put(self, post: Post) -> bool:
        """Have a message sent; ``False`` if too many wait."""
        with self._lock:
            if len(self._open) >= MOST:
                return False
            # In a context of its own, as that of a run has all that the run has read.
            future = Context().run(
                asyncio.run_coroutine_threadsafe, self._post(post), self._loop
            )
            self._open.add(future)
        future.add_done_callback(self._forget)
        return True

    def drain(self, seconds: float) -> bool:
        """Wait until what waits now is sent; ``False`` if that takes too long."""
        with self._lock:
            still = set(self._open)
        return not wait(still, seconds).not_done

    async def _post(self, post: Post) -> None:
        try:
            answer = None
            async with self._turns:
                if time.monotonic() < post.until:
                    answer = await send(post.id, post.body)
            await asyncio.wrap_future(post.then(answer))
        except Exception:
            # Its row says that it was claimed. It is told again when that is over.
            logger.warning(
                "It is not noted whether the webhook took %s", post.id, exc_info=True
            )

    def _forget(self, future: Future[None]) -> None:
        with self._lock:
            self._open.discard(future)


@cache
def _poster() -> Poster:
    return Poster()


def put(post: Post) -> bool:
    """Have a message sent; ``False`` if too many wait. May be called in any thread."""
    return _poster().put(post)


def posting() -> int:
    """Return how many messages of this process wait or are being sent."""
    # Whoever only asks needs no thread.
    return _poster().posting if _poster.cache_info().currsize else 0


def room() -> int:
    """Return how many more messages may wait."""
    return MOST - posting()


def drain(seconds: float) -> bool:
    """Wait until the messages that wait are sent. For commands and tests.

    Returns:
        ``False`` if some are left after so many seconds.
    """
    return not posting() or _poster().drain(seconds)
