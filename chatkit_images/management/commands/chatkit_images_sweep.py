"""``manage.py chatkit_images_sweep``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ...upkeep import sweep


class Command(BaseCommand):
    """Settles what a crash left behind."""

    help = (
        "Ends dead runs and their images, deletes files whose rows are gone, "
        "attachments that were never sent, and files that no row knows."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Count only, change nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        verb = "Would settle" if options["dry_run"] else "Settled"
        for kind, count in sweep(dry_run=options["dry_run"]).items():
            self.stdout.write(f"{verb} {count} {kind}.")
