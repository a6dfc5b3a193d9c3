"""``manage.py chatkit_images_flush_spool``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from ...maintenance import flush_spool, spooled
from ..tenants import TenantCommand


class Command(TenantCommand):
    """Saves spooled files to the storage."""

    help = (
        "Ends dead runs and moves files that the storage would not take from the spool "
        "to the storage."
    )

    def work(self, **options: Any) -> None:
        moved = len(flush_spool())
        left = len(spooled())
        self.stdout.write(f"Moved {moved} files to the storage, {left} are left.")
        if left:
            raise CommandError("The storage refuses files; see the log for its reason.")
