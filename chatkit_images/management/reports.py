"""Commands that report on many rows or files, as lines or as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandParser

from .. import contexts
from ..context import RequestContext
from .tenants import TenantCommand, name_of

# Seconds between two lines of progress.
PAUSE = 0.2


class ReportCommand(TenantCommand):
    """A command whose ``work`` tells of its progress and may print JSON.

    On a terminal the progress is one line that changes.
    """

    _shown_at = 0.0

    def add_arguments(self, parser: CommandParser) -> None:
        """Add ``--tenant``, ``--json`` and ``--no-progress``."""
        super().add_arguments(parser)
        parser.add_argument(
            "--json",
            action="store_true",
            help="Print one line of JSON for each tenant, and nothing else.",
        )
        parser.add_argument(
            "--no-progress", action="store_true", help="Show no progress."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the work for each tenant, see ``TenantCommand``.

        Raises:
            CommandError: If it failed.
        """
        hidden = options["no_progress"] or options["json"]
        self._is_shown = not hidden and self.stderr.isatty()
        self.is_json = bool(options["json"])
        super().handle(*args, **options)

    def announce(self, context: RequestContext | None) -> None:
        """Say for which tenant the work is, unless JSON says it."""
        if not self.is_json:
            super().announce(context)

    def progress(self) -> Callable[[str, int], None] | None:
        """Return what to call with a kind and a number; ``None`` if nobody looks."""
        return self._show if self._is_shown else None

    def percent(self) -> Callable[[int, int], None] | None:
        """Return what to call with how much of how much is done, likewise."""
        if not self._is_shown:
            return None
        return lambda done, total: self._show("per cent", 100 * done // max(1, total))

    def print_json(self, data: dict[str, Any]) -> None:
        """Print the report of one tenant."""
        context = contexts.working_context()
        tenant = {} if context is None else {"tenant": name_of(context)}
        self.stdout.write(json.dumps(tenant | data))

    def clear(self) -> None:
        """Take the progress off the terminal."""
        if self._shown_at:
            self.stderr.write("\r\033[K", ending="")
            self._shown_at = 0.0

    def _show(self, name: str, done: int) -> None:
        if time.monotonic() - self._shown_at > PAUSE:
            self._shown_at = time.monotonic()
            self.stderr.write(f"\r\033[K{name}: {done}", ending="")
