"""``manage.py chatkit_images_retention``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...maintenance import apply_retention
from ..reports import ReportCommand


class Command(ReportCommand):
    """Deletes what is past its time."""

    help = "Deletes what CHATKIT_IMAGES['RETENTION'] keeps no longer."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="Count only, change nothing."
        )

    def work(self, **options: Any) -> None:
        try:
            report = apply_retention(
                dry_run=options["dry_run"], progress=self.progress()
            )
        finally:
            self.clear()
        if options["json"]:
            self.print_json(report.to_json())
        else:
            verb = "Would delete" if report.dry_run else "Deleted"
            for name, found in report.kinds.items():
                held = f" {found.held} are held." if found.held else ""
                if found.partly:
                    held += f" {found.partly} have lost a part, and keep the rest."
                self.stdout.write(
                    f"{verb} {found.rows} of {name}, {found.bytes} bytes.{held}"
                )
            if not report.kinds:
                self.stdout.write("RETENTION keeps everything for ever.")
        if report.failed_owners:
            raise CommandError(
                f"get_retention() has failed for {report.failed_owners} owners, whose "
                "rows are kept; see the log."
            )
