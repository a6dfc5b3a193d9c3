"""A new project, as startproject makes it, and the README's blocks in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .pages import blocks

Manage = Callable[..., str]
INSTALLED = "TOX_ENV_NAME" in os.environ
# What a reader's processes do not have; elsewhere it may lead to this checkout.
OURS = ("DJANGO_", "COV_", *(["PYTHONPATH"] if INSTALLED else []))


def run(directory: Path, *command: str, **environment: str) -> str:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(OURS)
    }
    done = subprocess.run(
        [sys.executable, *command],
        cwd=directory,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def append_page(page: str, directory: Path, *, s3: bool = False) -> None:
    """Do what a page says; the second time it names the server, it replaces it."""
    for part in blocks("python", "html"):
        wanted = part.page.name == page and part.name
        if wanted and (s3 or "S3Storage" not in part.text):
            file = directory / part.name
            file.parent.mkdir(parents=True, exist_ok=True)
            replace = file.name == "chat.py"
            with file.open("w" if replace else "a") as written:
                # Nothing stands before the first line of a page.
                written.write(part.text if written.tell() == 0 else f"\n{part.text}")
