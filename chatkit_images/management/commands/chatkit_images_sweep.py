"""``manage.py chatkit_images_sweep``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...maintenance import Settled, SweepRefused, claim, storages_in_use, sweep
from ..reports import ReportCommand


class Command(ReportCommand):
    """Ends or deletes what a crash left behind."""

    help = (
        "Ends dead runs and their images, deletes files whose rows are gone, "
        "attachments that were never sent, and files that no row knows. Fails if it "
        "could not do all of it."
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
        parser.add_argument(
            "--claim",
            nargs="*",
            metavar="ALIAS",
            help="First say that the files of these storages belong to this database. "
            "Default: all storages that rows name.",
        )

    def work(self, **options: Any) -> None:
        dry_run, refused = options["dry_run"], None
        if options["claim"] is not None and not dry_run:
            for alias in options["claim"] or storages_in_use():
                claim(alias)
        try:
            settled = sweep(
                dry_run=dry_run, force=options["force"], progress=self.progress()
            )
        except SweepRefused as error:
            settled, refused = error.settled, error
        finally:
            self.clear()
        if options["json"]:
            self.print_json(_data(settled, dry_run))
        else:
            verb = "Would settle" if dry_run else "Settled"
            for kind, count in settled.items():
                self.stdout.write(f"{verb} {count} {kind}.")
            for line in settled.troubles.lines():
                self.stderr.write(line)
        if refused is not None:
            raise CommandError(
                f"{refused} If they are to be deleted, say --force."
            ) from refused
        if settled.troubles:
            raise CommandError(
                f"{settled.troubles.total} things could not be done; the next sweep "
                "tries them again."
            )


def _data(settled: Settled, dry_run: bool) -> dict[str, Any]:
    return {
        "version": 1,
        "dry_run": dry_run,
        "counts": dict(settled),
        "refused": settled.refused,
        "troubles": {
            "counts": dict(settled.troubles.counts),
            "first": [repr(error) for error in settled.troubles],
        },
    }
