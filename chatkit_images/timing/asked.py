"""Which provider a run has asked for responses, and when their events came."""

from __future__ import annotations

import datetime
from typing import Any

from django.utils import timezone

from .figures import Figures, Timings


class Asked:
    """Notes each request of a run to its model, and the events that came of it.

    Attributes:
        model: The model that was asked.
        provider: The host that was asked.
        request_id: The provider's id of the newest request.
        requested_at: When the newest response was asked for, if that is known.
        first_event_at: When its first event came.
        timings: The figures of the run.
    """

    # What is done before a model is asked, and so before each of its images.
    BEFORE = ("claim_ms", "input_ms", "read_ms", "read_files")

    def __init__(self, timings: Timings | None = None) -> None:
        self.model = self.provider = self.request_id = ""
        self.requested_at: datetime.datetime | None = None
        self.first_event_at: datetime.datetime | None = None
        self.timings = timings or Timings()
        self._first: tuple[Any, Any] = (None, None)
        self._newest: datetime.datetime | None = None

    def ask(self, provider: str = "", model: str = "") -> None:
        """Note that a model is asked now."""
        self.provider, self.model = provider or self.provider, model or self.model
        self._begin(timezone.now())

    def hear(self, kind: str = "", request_id: str | None = None) -> None:
        """Note an event of the run.

        Args:
            kind: The type of the provider's event; empty for one of the SDK's own.
            request_id: The provider's id of the request, if the event has it.
        """
        now = timezone.now()
        if kind:
            self.request_id = request_id or self.request_id
            if kind == "response.created" and self.first_event_at is not None:
                # The SDK asks again as soon as the tools of the response are through.
                self._begin(self._newest)
            if self.first_event_at is None:
                self.first_event_at = now
                if self.requested_at is not None:
                    waited = (now - self.requested_at).total_seconds()
                    self.timings.spend("model", waited)
                first, event = self._first
                self._first = (first, event or now)
        self._newest = now

    def nested(self) -> Asked:
        """Return the same for a run within, whose requests nobody sees."""
        within = Asked(self.timings)
        within.provider = self.provider
        return within

    def image_columns(self) -> dict[str, Any]:
        """Return the columns of an image whose call begins now."""
        return {
            "provider": self.provider,
            "request_id": self.request_id,
            "requested_at": self.requested_at,
            "first_event_at": self.first_event_at,
        }

    def before(self) -> Figures:
        """Return the figures that a run's images share with it."""
        known = self.timings.figures()
        return {name: known[name] for name in self.BEFORE if name in known}

    def run_columns(self) -> dict[str, Any]:
        """Return the columns of the run."""
        requested_at, first_event_at = self._first
        return {
            "model": self.model[:255],
            "provider": self.provider[:255],
            "request_id": self.request_id[:255],
            "requested_at": requested_at,
            "first_event_at": first_event_at,
            "timings": self.timings.figures(),
        }

    def _begin(self, now: datetime.datetime | None) -> None:
        self.requested_at, self.first_event_at = now, None
        self.timings.count("requests")
        if self._first[0] is None:
            self._first = (now, None)
