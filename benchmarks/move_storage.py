"""Moves files between a disk and an S3 server and back, beside clients, as rclone does.

Each size is a run of its own: rclone copies the same files from the disk to the same
server, then the app moves them there, and back. Meanwhile clients read images and new
ones are stored, if ``--clients`` says so.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import project
from tables import print_table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
HEADER = [
    "Object",
    "Objects",
    "x rclone there",
    "x rclone back",
    "rclone, app MB/s there",
    "rclone, app MB/s back",
    "reads, failed",
    "stored meanwhile",
    "digests differ",
]
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
PREFIX = "chatkit_images"


def main() -> None:
    """Print a row for each size of objects."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes", nargs="+", default=["30K", "1M", "5M"], help="or mixed: 30K+1M+5M"
    )
    parser.add_argument("--total", default="200M", help="bytes of each run")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument(
        "--clients", type=int, default=0, help="threads that read and store meanwhile"
    )
    arguments = parser.parse_args()
    from tests.faults.storages import rclone, s3_storage

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with rclone(folder / "s3") as port:
            bucket = s3_storage(f"http://127.0.0.1:{port}", "moved")
            project.configure(folder, **settings(folder, bucket))
            project.create_database()
            print_table(HEADER, rows(arguments, folder, port))


def settings(folder: Path, bucket: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a project with a disk and a bucket."""
    location = {"location": str(folder / "disk")}
    disk = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": location,
    }
    return {"STORAGES": {"default": disk, "disk": disk, "bucket": bucket}}


def rows(arguments: Any, folder: Path, port: int) -> Iterator[list[str]]:
    """Measure each size."""
    for said in arguments.sizes:
        sizes = [size_of(each) for each in said.split("+")]
        digests = fill(sizes, size_of(arguments.total), folder)
        yield [said, *measure(arguments, digests, folder, port)]


def measure(
    arguments: Any, digests: dict[str, str], folder: Path, port: int
) -> list[str]:
    """Measure the files that are on the disk now."""
    total = sum(path.stat().st_size for path in (folder / "disk").rglob("*.png"))
    there = rclone_copy(folder / "disk", f"s3:images/peer{time.time_ns()}", port)
    source = f"s3:images/peer{time.time_ns()}"
    rclone_copy(folder / "disk", source, port)
    back = rclone_copy(source, folder / f"back{time.time_ns()}", port)
    wrong, seen, seconds = 0, Seen(), []
    for origin, target in (("disk", "bucket"), ("bucket", "disk")):
        with clients(arguments.clients, target, seen):
            seconds.append(move(origin, target, arguments.threads))
        wrong += differ(digests)
    return [
        str(len(digests)),
        f"{there / seconds[0]:.2f}",
        f"{back / seconds[1]:.2f}",
        f"{total / there / 1e6:.0f}, {total / seconds[0] / 1e6:.0f}",
        f"{total / back / 1e6:.0f}, {total / seconds[1] / 1e6:.0f}",
        f"{seen.reads}, {seen.failed}",
        str(seen.stored),
        str(wrong),
    ]


def size_of(said: str) -> int:
    """Return the bytes that ``"30K"`` says."""
    unit = UNITS.get(said[-1].upper(), 1)
    return int(float(said.rstrip("KMGkmg")) * unit)


def fill(sizes: list[int], total: int, folder: Path) -> dict[str, str]:
    """Store images of these sizes on the disk, and return their digests by key."""
    from django.test import override_settings

    from chatkit_images import models, storage

    models.Thread.objects.filter(pk="thr_bench").delete()
    storage.drain()
    models.Thread.objects.create(pk="thr_bench", owner="user:1")
    digests: dict[str, str] = {}
    made = 0
    with override_settings(CHATKIT_IMAGES=chosen("disk")):
        while made < total:
            size = sizes[len(digests) % len(sizes)]
            data = random.randbytes(size)
            name = storage.new_name("images", "png")
            path = folder / "disk" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            row = image(name, data)
            digests[str(row.pk)] = row.sha256
            made += size
    os.sync()
    return digests


def image(name: str, data: bytes) -> Any:
    """Make the row of a stored image."""
    from chatkit_images import models

    return models.GeneratedImage.objects.create(
        thread_id="thr_bench",
        call_id=name,
        status="completed",
        file=name,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def chosen(alias: str) -> dict[str, Any]:
    """Return the app's settings with another storage for new files."""
    from django.conf import settings as django

    return {**django.CHATKIT_IMAGES, "STORAGE": alias}


def move(source: str, target: str, threads: int) -> float:
    """Move all files, and return the seconds."""
    from django.test import override_settings

    from chatkit_images.maintenance import move_storage

    with override_settings(CHATKIT_IMAGES=chosen(target)):
        began = time.perf_counter()
        moved = move_storage(source, target, threads=threads)
        seconds = time.perf_counter() - began
    if moved.failed:
        raise RuntimeError(moved.problems[0])
    return seconds


def rclone_copy(source: str | Path, target: str | Path, port: int) -> float:
    """Copy with rclone, and return the seconds."""
    from tests.faults.storages import KEY, SECRET

    remote = {
        "RCLONE_CONFIG_S3_TYPE": "s3",
        "RCLONE_CONFIG_S3_PROVIDER": "Rclone",
        "RCLONE_CONFIG_S3_ENDPOINT": f"http://127.0.0.1:{port}",
        "RCLONE_CONFIG_S3_ACCESS_KEY_ID": KEY,
        "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY": SECRET,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = ["rclone", "copy", str(source), str(target), "--transfers=8", "--config="]
    began = time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | remote, capture_output=True)
    return time.perf_counter() - began


def differ(digests: dict[str, str]) -> int:
    """Return how many images have other bytes than at first."""
    from chatkit_images import models, storage

    wrong = 0
    for row in models.GeneratedImage.objects.filter(pk__in=list(digests)):
        found = hashlib.sha256(storage.read(*row.blobs("file")[0])).hexdigest()
        wrong += found != digests[str(row.pk)]
    return wrong


class Seen:
    """What clients have seen."""

    def __init__(self) -> None:
        self.reads = self.failed = self.stored = 0


@contextmanager
def clients(count: int, alias: str, seen: Seen) -> Iterator[None]:
    """Read images in as many threads, and store new ones in each."""
    done = threading.Event()
    threads = [
        threading.Thread(target=client, args=(done, alias, seen)) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def client(done: threading.Event, alias: str, seen: Seen) -> None:
    """Read as a view does: the row first, then its file."""
    from django.db import connection

    from chatkit_images import models, storage

    keys = list(models.GeneratedImage.objects.values_list("pk", flat=True))
    while not done.is_set():
        row = models.GeneratedImage.objects.get(pk=random.choice(keys))
        try:
            data = storage.read(*row.blobs("file")[0])
            seen.failed += hashlib.sha256(data).hexdigest() != row.sha256
        except Exception as error:
            print(f"{row.pk}: {error!r}", file=sys.stderr)
            seen.failed += 1
        seen.reads += 1
        if seen.reads % 10 == 0:
            name, new = storage.new_name("images", "png"), random.randbytes(20_000)
            storage.store(name, new, alias)
            made = image(name, new)
            models.GeneratedImage.objects.filter(pk=made.pk).update(storage_alias=alias)
            keys.append(made.pk)
            seen.stored += 1
        time.sleep(0.01)
    connection.close()


if __name__ == "__main__":
    main()
