"""What is known of a service since its newest answer, and what follows from it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from ..conf import settings

# Runs in a row whose requests must fail, within how many seconds.
RUNS, WINDOW = 5, 600.0
# People of whom they must be, if the service could be connected to.
PEOPLE = 3
# Seconds after which a probe without an answer is joined by another.
PROBE_SECONDS = 10.0
# Longest pause, in seconds.
MOST_PAUSE = 60.0


class Service(NamedTuple):
    """Who is asked.

    Attributes:
        url: The base URL of an API, or whatever else tells it from others.
        model: The model. One of a provider's may be away while others are not.
    """

    url: str
    model: str = ""


class Failed(NamedTuple):
    """A request that has failed.

    Attributes:
        at: When, on a clock that only goes forward.
        person: Whose it was.
        connected: Whether the service could be connected to.
    """

    at: float
    person: Hashable
    connected: bool


class Circuit:
    """What is known of a service since its newest answer.

    Attributes:
        until: When the pause ends; ``None`` while the service is not left alone.
    """

    def __init__(self) -> None:
        self.until: float | None = None
        self._failed: dict[Hashable, Failed] = {}
        self._pause = 0.0
        self._probe: tuple[object, float] | None = None

    def wait(self, now: float) -> float:
        """Return the seconds for which a new request is refused; 0 if it is not."""
        if self.until is None:
            return 0.0
        if self._probe is not None:
            return max(0.0, self._probe[1] + PROBE_SECONDS - now)
        return max(0.0, self.until - now)

    def begin(self, request: object, now: float) -> None:
        """Note a request that is let through."""
        if self.until is not None:
            self._probe = (request, now)

    def leave(self, request: object) -> None:
        """Note a request of which nothing is known. Another one may be the probe."""
        if self._probe is not None and self._probe[0] is request:
            self._probe = None

    def fail(self, request: object, run: Hashable, failed: Failed, wait: float) -> bool:
        """Note a request that has failed; ``True`` if the pauses begin with it.

        Args:
            request: The request.
            run: The run that has made it.
            failed: How it has failed.
            wait: Seconds for which the service has asked.
        """
        now = failed.at
        pause = max(settings.PROVIDER_PAUSE_SECONDS, wait)
        if self.until is not None:
            if self._probe is not None and self._probe[0] is request:
                self._probe = None
                self._pause = min(max(2 * self._pause, pause), MOST_PAUSE)
                self.until = now + self._pause
            return False
        self._failed[run] = failed
        recent = {
            run: one for run, one in self._failed.items() if now - one.at <= WINDOW
        }
        self._failed = recent
        people = {one.person for one in recent.values()}
        unreachable = sum(not one.connected for one in recent.values())
        if len(recent) < RUNS or (unreachable < RUNS and len(people) < PEOPLE):
            return False
        self._failed = {}
        self._pause = min(pause, MOST_PAUSE)
        self.until = now + self._pause
        return True
