"""``manage.py chatkit_images_flush_spool``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import storage
from ...upkeep import flush_spool


class Command(BaseCommand):
    """Saves spooled files to the storage."""

    help = "Moves files that the storage would not take from the spool to the storage."

    def handle(self, *args: Any, **options: Any) -> None:
        moved = len(flush_spool())
        left = sum(1 for _ in storage.spool.released())
        self.stdout.write(f"Moved {moved} files to the storage, {left} are left.")
        if left:
            raise CommandError("The storage refuses files; see the log for its reason.")
