"""``manage.py chatkit_images_flush_spool``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import storage


class Command(BaseCommand):
    """Saves spooled files to the storage."""

    help = "Moves files that the storage would not take from the spool to the storage."

    def handle(self, *args: Any, **options: Any) -> None:
        moved = storage.flush_spool()
        left = sum(1 for _ in storage.spooled())
        self.stdout.write(f"Moved {moved} files to the storage, {left} are left.")
        if left:
            raise CommandError("The storage refuses files; see the log for its reason.")
