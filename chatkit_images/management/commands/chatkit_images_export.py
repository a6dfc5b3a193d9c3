"""``manage.py chatkit_images_export``."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import (
    get_language,
    get_supported_language_variant,
    override,
)

from ... import exchange
from ..people import add_person, person_of
from ..reports import ReportCommand


class Command(ReportCommand):
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
        parser.add_argument(
            "--language",
            type=_language,
            metavar="CODE",
            help="Of the pages. Default: the project's.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Count only, write nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["output"] == "-":
            if sys.stdout.isatty():
                raise CommandError(
                    "An archive is no text for a terminal: name a file, or pipe it."
                )
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
            found = exchange.survey(context)
            if options["json"]:
                self.print_json({"version": 1, "dry_run": True, **found})
                return
            for kind, count in found.items():
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
                progress=self.percent(),
            )
        except FileExistsError as error:
            raise CommandError(f"{error} --force replaces it.") from error
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error}") from error
        finally:
            self.clear()
        if options["json"]:
            self.print_json(
                {
                    "version": 1,
                    "dry_run": False,
                    "counts": done.counts,
                    "files": done.files,
                    "bytes": done.bytes,
                    "errors": done.problem_count,
                }
            )
        else:
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


def _language(code: str) -> str:
    """Return the code of a language that Django has.

    Raises:
        ArgumentTypeError: If it has none.
    """
    try:
        return get_supported_language_variant(code)
    except LookupError as error:
        raise ArgumentTypeError(
            f"{code!r} is none of LANGUAGES of the project."
        ) from error
