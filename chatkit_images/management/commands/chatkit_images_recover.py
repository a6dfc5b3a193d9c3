"""``manage.py chatkit_images_recover``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from ...models import Run
from ...queries import run_ends
from ...runs import releases, telling
from ..tenants import TenantCommand

# Ends that were given up, each of which has a line.
MOST_LINES = 20


class Command(TenantCommand):
    """Ends runs whose process has died, and tells of ends that it has not told."""

    help = (
        "Ends dead runs and their images, so that their threads take messages again. "
        "Tells of ends of runs of which the receivers of run_finished, or the webhook, "
        "have not heard. Running servers do the same by themselves."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--all",
            action="store_true",
            help="End every run without waiting for RUN_STALE_SECONDS. Only while no "
            "server is running.",
        )
        parser.add_argument(
            "--given-up",
            action="store_true",
            help="Tell the webhook again of ends that it did not take in all tries.",
        )

    def work(self, **options: Any) -> None:
        end = releases.interrupt if options["all"] else releases.take_over
        ended = end(Run.objects.all())
        left = Run.objects.running().count()
        self.stdout.write(f"Ended {ended} runs, {left} go on.")
        if options["given_up"]:
            run_ends.try_again()
        if told := telling.tell_all():
            self.stdout.write(f"Told of {told} ends of runs again.")
        for lost in run_ends.given_up().order_by("pk")[:MOST_LINES]:
            self.stdout.write(
                f"The webhook did not take the end of run {lost}, of "
                f"{lost.created_at}: {lost.error}"
            )
        if count := run_ends.given_up().count():
            self.stdout.write(f"{count} ends were given up; see --given-up.")
