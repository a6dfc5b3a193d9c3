"""The README's blocks, appended in their order to what startproject writes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.docs.projects import INSTALLED, Manage, append_page

# The page, one message as it would send it, and the image that comes of it.
ASK = """
import asyncio, json, platform, re
import chatkit_images, django
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import AsyncClient
from chatkit_images.models import GeneratedImage

async def ask():
    client = AsyncClient()
    away = await client.get("/")
    await client.aforce_login(await User.objects.acreate_user("somebody"))
    page = (await client.get("/")).content.decode()
    (script,) = re.findall('from "/static/(.+)"', page)
    content = [{"type": "input_text", "text": "a red fox"}]
    message = {"content": content, "attachments": [], "inference_options": {}}
    body = {"type": "threads.create", "params": {"input": message}}
    answer = await client.post("/chatkit/", body, content_type="application/json")
    stream = b"".join([chunk async for chunk in answer.streaming_content]).decode()
    lines = [line for line in stream.splitlines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    image = await GeneratedImage.objects.aget()
    updates = [each.get("update", each).get("type") for each in events]
    (url,) = {
        event["item"]["image"]["url"]
        for event in events
        if event["type"] == "thread.item.done"
        and event["item"]["type"] == "generated_image"
    }
    return {
        "Python": platform.python_version(),
        "Django": django.__version__,
        "app": chatkit_images.__file__,
        "login": away.headers.get("Location"),
        "endpoint": '"/chatkit/"' in page and 'name="csrfmiddlewaretoken"' in page,
        "script": bool(finders.find(script)),
        "errors": updates.count("error"),
        "previews": updates.count("generated_image.updated"),
        "image": image.status,
        "file": image.file.name,
        "url": (await client.get(url)).status_code,
    }

call_command("check", fail_level="WARNING")
call_command("migrate", verbosity=0)
print(json.dumps(asyncio.run(ask())))
"""


def test_the_tutorial_makes_a_chat_of_a_new_project(
    project: tuple[Path, Manage], record_property: Callable[[str, object], None]
) -> None:
    """Its lines are those of the README, with an agent that knows who asks."""
    directory, manage = project
    append_page("tutorial.md", directory)
    with (directory / "shop" / "settings.py").open("a") as file:
        file.write('\nALLOWED_HOSTS = ["testserver"]\n')
    # One process: to import all that there is takes most of its time.
    said = manage("shell", "--no-imports", "--command", ASK)
    assert "no issues" in said
    # A busy machine may have the app log something after it.
    (line,) = re.findall(r"^\{.+\}$", said, re.MULTILINE)
    found = json.loads(line)
    record_property("first hour", dict(found))
    if INSTALLED:
        assert Path(found.pop("app")) != ROOT / "chatkit_images" / "__init__.py"
    assert (directory / "media" / found.pop("file")).is_file()
    for name in ("app", "Python", "Django"):
        found.pop(name, None)
    assert found.pop("previews") > 0
    assert found == {
        "login": "/admin/login/?next=/",
        "endpoint": True,
        "script": True,
        "errors": 0,
        "image": "completed",
        "url": 200,
    }


def test_the_tutorial_has_the_lines_of_the_readme() -> None:
    """What it explains is what the README gives; its last block goes on."""
    given = [part.text for part in blocks() if part.page.name == "README.md"]
    (*same, _, _) = [
        part.text
        for part in blocks("python", "html")
        if part.page.name == "tutorial.md"
    ]
    assert len(same) == 4
    assert set(same) <= set(given)


def test_the_readme_s_s3_block_can_be_appended(
    project: tuple[Path, Manage],
) -> None:
    pytest.importorskip("storages.backends.s3")
    directory, manage = project
    append_page("README.md", directory, s3=True)
    assert "no issues" in manage("check", "--fail-level", "WARNING")
