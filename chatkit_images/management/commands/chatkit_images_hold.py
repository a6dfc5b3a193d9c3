"""``manage.py chatkit_images_hold``."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ... import models
from ...context import RequestContext
from ...contexts import working_context
from ...queries import holds
from ..people import add_person, person_of
from ..tenants import TenantCommand, name_of


class Command(TenantCommand):
    """Places, releases and lists legal holds."""

    help = (
        "Keeps what a person has, or one thread, from retention, erasure and deletion, "
        "until the hold is released."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("action", choices=["place", "release", "list"])
        add_person(parser)
        parser.add_argument("--thread", help="The id of one thread.")
        parser.add_argument("--reason", default="", help="Why it is placed.")
        parser.add_argument("--by", default="", help="Who places it.")
        parser.add_argument(
            "--json", action="store_true", help="List as JSON, a line for each hold."
        )

    def is_of_one_tenant(self, options: dict[str, Any]) -> bool:
        """Return whether it changes something."""
        return bool(options["action"] != "list")

    def is_asked_for(self, options: dict[str, Any]) -> bool:
        """Return whether it lists."""
        return bool(options["action"] == "list")

    def announce(self, context: RequestContext | None) -> None:
        """Say for which tenant the work is, unless JSON says it."""
        if not self._is_json:
            super().announce(context)

    def handle(self, *args: Any, **options: Any) -> None:
        self._is_json = options["json"]
        super().handle(*args, **options)

    def work(self, **options: Any) -> None:
        if options["action"] == "list":
            return self._list(options["json"])
        owner, thread_id = "", options["thread"] or ""
        if not thread_id:
            owner, _user = person_of(options)
        elif options["user"] or options["owner"]:
            raise CommandError("Say --user, --owner or --thread, one of them.")
        if options["action"] == "release":
            if not holds.release(owner=owner, thread_id=thread_id):
                raise CommandError("There is no such hold.")
            self.stdout.write("Released.")
            return
        if not (options["reason"] and options["by"]):
            raise CommandError("Say --reason and --by: why it is placed, and by whom.")
        try:
            _row, is_new = holds.place(
                owner=owner,
                thread_id=thread_id,
                reason=options["reason"],
                placed_by=options["by"],
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        if not is_new:
            raise CommandError("It is held already; that hold stays as it is.")
        kept = 1 if thread_id else models.Thread.objects.for_owner(owner).count()
        self.stdout.write(f"Held: {kept} threads as of now.")

    def _list(self, as_json: bool) -> None:
        rows = models.LegalHold.objects.order_by("pk")
        context = working_context()
        tenant = {} if context is None else {"tenant": name_of(context)}
        for row in rows:
            told = tenant | {
                "owner": row.owner,
                "thread": row.thread_id,
                "reason": row.reason,
                "placed_by": row.placed_by,
                "placed_at": row.created_at.isoformat(),
            }
            if as_json:
                self.stdout.write(json.dumps(told))
            else:
                what = f"thread {row.thread_id}" if row.thread_id else row.owner
                self.stdout.write(
                    f"{what}: {row.placed_by}, {row.created_at:%Y-%m-%d %H:%M}: "
                    f"{row.reason or '-'}"
                )
