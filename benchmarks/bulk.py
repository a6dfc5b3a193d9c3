"""What work on many images costs: hidden, restored, deleted, and sent as a zip."""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import measure
import project
import tables
from deletes import TAIL, chat, watched

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
APPS = (
    *("django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes"),
    *("django.contrib.messages", "django.contrib.sessions", "channels"),
    "chatkit_images",
)
# Of a million images each twentieth is to be hidden: 50,000.
SHARE, IN_THREAD = 20, 50


def main() -> None:
    """Print a table for the rows, and one for the zip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000, help="that match")
    parser.add_argument(
        "--others", type=int, default=0, help="rows that do not match, for each"
    )
    parser.add_argument("--zip", type=int, nargs="+", default=[100, 1000])
    parser.add_argument(
        "--postgres", action="store_true", help="on PostgreSQL, as PG* variables say"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        others = project.on_postgres(arguments.postgres) | {"INSTALLED_APPS": APPS}
        project.configure(Path(folder), **others)
        project.create_database()
        from chatkit_images import storage

        _fill(arguments.rows, arguments.others)
        header = ["Work", "Rows", "s", "Statements", "a 1,000", "Slices", "Longest"]
        tables.print_table(
            [*header, "Others", "MB more"],
            (_work(name, arguments.rows) for name in ("hide", "restore", "delete")),
        )
        header = ["Images of 1 MB", "MB/s", "MB more"]
        tables.print_table(header, (_zip(count) for count in arguments.zip))
        storage.drain()


def _fill(count: int, others: int) -> None:
    """Make images, of which each that matches is followed by others that do not."""
    from django.db import connection
    from django.utils import timezone

    from chatkit_images import models, storage

    first = timezone.now() - datetime.timedelta(days=900)
    models.Thread.objects.create(pk="thr_other", owner="user:other")
    total = count * (1 + others)
    for start in range(0, total, 5000):
        numbers = range(start, min(start + 5000, total))
        keys = sorted({number // IN_THREAD for number in numbers})
        models.Thread.objects.bulk_create(
            (models.Thread(pk=f"thr_{key:08}", owner=f"user:{key}") for key in keys),
            ignore_conflicts=True,
        )
        models.GeneratedImage.objects.bulk_create(
            models.GeneratedImage(
                thread_id=f"thr_{number // IN_THREAD:08}",
                call_id=f"ig_{number}",
                status="failed" if number % (1 + others) else "completed",
                prompt="A red fox in the snow, as in a woodcut",
                file=storage.new_name("images", "png"),
                thumbnail=storage.new_name("images", "webp"),
                mime="image/png",
                created_at=first + datetime.timedelta(minutes=number),
            )
            for number in numbers
        )
    with connection.cursor() as cursor:
        # As the database does by itself when a table has grown.
        cursor.execute("ANALYZE")


def _work(name: str, count: int) -> list[str]:
    from django.contrib import admin
    from django.contrib.auth import get_user_model
    from django.test import RequestFactory

    from chatkit_images import models
    from chatkit_images.admin.bulk.job import Job, read_job
    from chatkit_images.admin.bulk.operations import OPERATIONS
    from chatkit_images.admin.bulk.work import SLICE, go_on

    page = admin.site.get_model_admin(models.GeneratedImage)
    request: Any = RequestFactory().post("/")
    request.user = get_user_model().objects.get()
    request.user.is_superuser = True
    job = Job(name, str(request.user.pk), "", reason="A measurement")
    stop, waits = threading.Event(), []
    other = threading.Thread(target=chat, args=(stop, waits))
    other.start()
    before = measure.resident_mb()
    measure.reset_peak()
    with watched() as work:
        is_done = False
        while not is_done:
            rows = page.get_queryset(request).filter(status="completed")
            is_done = go_on(rows, job, OPERATIONS[name], page, request)
            again = read_job(job.sign(), name, job.user, "")
            if again is None:
                raise AssertionError("The page is not its own.")
            job = again
    grown = measure.peak_mb() - before
    stop.set()
    other.join()
    if job.done != count:
        raise AssertionError((name, job.done, job.kept))
    tail = sorted(waits)[int(len(waits) * TAIL) - 1] if waits else 0.0
    return [
        name,
        f"{count:,}",
        f"{work.seconds:.1f}",
        f"{work.statements:,}",
        f"{work.statements / count * 1000:.0f}",
        f"{-(-count // SLICE)}",
        f"{max(work.transactions):.3f} s",
        f"{statistics.median(waits) * 1000:.0f}/{tail * 1000:.0f} ms",
        f"{grown:.0f}",
    ]


def _zip(count: int) -> list[str]:
    from chatkit_images import exchange, models, storage

    models.GeneratedImage.objects.all().delete()
    storage.drain()
    for number in range(count):
        name = storage.new_name("images", "png")
        storage.store(name, os.urandom(10**6))
        models.GeneratedImage.objects.create(
            thread_id="thr_other",
            call_id=f"ig_{number}",
            status="completed",
            prompt="A red fox in the snow, as in a woodcut",
            file=name,
            mime="image/png",
            bytes=10**6,
        )
    part = exchange.part_of(models.GeneratedImage.objects.all())
    before = measure.resident_mb()
    measure.reset_peak()
    began, size = time.perf_counter(), 0
    for piece in _pieces(part.keys):
        size += len(piece)
    took = time.perf_counter() - began
    if size < count * 10**6:
        raise AssertionError(size)
    grown = measure.peak_mb() - before
    return [f"{count:,}", f"{size / 10**6 / took:.0f}", f"{grown:.0f}"]


def _pieces(keys: Any) -> Iterator[bytes]:
    from chatkit_images import exchange

    return exchange.zip_of(keys)


if __name__ == "__main__":
    main()
