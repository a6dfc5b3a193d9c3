"""How the sweep's questions grow with the files, over a listing that is made up."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import measure
import project

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> None:
    """Print a row for each number of files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument(
        "--postgres", action="store_true", help="on PostgreSQL, as PG* variables say"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project.configure(Path(folder), **_database(arguments.postgres))
        project.create_database()
        print("| Files | Rows with files | Statements | Seconds | ms a batch | + MB |")
        print("|---|---|---|---|---|---|")
        for files in arguments.files:
            print(_row(files), flush=True)


def _database(is_postgres: bool) -> dict[str, Any]:
    if not is_postgres:
        return {}
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("PGHOST", "127.0.0.1"),
        "USER": os.environ.get("PGUSER", "postgres"),
        "PASSWORD": os.environ.get("PGPASSWORD", ""),
        "NAME": os.environ["PGDATABASE"],
    }
    return {"DATABASES": {"default": database}}


def _row(files: int) -> str:
    from django.db import connection

    from chatkit_images import storage
    from chatkit_images.maintenance import orphans

    names = list(_filled(files // 2 or 1))
    with connection.cursor() as cursor:
        # As the database does by itself when a table has grown.
        cursor.execute("ANALYZE")
    statements = 0

    def count(execute: Any, *args: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*args)

    listing = storage.listing
    storage.listing = lambda errors: ((name, 10.0**6) for name in names)
    gc.collect()
    before = measure.resident_mb()
    began = time.perf_counter()
    try:
        with connection.execute_wrapper(count):
            listed, unknown = orphans.find_orphans()
            orphans.adopt(unknown)
    finally:
        storage.listing = listing
    took = time.perf_counter() - began
    if (listed, len(unknown)) != (len(names), len(names) // 100):
        raise AssertionError((listed, len(unknown)))
    batches = -(-listed // orphans.BATCH)
    grown = measure.resident_mb() - before
    return (
        f"| {listed:,} | {listed - len(unknown):,} | {statements:,} | {took:.2f} "
        f"| {took / batches * 1000:.1f} | {grown:.0f} |"
    )


def _filled(images: int) -> Iterator[str]:
    """Fill the tables, and yield the names of all files. One of 100 is unknown."""
    from chatkit_images import models, storage

    key = f"thr_{images}"
    thread = models.Thread.objects.create(pk=key, owner="user:1")
    rows = []
    for number in range(images):
        names = [storage.new_name(kind, "png") for kind in ("images", "thumbnails")]
        yield from names
        known = number % 50 > 0
        rows.append(
            models.GeneratedImage(
                thread=thread,
                call_id=f"ig_{number}",
                identity=str(number),
                status="completed",
                file=names[0] if known else "",
                thumbnail=names[1],
            )
        )
        if len(rows) == 1000:
            models.GeneratedImage.objects.bulk_create(rows)
            rows = []
    models.GeneratedImage.objects.bulk_create(rows)


if __name__ == "__main__":
    main()
