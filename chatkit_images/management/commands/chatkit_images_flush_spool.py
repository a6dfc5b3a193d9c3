"""``manage.py chatkit_images_flush_spool``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from ...maintenance import Troubles, flushing, waiting
from ..reports import ReportCommand


class Command(ReportCommand):
    """Saves spooled files to the storage."""

    help = (
        "Ends dead runs and moves files that the storage would not take from the spool "
        "to the storage that their rows name. Fails if some are left."
    )

    def work(self, **options: Any) -> None:
        troubles, show, moved = Troubles(), self.progress(), 0
        try:
            for batch in flushing(troubles):
                moved += len(batch)
                if show is not None:
                    show("files", moved)
        finally:
            self.clear()
        left = sum(1 for _ in waiting())
        if options["json"]:
            counts = dict(troubles.counts)
            self.print_json(
                {"version": 1, "moved": moved, "left": left, "troubles": counts}
            )
        else:
            self.stdout.write(f"Moved {moved} files to the storage, {left} are left.")
            for line in troubles.lines():
                self.stderr.write(line)
        if left:
            raise CommandError("The storage refuses files; see the log for its reason.")
