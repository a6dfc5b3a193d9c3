"""``manage.py chatkit_images_sweep``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...maintenance import SweepRefused, sweep
from ..tenants import TenantCommand


class Command(TenantCommand):
    """Ends or deletes what a crash left behind."""

    help = (
        "Ends dead runs and their images, deletes files whose rows are gone, "
        "attachments that were never sent, and files that no row knows."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="Count only, change nothing."
        )

        parser.add_argument(
            "--force",
            action="store_true",
            help="Delete unknown files even if they are most of all files.",
        )

    def work(self, **options: Any) -> None:
        dry_run, force = options["dry_run"], options["force"]
        verb = "Would settle" if dry_run else "Settled"
        try:
            counts = sweep(dry_run=dry_run, force=force)
        except SweepRefused as error:
            raise CommandError(
                f"{error} If they are to be deleted, say --force."
            ) from error
        for kind, count in counts.items():
            self.stdout.write(f"{verb} {count} {kind}.")
