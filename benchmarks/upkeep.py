"""What the sweep, verify, the flush and the doctor cost for each file, by their number.

Rows are made by SQL. Where the question is about the database, the storage lists its
files by a formula, so that a million of them need no disk; with ``--s3`` they are real
objects on an S3 server.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import measure
import project
import upkeep_rows
import upkeep_storage

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
HEADER = (
    "Images",
    "Job",
    "Files",
    "Found",
    "Statements",
    "per 1,000 files",
    "Rows a file",
    "Seconds",
    "µs a file",
    "+ MB",
)
# Files of the spool, and images that are verified: each of them is a real read or
# write, whatever else is there.
MOVED, VERIFIED = 1000, 5000


class Cost(NamedTuple):
    """What a job has cost.

    Attributes:
        files: How many files it has looked at.
        found: How many of them it has settled or named.
        statements: How many it has sent to the database.
        rows: How many rows the database has read for it; 0 if it does not tell.
        seconds: How long it took.
        grown: How much more memory the process has had at most, in MB.
    """

    files: int
    found: int
    statements: int
    rows: int
    seconds: float
    grown: float


def main() -> None:
    """Print a row for each number of images and each job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument(
        "--postgres", action="store_true", help="on PostgreSQL, as PG* variables say"
    )
    parser.add_argument(
        "--s3", action="store_true", help="on objects of an S3 server, with rclone"
    )
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    arguments = parser.parse_args()
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
    with tempfile.TemporaryDirectory() as name, storages(name, arguments.s3) as stored:
        folder = Path(name)
        project.configure(
            folder, STORAGES=stored, **project.on_postgres(arguments.postgres)
        )
        upkeep_rows.prepare()
        if not arguments.s3:
            list_by_formula()
        for images in arguments.images:
            made = upkeep_rows.Made.of(images)
            made.fill()
            if arguments.s3:
                upkeep_storage.write_objects(made, folder / "s3" / "images" / "bench")
                time.sleep(2)  # Until the server knows of them.
            for job in arguments.jobs:
                print(line(images, job, JOBS[job](made)), flush=True)
            upkeep_rows.clear()
            upkeep_storage.forget()


def list_by_formula() -> None:
    """Let the storage list the files of rows that are made by SQL."""
    from chatkit_images import storage

    storage.listing = upkeep_storage.listing
    storage.sized_listing = upkeep_storage.sized_listing


def line(images: int, job: str, cost: Cost) -> str:
    """Return a row of the table."""
    files = cost.files or 1
    cells = (
        f"{images:,}",
        job,
        f"{cost.files:,}",
        f"{cost.found:,}",
        f"{cost.statements:,}",
        f"{cost.statements / files * 1000:.1f}",
        f"{cost.rows / files:.2f}" if cost.rows else "",
        f"{cost.seconds:.2f}",
        f"{cost.seconds / files * 1e6:.0f}",
        f"{cost.grown:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def sweep_dry(made: upkeep_rows.Made) -> Cost:
    """Ask about all files, change nothing."""
    from chatkit_images.maintenance import sweep

    def work() -> int:
        return sweep(dry_run=True)["unknown files"]

    return _measured(work, made.files)


def sweep(made: upkeep_rows.Made) -> Cost:
    """Adopt and delete what no row names, with the rows that are past their time."""
    from chatkit_images import maintenance

    def work() -> int:
        settled = maintenance.sweep()
        if settled.troubles:
            raise AssertionError(settled.troubles.lines())
        return settled["unknown files"] + settled["recovered images"]

    cost = _measured(work, made.files)
    if cost.found != made.unknown + made.adopted:
        raise AssertionError((cost.found, made.unknown, made.adopted))
    return cost


def sweep_again(made: upkeep_rows.Made) -> Cost:
    """Find that nothing is left."""
    from chatkit_images import maintenance

    cost = _measured(
        lambda: sum(maintenance.sweep().values()), made.files - made.unknown
    )
    if cost.found:
        raise AssertionError(cost.found)
    return cost


def verify(made: upkeep_rows.Made) -> Cost:
    """Read a sample of the images."""
    from chatkit_images.maintenance import verify

    count = min(VERIFIED, made.images)
    return _measured(lambda: sum(1 for _ in verify(limit=count)), count)


def flush(made: upkeep_rows.Made) -> Cost:
    """Move spooled files to the storage that their rows name."""
    from chatkit_images.maintenance import flush_spool

    upkeep_rows.spool_files(made, MOVED)
    return _measured(lambda: len(flush_spool()), MOVED)


def doctor(made: upkeep_rows.Made) -> Cost:
    """Compare all rows with all files."""
    from chatkit_images.doctor import examine

    def work() -> int:
        return sum(count.found for count in examine().counts.values())

    return _measured(work, made.files)


JOBS: dict[str, Callable[[upkeep_rows.Made], Cost]] = {
    "sweep-dry": sweep_dry,
    "sweep": sweep,
    "sweep-again": sweep_again,
    "verify": verify,
    "flush": flush,
    "doctor": doctor,
}


def _measured(work: Callable[[], int], files: int) -> Cost:
    from django.db import connection

    statements = 0

    def count(execute: Any, *args: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*args)

    upkeep_rows.analyze()
    gc.collect()
    measure.reset_peak()
    before, read = measure.resident_mb(), upkeep_rows.rows_read()
    began = time.perf_counter()
    with connection.execute_wrapper(count):
        found = work()
    took = time.perf_counter() - began
    return Cost(
        files,
        found,
        statements,
        upkeep_rows.rows_read() - read,
        took,
        max(0.0, measure.peak_mb() - before),
    )


@contextmanager
def storages(folder: str, is_s3: bool) -> Iterator[dict[str, Any]]:
    """Have the storages of the project, with a server of S3 or without."""
    served: Any = nullcontext(None)
    if is_s3:
        from tests.faults.storages import rclone, s3_storage

        # Objects are written behind its back.
        served = rclone(Path(folder) / "s3", "--dir-cache-time=1s")
    with served as port:
        backend = (
            s3_storage(f"http://127.0.0.1:{port}", "bench", read_timeout=60)
            if is_s3
            else {"BACKEND": "upkeep_storage.Generated"}
        )
        yield {
            "default": backend,
            "staticfiles": {
                "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
            },
        }


if __name__ == "__main__":
    main()
