"""The recipes that hand images over, each in a new project with the README's blocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import blocks
from tests.docs.projects import Manage, append_page

# The heading of a recipe; its package; the apps; a copy, its file.
RECIPES = {
    "To a model of your own": ("django", "", "Artwork", "file"),
    "To Wagtail": (
        "wagtail",
        "wagtail.images wagtail.documents wagtail.users wagtail.search wagtail.admin"
        " wagtail taggit modelcluster",
        "Copy",
        "image.file",
    ),
    "To django-filer": ("filer", "easy_thumbnails filer", "Copy", "image.file"),
}
# An image is drawn, handed over, not once more, and goes with its chat.
ASK = """
import asyncio
from operator import attrgetter
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import AsyncClient
from chatkit_images.models import GeneratedImage, Thread
from gallery import models

call_command("makemigrations", "gallery", verbosity=0)
call_command("migrate", verbosity=0)
call_command("check", fail_level="ERROR")
Copy = models.{copy}

async def ask():
    client = AsyncClient()
    await client.aforce_login(await User.objects.acreate_user("somebody"))
    content = [{{"type": "input_text", "text": "a red fox"}}]
    message = {{"content": content, "attachments": [], "inference_options": {{}}}}
    body = {{"type": "threads.create", "params": {{"input": message}}}}
    answer = await client.post("/chatkit/", body, content_type="application/json")
    return [chunk async for chunk in answer.streaming_content]

def catch_up():
    exec(open("gallery/catch_up.py").read(), {{}})

asyncio.run(ask())
image = GeneratedImage.objects.get()
catch_up()
copy = Copy.objects.get()
file = attrgetter("{file}")(copy)
storage, name = file.storage, file.name
with file.open() as stored, image.file.open() as own:
    assert copy.generated == image.pk and stored.read() == own.read()
copy.delete()
catch_up()
copy = Copy.objects.get()
file = attrgetter("{file}")(copy)
storage, name = file.storage, file.name
Thread.objects.get().delete()
assert not Copy.objects.exists()
assert not storage.exists(name), name
print("handed", "over")
"""


@pytest.mark.parametrize("heading", RECIPES)
def test_image_is_handed_over_and_goes_with_its_chat(
    heading: str, project: tuple[Path, Manage]
) -> None:
    package, apps, copy, file = RECIPES[heading]
    pytest.importorskip(package)
    directory, manage = project
    append_page("README.md", directory)
    (directory / "gallery").mkdir()
    (directory / "gallery" / "__init__.py").touch()
    for part in blocks("python"):
        if part.page.name == "hand-over.md" and part.heading in {
            "An app of its own",
            "Catch up",
            heading,
        }:
            (directory / part.name).write_text(part.text)
    with (directory / "shop" / "settings.py").open("a") as settings:
        settings.write(
            f'\nALLOWED_HOSTS = ["testserver"]\nINSTALLED_APPS += {apps.split()}\n'
            'INSTALLED_APPS += ["gallery"]\nWAGTAIL_SITE_NAME = "Shop"\n'
            'WAGTAILADMIN_BASE_URL = "http://testserver"\n'
        )
    script = ASK.format(copy=copy, file=file)
    said = manage("shell", "--no-imports", "--command", script)
    assert "handed over\n" in said, said
