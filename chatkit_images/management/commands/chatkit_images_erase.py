"""``manage.py chatkit_images_erase``."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...maintenance import ErasureFailed, Receipt, erase
from ..people import add_person, person_of
from ..progress import Progress
from ..tenants import TenantCommand

# The exit code if something stays because it is held.
HELD = 3


class Command(TenantCommand):
    """Erases a person."""

    help = (
        "Erases all that a person has, rows and files, and prints a receipt. It fails "
        "if files are left, and with 3 if something stays because it is held."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_person(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="Count only, change nothing."
        )
        parser.add_argument(
            "--json", action="store_true", help="Print the receipt as JSON."
        )

    def is_of_one_tenant(self, options: dict[str, Any]) -> bool:
        return True

    def work(self, **options: Any) -> None:
        owner, user = person_of(options)
        dry_run = options["dry_run"]
        progress = Progress(self.stderr)
        try:
            receipt = erase(owner, user=user, dry_run=dry_run, progress=progress)
        except ErasureFailed as error:
            raise CommandError(str(error)) from error
        finally:
            progress.end()
        if options["json"]:
            self.stdout.write(json.dumps(receipt.to_json(), indent=2))
        else:
            self._tell(receipt)
        if receipt.held:
            raise CommandError("Something is held and stays.", returncode=HELD)
        if not (receipt.is_complete or receipt.dry_run):
            raise CommandError("Not all is erased; call it again.")

    def _tell(self, receipt: Receipt) -> None:
        if not (receipt.rows or receipt.held):
            self.stdout.write("This owner has nothing here.")
        verb = "Would erase" if receipt.dry_run else "Erased"
        for kind in sorted(receipt.rows):
            size = receipt.bytes.get(kind)
            with_files = "" if size is None else f", {size} bytes"
            count = receipt.rows[kind]
            self.stdout.write(f"{verb} {count} {kind.replace('_', ' ')}{with_files}.")
        for each in receipt.remains:
            count_of = "" if each.count is None else f"{each.count} "
            self.stdout.write(f"Remains: {count_of}{each.what}. {each.why}")
