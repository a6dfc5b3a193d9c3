"""What the page of use and cost reads, and what its sums cost, by entries of use.

Entries are of four hundred days, of a thousand persons and of four models. The newest
of them are folded into sums first, as the sweep does it; sums of the others are made by
a few statements. Rows are those that PostgreSQL's scans have read; SQLite tells how
many steps its machine has made.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import project
import upkeep_rows
import use_rows

HEADER = ("Entries", "Page", "Statements", "Rows", "Steps", "ms")
FOLDED = ("Entries", "Sums", "Folded", "µs an entry", "of this process")
# Of how many entries the folding is measured.
MOST_FOLDED = 5000
FIRST, DAYS, OWNERS = "2025-10-28", 400, 1000
MODELS = ("gpt-image-2", "gpt-5.4", "painter", "")
DAY = {
    "postgresql": "DATE '{first}' + ({number})",
    "sqlite": "date('{first}', '+' || ({number}) || ' days')",
}
PAGES = {
    "month": "period=2026-11",
    "month before": "period=2026-03",
    "year": "period=2026",
    "one person": "period=2026-11&owner=user:1",
    "one model": "period=2026-11&model=gpt-5.4",
}
CSV = {
    "CSV of persons, first bytes": "persons",
    "CSV of days, first bytes": "days",
}
APPS = [
    *("django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes"),
    *("django.contrib.sessions", "django.contrib.messages", "channels"),
    *("chatkit_images", "django.contrib.staticfiles"),
]
PROCESSORS = "django.template.context_processors.request"
TEMPLATES = {
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [PROCESSORS]},
}
# A callback for each so many steps of SQLite.
STEP = 10


class Cost(NamedTuple):
    """What a page has cost."""

    statements: int
    rows: int
    steps: int
    ms: float


def main() -> None:
    """Print a row for each number of entries and each page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument(
        "--postgres", action="store_true", help="on PostgreSQL, as PG* variables say"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        project.configure(
            Path(name),
            INSTALLED_APPS=APPS,
            TEMPLATES=[TEMPLATES],
            STATIC_URL="/static/",
            **project.on_postgres(arguments.postgres),
        )
        use_urls()
        upkeep_rows.prepare()
        for entries in arguments.entries:
            for line in measured(entries):
                print(f"| {' | '.join(line)} |", flush=True)
            upkeep_rows.clear()


def use_urls() -> None:
    """Route the admin alone."""
    from django.conf import settings
    from django.contrib import admin
    from django.urls import path

    settings.ROOT_URLCONF = (path("admin/", admin.site.urls),)


def measured(entries: int) -> Iterator[tuple[str, ...]]:
    """Yield the lines of two tables for so many entries."""
    from chatkit_images import models
    from chatkit_images.queries import sums

    fill(entries)
    folded = min(entries, MOST_FOLDED)
    if entries > folded:
        use_rows.sum_up(entries - folded)
    upkeep_rows.analyze()
    began = time.perf_counter(), time.process_time()
    assert sums.fold() == folded
    taken, own = time.perf_counter() - began[0], time.process_time() - began[1]
    upkeep_rows.analyze()
    yield FOLDED
    yield (
        f"{entries:,}",
        f"{models.UseSummary.objects.count():,}",
        f"{folded:,}",
        f"{taken / folded * 1e6:.0f}",
        f"{own / folded * 1e6:.0f}",
    )
    yield HEADER
    looks = {name: page(query) for name, query in PAGES.items()}
    looks |= {name: first_bytes(table) for name, table in CSV.items()}
    for name, look in looks.items():
        cost_of(look)
        cost = cost_of(look)
        figures = (str(cost.statements), f"{cost.rows:,}", f"{cost.steps:,}")
        yield (f"{entries:,}", name, *figures, f"{cost.ms:.0f}")


def fill(entries: int) -> None:
    """Make entries of bills, in the order of their days."""
    from django.db import connection

    from chatkit_images.models import UseEntry

    row = UseEntry.objects.create(
        day=FIRST, kind="bill", amount=1, tokens=100, cost="0.01"
    )
    models = " ".join(
        f"WHEN {place} THEN '{name}'" for place, name in enumerate(MODELS)
    )
    values = {
        "id": f"{row.pk + 1} + n",
        "owner": f"'user:' || ((n %% {OWNERS}) * 619 %% {OWNERS})",
        "day": DAY[connection.vendor].format(
            first=FIRST, number=f"n * {DAYS} / {entries}"
        ),
        "model": f"CASE (n / 7) %% {len(MODELS)} {models} END",
        "reason": "CASE WHEN n %% 20 = 0 THEN 'blocked' ELSE '' END",
    }
    upkeep_rows.copy(UseEntry, row.pk, entries, values)
    row.delete()


def page(query: str) -> Callable[[Any, Any], Any]:
    """Return what renders the page."""
    return lambda admin, get: admin.changelist_view(get(query)).render()


def first_bytes(table: str) -> Callable[[Any, Any], Any]:
    """Return what reads the head of a table and its first line."""

    def read(admin: Any, get: Any) -> None:
        content = iter(admin.csv_view(get(PAGES["month"]), table).streaming_content)
        next(content)
        next(content)

    return read


def cost_of(look: Callable[[Any, Any], Any]) -> Cost:
    """Return what a look costs a superuser."""
    from django.contrib import admin
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import RequestFactory

    from chatkit_images.models import UseSummary

    statements = steps = 0

    def get(query: str) -> Any:
        request: Any = RequestFactory().get(f"/admin/?{query}")
        request.user = get_user_model()(is_staff=True, is_superuser=True)
        return request

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(sql, *rest)

    def step() -> int:
        nonlocal steps
        steps += STEP
        return 0

    connection.ensure_connection()
    if connection.vendor == "sqlite":
        connection.connection.set_progress_handler(step, STEP)
    before = upkeep_rows.rows_read()
    began = time.perf_counter()
    with connection.execute_wrapper(count):
        look(admin.site.get_model_admin(UseSummary), get)
    ms = (time.perf_counter() - began) * 1000
    return Cost(statements, upkeep_rows.rows_read() - before, steps, ms)


if __name__ == "__main__":
    main()
