"""The README's blocks, appended in their order to what startproject writes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chatkit_images.testing import LoopbackAPI

from .pages import blocks

Manage = Callable[..., str]
# One message of a visitor's, as a page would send it.
ASK = """
import asyncio, json
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import AsyncClient
from chatkit_images.models import GeneratedImage

async def ask():
    client = AsyncClient()
    await client.aforce_login(await User.objects.acreate_user("somebody"))
    content = [{"type": "input_text", "text": "a red fox"}]
    message = {"content": content, "attachments": [], "inference_options": {}}
    body = {"type": "threads.create", "params": {"input": message}}
    answer = await client.post("/chatkit/", body, content_type="application/json")
    stream = b"".join([chunk async for chunk in answer.streaming_content])
    image = await GeneratedImage.objects.aget()
    print(image.status, image.file.name, b'"error"' in stream)

call_command("check")
call_command("migrate", verbosity=0)
asyncio.run(ask())
"""


def run(directory: Path, *command: str, **environment: str) -> str:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DJANGO_", "COV_", "PYTHONPATH"))
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


@pytest.fixture
def project(tmp_path: Path, loopback: tuple[LoopbackAPI, str]) -> tuple[Path, Manage]:
    """A fresh project, and what runs its ``manage.py``."""
    api, url = loopback
    api.reset()
    run(tmp_path, "-m", "django", "startproject", "shop", ".")

    def manage(*command: str) -> str:
        return run(
            tmp_path,
            "manage.py",
            *command,
            OPENAI_API_KEY="loopback",
            OPENAI_BASE_URL=url,
            OPENAI_AGENTS_DISABLE_TRACING="1",
            # For Django's test client.
            PYTHONWARNINGS="ignore",
        )

    return tmp_path, manage


def append_readme(directory: Path, *, s3: bool) -> None:
    for part in blocks("python"):
        if part.page.name == "README.md" and (s3 or "S3Storage" not in part.text):
            with (directory / part.name).open("a") as file:
                file.write(f"\n{part.text}")


def test_the_readme_makes_a_chat_of_a_new_project(
    project: tuple[Path, Manage],
) -> None:
    directory, manage = project
    append_readme(directory, s3=False)
    with (directory / "shop" / "settings.py").open("a") as file:
        file.write('\nALLOWED_HOSTS = ["testserver"]\n')
    # One process: to import all that there is takes most of its time.
    said = manage("shell", "--no-imports", "--command", ASK)
    assert "no issues" in said
    # A busy machine may have the app log something after it.
    (found,) = re.findall(r"^(\w+) (\S+) (True|False)$", said, re.MULTILINE)
    status, name, failed = found
    assert (status, failed) == ("completed", "False")
    assert (directory / "media" / name).is_file()


def test_the_readme_s_s3_block_can_be_appended(
    project: tuple[Path, Manage],
) -> None:
    pytest.importorskip("storages.backends.s3")
    directory, manage = project
    append_readme(directory, s3=True)
    assert "no issues" in manage("check")
