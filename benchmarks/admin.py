"""What the pages of staff read and cost, by the number of images.

Beside each of them, in turns, stands Django's own list with the columns of the gallery,
over a thousand images. What a page reads is counted in rows on PostgreSQL, and in steps
of its virtual machine on SQLite. On a busy machine times mean
little.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import admin_rows
import project
import upkeep_rows

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
HEADER = ("Images", "Page", "Statements", "Read", "x", "ms", "of plain")
ROUNDS = 5
# Of the virtual machine of SQLite, which are counted in so many at once.
STEPS = 10
PLAIN = "/plain/chatkit_images/generatedimage/"
LIST = "/admin/chatkit_images/generatedimage/"


class Cost(NamedTuple):
    """What a page has cost.

    Attributes:
        statements: How many it has sent to the database.
        read: How many rows the database has read for it, or how many steps it took.
        ms: How long it took, in the middle of some rounds.
        of_plain: How many times as long as Django's list, in the middle of the rounds.
    """

    statements: int
    read: int
    ms: float
    of_plain: float


def main() -> None:
    """Print a row for each number of images and each page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--postgres", action="store_true", help="on PostgreSQL, as PG* variables say"
    )
    parser.add_argument(
        "--pages", default="", help="only pages with this in their names, like 'first'"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        help="keep the databases, and use those that are there: files in this folder, "
        "or databases of PostgreSQL whose names begin with its name",
    )
    arguments = parser.parse_args()
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
    with tempfile.TemporaryDirectory() as name:
        configure(Path(name), arguments.postgres)
        sizes, rounds = arguments.images, arguments.rounds
        for line in measure(sizes, rounds, arguments.pages, arguments.keep):
            print(f"| {' | '.join(line)} |", flush=True)


def configure(folder: Path, is_postgres: bool) -> None:
    """Set Django up with its admin."""
    apps = ["admin", "auth", "contenttypes", "messages", "sessions", "staticfiles"]
    middleware = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    processors = [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]
    project.configure(
        folder,
        INSTALLED_APPS=[
            *(f"django.contrib.{app}" for app in apps),
            "channels",
            "chatkit_images",
        ],
        MIDDLEWARE=middleware,
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": processors},
            }
        ],
        ROOT_URLCONF="admin_urls",
        STATIC_URL="/static/",
        ALLOWED_HOSTS=["*"],
        **project.on_postgres(is_postgres),
    )


def measure(
    sizes: list[int], rounds: int, named: str = "", keep: Path | None = None
) -> Iterator[list[str]]:
    """Yield the lines of the table.

    Args:
        sizes: The numbers of images.
        rounds: How often times are taken.
        named: What the names of the pages have in them.
        keep: Where databases are kept; without it the same one is emptied.
    """
    from django.core.management import call_command

    first: dict[str, Cost] = {}
    for images in sizes:
        if keep is None:
            upkeep_rows.prepare()
        else:
            use_database(keep, images)
            call_command("migrate", verbosity=0)
        pages = prepare(images)
        for name, path in pages["paths"].items():
            if named not in name:
                continue
            found = cost(pages["client"], path, rounds)
            before = first.setdefault(name, found)
            yield [
                f"{images:,}",
                name,
                str(found.statements),
                f"{found.read:,}",
                f"{found.read / before.read:.2f}",
                f"{found.ms:.0f}",
                f"{found.of_plain:.2f}",
            ]


def use_database(keep: Path, images: int) -> None:
    """Go on with the database of a size, which is made if it is not there."""
    from django.db import connection

    if connection.vendor == "sqlite":
        keep.mkdir(parents=True, exist_ok=True)
        name = str(keep / f"{images}.sqlite3")
    else:
        name = f"{keep.name}_{images}"
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if not cursor.fetchone():
                cursor.execute(f"CREATE DATABASE {connection.ops.quote_name(name)}")
    connection.close()
    connection.settings_dict["NAME"] = name


def prepare(images: int) -> dict[str, Any]:
    """Make the rows; return somebody of the staff, and the pages."""
    import admin_site
    from django.contrib.auth import get_user_model
    from django.test import Client

    newest, since = admin_rows.prepare(images)
    admin_site.PlainImageAdmin.since = since
    client = Client()
    users = get_user_model().objects
    found = users.filter(username="staff").first()
    client.force_login(found or users.create_superuser("staff"))
    paths = {
        "gallery, first": LIST,
        "gallery, far": f"{LIST}?newer=oldest",
        "gallery, failed": f"{LIST}?status__exact=failed",
        "gallery, a model": f"{LIST}?model__exact=gpt-image-1",
        "gallery, a common word": f"{LIST}?q=fox",
        "gallery, everybody's word": f"{LIST}?q=fog",
        "gallery, a rare word": f"{LIST}?q=zebra",
        "gallery, no match": f"{LIST}?q=unicorn",
        "gallery, one person's": f"{LIST}?owner={admin_rows.PERSON}",
        "gallery, largest files": f"{LIST}?order=-bytes",
        "runs": "/admin/chatkit_images/run/",
        "threads": "/admin/chatkit_images/thread/",
        "an image": f"{LIST}{newest.pk}/change/",
    }
    return {"client": client, "paths": paths}


def cost(client: Any, path: str, rounds: int) -> Cost:
    """Measure a page."""
    from django.db import connection

    statements = 0

    def count(execute: Any, *args: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*args)

    client.get(path)  # Templates and the like are read once.
    with _read() as read, connection.execute_wrapper(count):
        assert client.get(path).status_code == 200, path
    times, ratios = [], []
    for _ in range(rounds):
        plain, took = _ms(client, PLAIN), _ms(client, path)
        times.append(took)
        ratios.append(took / plain)
    return Cost(
        statements, read[0], statistics.median(times), statistics.median(ratios)
    )


@contextmanager
def _read() -> Iterator[list[int]]:
    """Count the rows that are read meanwhile, or the steps."""
    from django.db import connection

    if connection.vendor == "postgresql":
        found = [-upkeep_rows.rows_read()]
        yield found
        found[0] += upkeep_rows.rows_read()
        return
    found = [0]

    def add() -> None:
        found[0] += STEPS

    connection.connection.set_progress_handler(add, STEPS)
    yield found
    connection.connection.set_progress_handler(None, STEPS)


def _ms(client: Any, path: str) -> float:
    began = time.perf_counter()
    client.get(path)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
