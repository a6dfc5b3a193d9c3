"""What the page of use and cost reads, and what its sums cost, by entries of use.

Entries are of two years and of a person for each hundred of them. They are folded into
sums first, as the sweep does it after an update. Rows are those that PostgreSQL's scans
have read; SQLite tells how many steps its machine has made.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import project
import upkeep_rows

HEADER = ("Entries", "Page", "Statements", "Rows", "Steps", "ms")
FOLDED = ("Entries", "Sums", "Folded in s", "µs an entry")
START = datetime.date(2025, 1, 1)
DAYS, AN_OWNER, MODELS = 730, 100, ("gpt-image-2", "gpt-5.4", "")
PAGES = {
    "month": "period=2026-11",
    "month before": "period=2025-03",
    "year": "period=2026",
    "one person": "period=2026-11&owner=user:1",
    "one model": "period=2026-11&model=gpt-5.4",
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
    upkeep_rows.analyze()
    began = time.perf_counter()
    sums.fold()
    seconds = time.perf_counter() - began
    upkeep_rows.analyze()
    yield FOLDED
    yield (
        f"{entries:,}",
        f"{models.UseSummary.objects.count():,}",
        f"{seconds:.1f}",
        f"{seconds / entries * 1e6:.0f}",
    )
    yield HEADER
    for name, query in PAGES.items():
        look(query)
        cost = look(query)
        figures = (str(cost.statements), f"{cost.rows:,}", f"{cost.steps:,}")
        yield (f"{entries:,}", name, *figures, f"{cost.ms:.0f}")


def fill(entries: int) -> None:
    """Make entries of bills, in the order of their days."""
    from chatkit_images.models import UseEntry

    owners = max(1, entries // AN_OWNER)
    for first in range(0, entries, 5000):
        UseEntry.objects.bulk_create(
            UseEntry(
                owner=f"user:{number * 7919 % owners}",
                day=START + datetime.timedelta(days=number * DAYS // entries),
                kind="bill",
                amount=1,
                model=MODELS[number % 3],
                reason="blocked" if number % 20 == 0 else "",
                run_id=uuid.UUID(int=number),
                tokens=100,
                cost="0.01",
            )
            for number in range(first, min(first + 5000, entries))
        )


def look(query: str) -> Cost:
    """Return what the page costs, as it is rendered for a superuser."""
    from django.contrib import admin
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import RequestFactory

    from chatkit_images.models import UseSummary

    page: Any = admin.site.get_model_admin(UseSummary)
    request = RequestFactory().get(f"/admin/?{query}")
    request.user = get_user_model()(username="root", is_staff=True, is_superuser=True)
    statements = steps = 0

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
        page.changelist_view(request).render()
    ms = (time.perf_counter() - began) * 1000
    return Cost(statements, upkeep_rows.rows_read() - before, steps, ms)


if __name__ == "__main__":
    main()
