"""What the children of the fork server do. Nothing here runs in the tests' process."""

from __future__ import annotations

import sys
from typing import Any

import django

from . import arming


def begin(function: str, arguments: dict[str, Any]) -> Any:
    """Set Django up as a new process does, arm the fault, call a function."""
    django.setup()
    arming.arm()
    return globals()[function](**arguments)


def serve(port: int, kind: str = "daphne") -> None:
    """Serve the application until somebody ends it."""
    if kind == "uvicorn":
        import uvicorn

        return uvicorn.run("tests.asgi:application", port=port, lifespan="off")
    from daphne.cli import CommandLineInterface

    close = ["--application-close-timeout", "1"]
    CommandLineInterface().run(
        ["-b", "127.0.0.1", "-p", str(port), *close, "tests.asgi:application"]
    )


def manage(arguments: list[str]) -> None:
    """Run a management command as ``manage.py`` does."""
    from django.core.management import execute_from_command_line

    sys.argv = ["manage.py", *arguments]
    execute_from_command_line(sys.argv)


def prepare() -> dict[str, str]:
    """Make the tables, Ann and her session; return her cookies."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connections
    from django.test import Client

    call_command("migrate", verbosity=0)
    login = Client()
    login.force_login(User.objects.create_user("ann", password="ann"))
    # SQLite writes its log back when its last connection is closed.
    connections.close_all()
    return {"sessionid": login.cookies["sessionid"].value}


def settle(commands: list[str]) -> list[dict[str, Any]]:
    """Run management commands and return what there is after each of them."""
    from django.core.management import call_command

    from chatkit_images import storage

    seen = []
    for command in commands:
        call_command(command)
        storage.drain()
        seen.append(dump())
    return seen


def dump() -> dict[str, Any]:
    """Return the rows that the tests look at, and the bytes that rows name."""
    from chatkit_images import models, storage
    from chatkit_images.deleted_files import file_columns

    digests, missing = {}, []
    for model, fields in file_columns().items():
        for field in fields:
            rows = model._default_manager.exclude(**{field: ""})
            for name in rows.values_list(field, flat=True):
                try:
                    digests[name] = arming.sha256(storage.read(name))
                except FileNotFoundError:
                    missing.append(name)
    images = models.GeneratedImage.objects.order_by("created_at").values(
        "call_id", "status", "file", "sha256", "error_code", "item__item_id"
    )
    return {
        "images": list(images),
        "runs": list(models.Run.objects.values_list("status", flat=True)),
        "items": list(models.ThreadItem.objects.values_list("type", flat=True)),
        "noted": list(models.DeletedFile.objects.values_list("name", flat=True)),
        "files": digests,
        "missing": missing,
    }


def lapse() -> int:
    """Let the time be over for which ends are claimed; return how many there are."""
    from chatkit_images.models import RunEnd

    return RunEnd.objects.update(due_at=RunEnd._meta.get_field("created_at").default())
