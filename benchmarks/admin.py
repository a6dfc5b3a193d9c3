"""What the pages of staff read and cost, by the number of images.

Beside each of them, in turns, stands Django's own list with the columns of the gallery,
over a thousand images. On a busy machine only ratios mean anything.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import admin_rows
import project
import upkeep_rows

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
HEADER = ("Images", "Page", "Statements", "Rows", "x", "ms", "of plain")
ROUNDS = 5
PLAIN = "/plain/chatkit_images/generatedimage/"
LIST = "/admin/chatkit_images/generatedimage/"


class Cost(NamedTuple):
    """What a page has cost.

    Attributes:
        statements: How many it has sent to the database.
        rows: How many rows the database has read for it; 0 if it does not tell.
        ms: How long it took, in the middle of some rounds.
        of_plain: How many times as long as Django's list, in the middle of the rounds.
    """

    statements: int
    rows: int
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
    arguments = parser.parse_args()
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
    with tempfile.TemporaryDirectory() as name:
        configure(Path(name), arguments.postgres)
        for line in measure(arguments.images, arguments.rounds):
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
    upkeep_rows.prepare()


def measure(sizes: list[int], rounds: int) -> Iterator[list[str]]:
    """Yield the lines of the table."""
    first: dict[str, Cost] = {}
    for images in sizes:
        pages = prepare(images)
        for name, path in pages["paths"].items():
            found = cost(pages["client"], path, rounds)
            before = first.setdefault(name, found)
            yield [
                f"{images:,}",
                name,
                str(found.statements),
                f"{found.rows:,}" if found.rows else "",
                f"{found.rows / before.rows:.2f}" if before.rows else "",
                f"{found.ms:.0f}",
                f"{found.of_plain:.2f}",
            ]
        upkeep_rows.clear()


def prepare(images: int) -> dict[str, Any]:
    """Make the rows; return somebody of the staff, and the pages."""
    import admin_site
    from django.contrib.auth import get_user_model
    from django.test import Client

    newest, since = admin_rows.fill(images)
    admin_site.PlainImageAdmin.since = since
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("staff"))
    paths = {
        "gallery, first": LIST,
        "gallery, far": f"{LIST}?newer=oldest",
        "gallery, failed": f"{LIST}?status__exact=failed",
        "gallery, a model": f"{LIST}?model__exact=gpt-image-1",
        "gallery, a common word": f"{LIST}?q=fox",
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
    read = upkeep_rows.rows_read()
    with connection.execute_wrapper(count):
        assert client.get(path).status_code == 200, path
    rows = upkeep_rows.rows_read() - read
    times, ratios = [], []
    for _ in range(rounds):
        plain, took = _ms(client, PLAIN), _ms(client, path)
        times.append(took)
        ratios.append(took / plain)
    return Cost(statements, rows, statistics.median(times), statistics.median(ratios))


def _ms(client: Any, path: str) -> float:
    began = time.perf_counter()
    client.get(path)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
