"""``manage.py chatkit_images_prices``."""

from __future__ import annotations

import datetime
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ... import prices
from ...maintenance import reprice
from ..reports import ReportCommand


def day(text: str) -> datetime.date:
    """Return the day that an option says.

    Raises:
        ArgumentTypeError: If it is none.
    """
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day such as 2026-11-01") from None


class Command(ReportCommand):
    """Computes costs again."""

    help = (
        "Computes what runs and images of a period have cost, by the prices of "
        "CHATKIT_IMAGES['PRICES'] as they are now, and brings the sums up to date."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--since",
            type=day,
            required=True,
            help="The first day, such as 2026-11-01.",
        )
        parser.add_argument("--until", type=day, help="The day after the last one.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Count only, change nothing."
        )

    def work(self, **options: Any) -> None:
        dry_run, since, until = (options[k] for k in ("dry_run", "since", "until"))
        if until is not None and until <= since:
            raise CommandError("--until must be a day after --since.")
        try:
            prices.configured()
        except (TypeError, ValueError) as error:
            raise CommandError(f"CHATKIT_IMAGES['PRICES']: {error}") from error
        try:
            report = reprice(
                since,
                until,
                dry_run=dry_run,
                progress=self.progress(),
            )
        finally:
            self.clear()
        if options["json"]:
            self.print_json(report.to_json())
            return
        verb = "Would change" if dry_run else "Changed"
        self.stdout.write(
            f"{verb} {report.changed_runs} of {report.runs} runs and "
            f"{report.changed_images} images outside of runs: "
            f"{report.before} before, {report.after} now ({report.currency or '-'})."
        )
        if report.kept:
            self.stdout.write(
                f"{report.kept} runs keep their cost, as images of theirs are deleted."
            )
