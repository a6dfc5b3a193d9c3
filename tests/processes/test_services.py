"""The example project against real services, as its environment names them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services
from tests.ports import free_port
from tests.services import REDIS_URL, absent, answers

ROOT = Path(__file__).resolve().parents[2]
HOST = os.environ.get("PGHOST", "127.0.0.1")
PORT = os.environ.get("PGPORT", "5432")
USER = os.environ.get("PGUSER", "postgres")
pytestmark = pytest.mark.service
# A run writes its log, and a reader with logs of its own finds it in the Redis.
TELL_A_RUN = """
import asyncio, uuid
from chatkit_images.conf import settings
from chatkit_images.runs.log import get_logs

async def main():
    run_id, writer = uuid.uuid4(), get_logs()
    reader = type(writer)(settings.RUN_LOG_URL)
    writer.create(run_id).append(b"data: {}\\n\\n")
    writer.close(run_id)
    async with asyncio.timeout(30):
        while (log := await reader.open(run_id)) is None:
            await asyncio.sleep(0.01)
        async for batch in log.read():
            for number, chunk in batch:
                print(number, chunk.decode())
    await writer.aclose()
    await reader.aclose()

asyncio.run(main())
"""


def manage(tmp_path: Path, *args: str, **env: str) -> str:
    """Run a command of the example project and return what it prints."""
    done = subprocess.run(
        [sys.executable, "manage.py", *args],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "SECRET_KEY": "only-for-tests",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
            "MEDIA_ROOT": str(tmp_path / "media"),
        }
        | env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_postgresql_by_its_url(tmp_path: Path) -> None:
    psycopg = pytest.importorskip("psycopg")
    if not answers(HOST, int(PORT)):
        absent("PostgreSQL")
    name = f"chatkit_example_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(
        host=HOST, port=PORT, user=USER, dbname="postgres", autocommit=True
    ) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            url = f"postgres://{USER}@{HOST}:{PORT}/{name}"
            # One process: to import all that there is takes most of its time.
            code = (
                "from django.core.management import call_command;"
                "call_command('migrate', verbosity=0);"
                "from django.db import connection as c;"
                "from chatkit_images.models import Thread;"
                "print(c.vendor, Thread.objects.count())"
            )
            out = manage(tmp_path, "shell", "-v0", "-c", code, DATABASE_URL=url)
            assert out.strip() == "postgresql 0"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_redis_by_its_url(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    services.redis()
    out = manage(tmp_path, "shell", "-v0", "-c", TELL_A_RUN, REDIS_URL=REDIS_URL)
    assert out.strip() == "1 data: {}"


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A real S3 server, which checks signatures, on a folder."""
    rclone = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.defpath}")
    if rclone is None:
        absent("rclone")
    port = free_port()
    (tmp_path / "s3" / "images").mkdir(parents=True)
    server = subprocess.Popen(
        [
            str(rclone),
            "serve",
            "s3",
            str(tmp_path / "s3"),
            f"--addr=127.0.0.1:{port}",
            "--auth-key=key,secret",
            "--config=",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not answers("127.0.0.1", port):
            assert time.monotonic() < deadline, "the S3 server does not start"
            time.sleep(0.05)
        yield {
            "CHATKIT_IMAGES_S3_BUCKET": "images",
            "CHATKIT_IMAGES_S3_ENDPOINT": f"http://127.0.0.1:{port}",
            "CHATKIT_IMAGES_S3_ACCESS_KEY": "key",
            "CHATKIT_IMAGES_S3_SECRET_KEY": "secret",
        }
    finally:
        server.terminate()
        server.wait(30)


def test_s3_by_its_settings(tmp_path: Path, s3: dict[str, str]) -> None:
    pytest.importorskip("storages")
    code = (
        "from chatkit_images import storage as s; import urllib.request as u;"
        "n = s.new_name('images', 'png'); s.store(n, b'bytes');"
        "assert not list(s.spool.handed_over());"
        "print(s.read(n), u.urlopen(s.get_storage().url(n)).read(),"
        " [m == n for m, _ in s.listing()]); s.delete(n); print(list(s.listing()))"
    )
    out = manage(tmp_path, "shell", "-v0", "-c", code, **s3)
    assert out.splitlines() == ["b'bytes' b'bytes' [True]", "[]"]
