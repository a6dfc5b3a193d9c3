"""``manage.py chatkit_images_doctor``."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ... import doctor
from ...context import RequestContext
from ...contexts import working_context
from ..tenants import TenantCommand, name_of

logger = logging.getLogger(__name__)
ALL = "all"
# Seconds between two lines of progress.
PAUSE = 0.2


class Command(TenantCommand):
    """Finds what rows and files say of each other that is not so, and mends it."""

    help = (
        "Counts drift between rows, files and ledger by class. With --fix it is "
        "mended. Fails with 1 if drift is left, and with 2 if not all could be looked "
        "at."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        names = [each.name for each in doctor.CLASSES]
        parser.add_argument(
            "--check",
            nargs="+",
            choices=names,
            metavar="CLASS",
            help=f"Look for these classes only. Default: all of {', '.join(names)}.",
        )
        parser.add_argument(
            "--fix",
            nargs="+",
            default=[],
            choices=[*names, ALL],
            metavar="CLASS",
            help="Mend these classes, or all that are looked for; what is mended only "
            "by its name stays.",
        )
        parser.add_argument(
            "--deep", action="store_true", help="Read the bytes of all files, too."
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="Mend also if most files of a storage are lost or unknown.",
        )
        parser.add_argument(
            "--from",
            dest="start",
            default="",
            metavar="PLACE",
            help="Begin where an examination was stopped, as that has said.",
        )
        parser.add_argument("--json", action="store_true", help="Print JSON.")
        parser.add_argument(
            "--no-progress", action="store_true", help="Show no progress."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine each tenant.

        Raises:
            CommandError: With the exit code of the worst report.
        """
        self._reports: dict[str, doctor.Report] = {}
        self._is_json = options["json"]
        failed: Exception | None = None
        try:
            super().handle(*args, **options)
        except CommandError as error:
            failed = error
        except Exception as error:
            # With Python's own exit code it would be taken for drift.
            logger.exception("The doctor has failed")
            failed = error
        if self._is_json and self._reports:
            self._print_json()
        if failed is not None:
            raise CommandError(f"{failed}", returncode=2) from failed
        code = max((each.exit_code for each in self._reports.values()), default=0)
        left = sum(each.left for each in self._reports.values())
        if code == 2:
            raise CommandError("Not all could be looked at.", returncode=2)
        if code:
            raise CommandError(f"There is drift: {left} in all.", returncode=1)

    def is_asked_for(self, options: dict[str, Any]) -> bool:
        """Return ``True``: drift is told in any case."""
        return True

    def announce(self, context: RequestContext | None) -> None:
        """Say for which tenant the work is, unless that is for a program."""
        if not self._is_json:
            super().announce(context)

    def work(self, **options: Any) -> None:
        shown = not (options["no_progress"] or options["json"])
        self._last = 0.0
        self._is_shown = shown and self.stderr.isatty()
        try:
            report = doctor.examine(
                options["check"],
                fixes=options["fix"],
                deep=options["deep"],
                force=options["force"],
                start=options["start"],
                progress=self._show if self._is_shown else None,
                stopped=self._stopped,
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        finally:
            self._clear()
        self._reports[name_of(working_context())] = report
        if not options["json"]:
            self._print(report, options)

    def _print(self, report: doctor.Report, options: dict[str, Any]) -> None:
        mended = bool(options["fix"])
        for name, count in report.counts.items():
            if not (count.found or options["verbosity"]):
                continue
            size = f" ({count.bytes} bytes)" if count.bytes else ""
            fixed = f", {count.fixed} mended" if mended and count.found else ""
            self.stdout.write(f"{name}: {count.found}{size}{fixed}")
            for each in count.examples:
                self.stdout.write(f"  {each.what}: {each.why}")
            if count.found > len(count.examples):
                self.stdout.write(f"  and {count.found - len(count.examples)} more")
        for trouble in report.troubles:
            error = f"{type(trouble.error).__name__}: {trouble.error}"
            self.stderr.write(f"{trouble.drift}: {trouble.what}: {error}")

    def _print_json(self) -> None:
        found = {name: each.to_json() for name, each in self._reports.items()}
        alone = list(found) == ["-"]
        self.stdout.write(json.dumps(found["-"] if alone else {"tenants": found}))

    def _show(self, name: str, done: int) -> None:
        if time.monotonic() - self._last > PAUSE:
            self._last = time.monotonic()
            self.stderr.write(f"\r\033[K{name}: {done}", ending="")

    def _clear(self) -> None:
        if self._is_shown and self._last:
            self.stderr.write("\r\033[K", ending="")

    def _stopped(self, place: str) -> None:
        self._clear()
        self.stderr.write(f"Go on with --from {place}")
