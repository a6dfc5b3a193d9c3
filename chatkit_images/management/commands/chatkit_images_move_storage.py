"""``manage.py chatkit_images_move_storage``."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...conf import settings
from ...maintenance import Move, MoveRefused, NotOurFiles, move_storage
from ..tenants import TenantCommand


class Command(TenantCommand):
    """Moves all files from one storage to another, beside a live site."""

    help = (
        "Copies the files of all rows from one storage of STORAGES to another, "
        "compares each copy, and has the rows name it. Set CHATKIT_IMAGES['STORAGE'] "
        "to the target before. It may be interrupted and repeated."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("source", help="The alias of the storage that has them.")
        parser.add_argument("target", help="The alias of the storage that gets them.")
        parser.add_argument(
            "--threads", type=int, default=8, help="Rows copied at once. Default: 8."
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Count only, change nothing."
        )
        parser.add_argument(
            "--json", action="store_true", help="Write the counts as JSON."
        )

    def work(self, **options: Any) -> None:
        source, target = options["source"], options["target"]
        if target not in (source, settings.STORAGE):
            self.stderr.write(
                f"New files still go to {settings.STORAGE!r}: set "
                f"CHATKIT_IMAGES['STORAGE'] to {target!r}, and repeat the move."
            )
        quiet = options["json"] or options["verbosity"] < 1
        try:
            move = move_storage(
                source,
                target,
                threads=options["threads"],
                dry_run=options["dry_run"],
                progress=None if quiet else self._tell,
            )
        except (MoveRefused, NotOurFiles) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(vars(move)))
        else:
            self._report(move, dry_run=options["dry_run"])
        if move.failed:
            raise CommandError(f"{move.failed} rows stay in {source!r}.")

    def _tell(self, move: Move) -> None:
        if self.stdout.isatty():
            said = f"{move.rows.total()} rows, {move.bytes / 1e6:.1f} MB"
            self.stdout.write(f"\r{said}", ending="")
            self.stdout.flush()

    def _report(self, move: Move, *, dry_run: bool) -> None:
        verb = "Would move" if dry_run else "Moved"
        for model, count in sorted(move.rows.items()):
            self.stdout.write(f"{verb} {count} rows of {model}.")
        if not dry_run:
            self.stdout.write(f"Copied {move.files} files, {move.bytes} bytes.")
        if move.busy:
            self.stdout.write(f"{move.busy} images are being generated: move again.")
        for problem in move.problems:
            self.stderr.write(problem)
