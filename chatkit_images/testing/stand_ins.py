"""What each stand-in of a provider has: answers that are queued, and requests."""

from __future__ import annotations

import threading
from collections import deque

from .script import JSON, HTTPError, Step

#: How many request bodies are remembered; they may carry whole images.
REMEMBERED = 200


class StandIn:
    """Gives scripted answers in their order, and remembers what was asked.

    It may be used from any thread.

    Attributes:
        requests: The bodies of the newest requests, oldest first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[tuple[Step, ...]] = deque()
        self.requests: list[JSON] = []

    def respond_with(self, *steps: Step) -> None:
        """Queue one scripted answer; answers are given in the order queued.

        Raises:
            ValueError: An `HTTPError` is not the first step.
        """
        if any(isinstance(step, HTTPError) for step in steps[1:]):
            raise ValueError("HTTPError must be the first step of an answer.")
        with self._lock:
            self._queue.append(steps)

    def reset(self) -> None:
        """Forget queued answers and received requests."""
        with self._lock:
            self._queue.clear()
            self.requests.clear()

    def remember(self, request: JSON) -> None:
        """Add a request to `requests`, which keep the newest 200."""
        with self._lock:
            self.requests.append(request)
            del self.requests[:-REMEMBERED]

    def queued(self) -> tuple[Step, ...] | None:
        """Take the next scripted answer, None if there is none."""
        with self._lock:
            return self._queue.popleft() if self._queue else None
