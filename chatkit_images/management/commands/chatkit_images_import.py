"""``manage.py chatkit_images_import``."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync
from django.core.management.base import CommandError, CommandParser

from ... import exchange
from ...context import RequestContext
from ..people import add_person, person_of
from ..reports import ReportCommand


class Command(ReportCommand):
    """Gives what is in an archive of an export to a person."""

    help = (
        "Imports an archive of chatkit_images_export, or what another ChatKit store "
        "has. What is there already stays as it is, so it can be repeated."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_person(parser)
        parser.add_argument("archive", nargs="?", help="The archive.")
        parser.add_argument(
            "--store",
            help="In place of an archive: the dotted path of a chatkit.store.Store, "
            "of its class, or of a function that returns it.",
        )
        parser.add_argument(
            "--context",
            help="With --store: the dotted path of the context that it takes, or of "
            "what yields pairs of a context and a user or an owner.",
        )
        parser.add_argument(
            "--fetch",
            action="store_true",
            help="With --store: read images at URLs, at public addresses only.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Check everything, write nothing."
        )

    def is_of_one_tenant(self, options: dict[str, Any]) -> bool:
        return True

    def work(self, **options: Any) -> None:
        if bool(options["archive"]) == bool(options["store"]):
            raise CommandError("Say an archive or --store, one of them.")
        try:
            done = self._done(options)
        except (
            exchange.ArchiveRefused,
            exchange.StoreRefused,
            exchange.TooManyRefused,
        ) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            why = f"{error.strerror}: {error.filename}" if error.filename else error
            raise CommandError(f"The import has stopped: {why}") from error
        finally:
            self.clear()
        self._report(done, dry_run=options["dry_run"])

    def _done(self, options: dict[str, Any]) -> exchange.Imported:
        dry_run = options["dry_run"]
        if options["store"] is None:
            return exchange.import_archive(
                self._context(options),
                options["archive"],
                dry_run=dry_run,
                tell=self._tell,
                progress=self.percent(),
            )
        # Pairs of --context say who gets what.
        is_said = options["user"] or options["owner"] or options["context"] is None
        ours = self._context(options) if is_said else None
        return async_to_sync(exchange.import_store)(
            exchange.store_of(options["store"]),
            exchange.people_of(options["context"], ours),
            dry_run=dry_run,
            fetch=options["fetch"],
            tell=self._tell,
        )

    def _context(self, options: dict[str, Any]) -> RequestContext:
        owner, user = person_of(options)
        try:
            return exchange.context_of(user, owner)
        except ValueError as error:
            raise CommandError(str(error)) from error

    def _report(self, done: exchange.Imported, *, dry_run: bool) -> None:
        if self.is_json:
            counts = {
                name: dict(sorted(getattr(done, name).items()))
                for name in ("new", "there", "refused", "notes")
            }
            self.print_json({"version": 1, "dry_run": dry_run, **counts})
        verb = "Would import" if dry_run else "Imported"
        for kind in () if self.is_json else sorted(done.new | done.there):
            there = f" ({done.there[kind]} were there)" if done.there[kind] else ""
            self.stdout.write(f"{verb} {done.new[kind]} of the kind {kind}{there}.")
        if not done.is_whole:
            refused, notes = done.refused.total(), done.notes.total()
            raise CommandError(
                f"{refused} were refused, {notes} are not whole; see above."
            )
        if not (done.new.total() or self.is_json):
            self.stdout.write("Nothing was new.")

    def _tell(self, refusal: exchange.Refusal) -> None:
        self.clear()
        self.stderr.write(str(refusal))
