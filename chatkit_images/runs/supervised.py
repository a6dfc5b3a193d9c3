"""A run of this process, as its supervisor sees it."""

from __future__ import annotations

import uuid
from typing import Protocol

from ..context import RequestContext


class Supervised(Protocol):
    """A run of this process, as its supervisor sees it."""

    id: uuid.UUID
    context: RequestContext

    @property
    def thread_id(self) -> str | None:
        """Return the id of its thread, if it has one by now."""

    @property
    def ending(self) -> bool:
        """Whether it ends already."""

    def stop(self) -> None:
        """End it."""

    def withdraw(self, words: str) -> None:
        """End it because staff say so, in their words if there are any."""

    def read_elsewhere(self) -> None:
        """Note that another process reads it."""

    def show(self, chunk: bytes) -> None:
        """Show its readers what has changed in its thread."""
