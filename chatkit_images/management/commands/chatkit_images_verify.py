"""``manage.py chatkit_images_verify``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from ...maintenance import verify
from ..tenants import TenantCommand


class Command(TenantCommand):
    """Reads every complete image and compares it with its row."""

    help = "Lists the images that the storage has lost or changed, or cannot read."

    def work(self, **options: Any) -> None:
        found = 0
        for finding in verify():
            found += 1
            image = finding.image
            why = f": {finding.error!r}" if finding.error else ""
            self.stdout.write(f"{finding.problem} {image.pk} {image.file.name}{why}")
        if found:
            raise CommandError(f"{found} images are not what their rows say.")
        self.stdout.write("Every image is what its row says.")
