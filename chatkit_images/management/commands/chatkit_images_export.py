"""``manage.py chatkit_images_export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import get_language, override

from ... import exchange
from ..people import add_person, person_of
from ..tenants import TenantCommand


class Command(TenantCommand):
    """Writes all that a person has into a zip archive."""

    help = (
        "Writes the chats, images and files of a person into a zip archive, to read in "
        "a browser and for chatkit_images_import."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_person(parser)
        parser.add_argument(
            "--output", help="The archive; - writes it to the standard output."
        )
        parser.add_argument(
            "--internal",
            action="store_true",
            help="Also what the person never sees, for a move to another installation.",
        )
        parser.add_argument(
            "--force", action="store_true", help="Replace a file that is there."
        )
        parser.add_argument("--language", help="Of the pages. Default: the project's.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Count only, write nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["output"] == "-":
            # An archive in the standard output is no place for words.
            self.stdout = self.stderr
        super().handle(*args, **options)

    def is_of_one_tenant(self, options: dict[str, Any]) -> bool:
        return True

    def work(self, **options: Any) -> None:
        with override(options["language"] or get_language()):
            owner, user = person_of(options)
            try:
                context = exchange.context_of(user, owner)
            except ValueError as error:
                raise CommandError(str(error)) from error
        if options["dry_run"]:
            for kind, count in exchange.survey(context).items():
                self.stdout.write(f"Would export {count} {kind}.")
            return
        output = options["output"]
        if not output:
            raise CommandError("Say --output, or --dry-run.")
        try:
            done = exchange.export(
                context,
                sys.stdout.buffer if output == "-" else Path(output),
                internal=options["internal"],
                replace=options["force"],
                progress=self._progress if options["verbosity"] > 1 else None,
            )
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error}") from error
        for kind, count in done.counts.items():
            self.stdout.write(f"Exported {count} lines of the kind {kind}.")
        self.stdout.write(f"Exported {done.bytes} bytes of files.")
        for problem in done.problems:
            self.stderr.write(str(problem))
        if done.problem_count:
            raise CommandError(
                f"{done.problem_count} files could not be read, or were changed; the "
                "rest is exported."
            )

    def _progress(self, done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            self.stderr.write(f"{done} of {total}")
