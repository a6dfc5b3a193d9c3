"""Processes that serve the demo."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# The name of a database that has nothing but the account of staff.
EMPTY = "empty.sqlite3"
ACCOUNT = ("keeper", "only-for-the-browser-tests")
START_SECONDS = 120


def unavailable(reason: str) -> NoReturn:
    """Skip, but fail in CI: there these tests are part of the job."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def demo_environment(scratch: Path) -> dict[str, str]:
    """Return an environment whose demo writes to `scratch` and calls nobody."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENAI_", "CHATKIT_", "DJANGO_"))
        and name not in {"REDIS_URL", "DEBUG", "ALLOWED_HOSTS"}
    }
    return kept | {
        "DATABASE_URL": f"sqlite:///{scratch / 'db.sqlite3'}",
        "MEDIA_ROOT": str(scratch / "media"),
        "SECRET_KEY": "only-for-the-browser-tests",
        "DJANGO_SUPERUSER_USERNAME": ACCOUNT[0],
        "DJANGO_SUPERUSER_PASSWORD": ACCOUNT[1],
        "DJANGO_SETTINGS_MODULE": "tests.browser.settings",
        "PYTHONUNBUFFERED": "1",
    }


def prepare(scratch: Path, images: int) -> None:
    """Make a database with rows of each kind, and one beside it that is empty."""
    subprocess.run(
        [sys.executable, "-m", "tests.browser.gallery", str(images)],
        cwd=ROOT,
        env=demo_environment(scratch),
        check=True,
    )


def answers(url: str) -> bool:
    """Return whether a GET of the URL succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def running(
    scratch: Path, port: int, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the demo until the end of the block, or until it ends by itself."""
    address = f"127.0.0.1:{port}"
    log = scratch / "demo.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.demo", address],
            cwd=ROOT,
            env=demo_environment(scratch) | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(f"http://{address}/"):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"The demo did not start:\n{log.read_text()}")
            time.sleep(0.2)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)
