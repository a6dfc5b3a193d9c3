"""``manage.py chatkit_images_recover``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from ...models import Run
from ...runs import releases
from ..tenants import TenantCommand


class Command(TenantCommand):
    """Ends runs whose process has died."""

    help = (
        "Ends dead runs and their images, so that their threads take messages again. "
        "Running servers do the same by themselves."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--all",
            action="store_true",
            help="End every run without waiting for RUN_STALE_SECONDS. Only while no "
            "server is running.",
        )

    def work(self, **options: Any) -> None:
        end = releases.interrupt if options["all"] else releases.take_over
        ended = end(Run.objects.all())
        left = Run.objects.running().count()
        self.stdout.write(f"Ended {ended} runs, {left} go on.")
