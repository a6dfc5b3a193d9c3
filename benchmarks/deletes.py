"""What deep pages, retries and the erasure of a heavy user cost, by their size."""

from __future__ import annotations

import argparse
import datetime
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import project
import tables

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# How much of the longest time of others is shown: one of a hundred takes longer.
TAIL = 0.99


@dataclass
class Work:
    """What a piece of work asked of the database.

    Attributes:
        statements: How many.
        transactions: The seconds that each of its transactions was open.
        seconds: How long it took.
    """

    statements: int = 0
    transactions: list[float] = field(default_factory=list)
    seconds: float = 0.0


def main() -> None:
    """Print a table for each of the three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=50_000, help="of the user")
    parser.add_argument("--items", type=int, nargs="+", default=[24, 1000, 4995])
    parser.add_argument(
        "--postgres", action="store_true", help="on PostgreSQL, as PG* variables say"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project.configure(Path(folder), **project.on_postgres(arguments.postgres))
        project.create_database()
        _fill(arguments.threads)
        tables.print_table(["Page at", "Read", "ms"], _pages(arguments.threads))
        header = ["Items", "Statements", "ms"]
        tables.print_table(header, (_retry(items) for items in arguments.items))
        tables.print_table(
            ["Threads", "Rows", "s", "Statements", "a 1,000", "Longest", "Others"],
            iter([_erasure(arguments.threads)]),
        )


def _fill(count: int) -> None:
    """Give a user threads with an item and an image, and one thread with many items."""
    from django.db import connection
    from django.utils import timezone

    from chatkit_images import models, storage

    first = timezone.now() - datetime.timedelta(days=900)
    user = models.Thread._meta.get_field("user").related_model.objects.get()
    for start in range(0, count, 1000):
        numbers = range(start, min(start + 1000, count))
        threads = models.Thread.objects.bulk_create(
            models.Thread(
                pk=f"thr_{number:08}",
                owner=f"user:{user.pk}",
                user=user,
                created_at=first + datetime.timedelta(minutes=number),
            )
            for number in numbers
        )
        items = models.ThreadItem.objects.bulk_create(
            _item(thread, 0, thread.created_at) for thread in threads
        )
        models.GeneratedImage.objects.bulk_create(
            models.GeneratedImage(
                thread=item.thread,
                item=item,
                call_id="ig_1",
                status="completed",
                file=storage.new_name("images", "png"),
            )
            for item in items[::4]
        )
    with connection.cursor() as cursor:
        # As the database does by itself when a table has grown.
        cursor.execute("ANALYZE")


def _item(thread: Any, number: int, created_at: datetime.datetime) -> Any:
    from chatkit_images import models

    return models.ThreadItem(
        thread=thread,
        item_id=f"msg_{number}",
        type="user_message",
        payload={"type": "user_message", "content": [{"type": "input_text"}]},
        created_at=created_at,
    )


def _pages(count: int) -> Iterator[list[str]]:
    from chatkit_images import models
    from tests.reading import rows_read

    rows = models.Thread.objects.order_by("-created_at", "-pk")
    owner = rows.values_list("owner", flat=True)[0]
    for share in (0, 10, 50, 90, 98):
        at = count * share // 100
        position = rows.values_list("created_at", "pk")[at - 1] if at else None

        def page(position: Any = position) -> Any:
            return models.Thread.objects.page(position, "desc", 21, owner=owner)

        began = time.perf_counter()
        page()
        took = time.perf_counter() - began
        yield [f"{share} %", f"{rows_read(page):,}", f"{took * 1000:.1f}"]


def _retry(count: int) -> list[str]:
    from django.utils import timezone

    from chatkit_images import models
    from chatkit_images.context import RequestContext
    from chatkit_images.queries import items

    thread = models.Thread.objects.create(pk=f"thr_long_{count}", owner="user:0")
    now = timezone.now()
    models.ThreadItem.objects.bulk_create(
        _item(thread, number, now + datetime.timedelta(seconds=number))
        for number in range(count + 1)
    )
    context = RequestContext(owner="user:0", user=None)
    with watched() as work:
        items.delete_after(thread.pk, "msg_0", context)
    if thread.items.count() != 1:
        raise AssertionError(thread.items.count())
    return [f"{count:,}", f"{work.statements}", f"{work.seconds * 1000:.0f}"]


def _erasure(count: int) -> list[str]:
    from chatkit_images import models, storage
    from chatkit_images.maintenance import erase

    owner = models.Thread.objects.get(pk="thr_00000000").owner
    models.Thread.objects.create(pk="thr_other", owner="user:other")
    stop, waits = threading.Event(), []
    other = threading.Thread(target=chat, args=(stop, waits))
    other.start()
    with watched() as work:
        receipt = erase(owner)
    stop.set()
    other.join()
    storage.drain()
    if models.Thread.objects.filter(owner=owner).exists():
        raise AssertionError("Some threads are left.")
    rows = sum(receipt.rows.values())
    tail = sorted(waits)[int(len(waits) * TAIL) - 1] if waits else 0.0
    return [
        f"{count:,}",
        f"{rows:,}",
        f"{work.seconds:.1f}",
        f"{work.statements:,}",
        f"{work.statements / rows * 1000:.0f}",
        f"{max(work.transactions):.3f} s",
        f"{statistics.median(waits) * 1000:.0f}/{tail * 1000:.0f} ms",
    ]


def chat(stop: threading.Event, waits: list[float]) -> None:
    """Write messages of somebody else, and note how long each takes."""
    from chatkit import types
    from django.db import connections

    from chatkit_images.context import RequestContext
    from chatkit_images.queries import items

    context = RequestContext(owner="user:other", user=None)
    number = 0
    while not stop.is_set():
        number += 1
        item = types.EndOfTurnItem(
            id=f"end_{number}",
            thread_id="thr_other",
            created_at=datetime.datetime.now(),
        )
        began = time.perf_counter()
        items.save("thr_other", item, context)
        waits.append(time.perf_counter() - began)
        stop.wait(0.02)
    connections.close_all()


@contextmanager
def watched() -> Iterator[Work]:
    """Count the statements and the transactions of this thread."""
    from django.db import DEFAULT_DB_ALIAS, connections

    connection = connections[DEFAULT_DB_ALIAS]
    work = Work()
    opened = 0.0
    switch = connection.set_autocommit

    def count(execute: Any, *args: Any) -> Any:
        work.statements += 1
        return execute(*args)

    def set_autocommit(autocommit: bool, **options: Any) -> None:
        nonlocal opened
        if autocommit and opened:
            work.transactions.append(time.perf_counter() - opened)
        opened = 0.0 if autocommit else time.perf_counter()
        switch(autocommit, **options)

    vars(connection)["set_autocommit"] = set_autocommit
    began = time.perf_counter()
    try:
        with connection.execute_wrapper(count):
            yield work
    finally:
        work.seconds = time.perf_counter() - began
        del vars(connection)["set_autocommit"]


if __name__ == "__main__":
    main()
