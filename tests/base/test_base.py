"""Without any extra: a chat with an image, its admin, and every module."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.urls import reverse

import chatkit_images
from chatkit_images.testing import Image, LoopbackAPI, Text
from tests.client import ChatClient, done_items, of_type
from tests.image_files import image_file

# What the extras install that the tests do not need themselves.
EXTRAS = ("boto3", "channels_redis", "dj_database_url", "psycopg", "redis", "storages")
# The log in Redis.
REDIS = ("erasing", "hub", "publisher", "redis")
MODULES = [
    module.name
    for module in pkgutil.walk_packages(chatkit_images.__path__, "chatkit_images.")
]


@pytest.mark.parametrize("name", EXTRAS)
def test_no_extra_is_here(name: str) -> None:
    assert importlib.util.find_spec(name) is None


def test_every_module_is_imported() -> None:
    """None needs an extra but what is for that extra alone."""
    assert len(MODULES) > 100
    missing = {}
    for name in MODULES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing[name] = error.name
    assert missing == {f"chatkit_images.runs.log.{name}": "redis" for name in REDIS}


def test_the_system_check_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check")
    assert "no issues" in capsys.readouterr().out


async def test_a_message_is_answered_with_an_image(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    data = image_file("green")
    model.respond_with(Image(data=data, partials=1), Text("Done."))
    events = await chat.say("a meadow")
    assert of_type(events, "error") == []
    (item,) = done_items(events, "generated_image")
    response = await chat.get(item["image"]["url"])
    assert (response.status_code, response.content) == (200, data)


async def test_the_admin_lists_the_image(
    chat: ChatClient, model: LoopbackAPI, ann: User
) -> None:
    ann.is_staff = ann.is_superuser = True
    await ann.asave()
    model.respond_with(Image(data=image_file("green")), Text("Done."))
    await chat.say("a meadow")
    page = await chat.get(reverse("admin:chatkit_images_generatedimage_changelist"))
    assert page.status_code == 200
    assert "a meadow" in page.content.decode()
