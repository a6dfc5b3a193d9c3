"""What images were made from: noted when they are made, and read as a family."""

from __future__ import annotations

from typing import Any

import pytest
from agents import function_tool
from channels.db import database_sync_to_async
from django.contrib.auth.models import User

from chatkit_images import models
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import NotFoundError
from chatkit_images.models import GeneratedImage
from chatkit_images.queries import sources
from chatkit_images.testing import Image, LoopbackAPI, Text, ToolCall
from tests.chat import TestServer
from tests.client import ChatClient, message, thread_id
from tests.image_files import image_file
from tests.servers.world import build


@function_tool
async def look() -> str:
    """Look at what is there."""
    return "seen"


class LookingServer(TestServer):
    """A server whose agent answers in several responses."""

    __test__ = False

    def get_agent(self, thread: Any, context: RequestContext) -> Any:
        agent = super().get_agent(thread, context)
        agent.tools.append(look)
        return agent


def edit(colour: str, **fields: Any) -> Image:
    base = image_file("red")
    return Image(data=image_file(colour), base=base, partials=0, **fields)


async def named(*prompts: str) -> list[GeneratedImage]:
    return [await GeneratedImage.objects.aget(prompt=prompt) for prompt in prompts]


async def sources_of(prompt: str) -> dict[str, str]:
    """Return the roles of what an image was made from, by prompt or name of a file."""
    rows = models.ImageSource.objects.filter(image__prompt=prompt)
    return {
        str(row.source_image or row.attachment): row.role
        async for row in rows.select_related("source_image", "attachment")
    }


async def chain(chat: ChatClient, model: LoopbackAPI) -> str:
    """Have a fox drawn and edited five times, the last time from the second edit."""
    model.respond_with(Image(data=image_file("red"), partials=0), Text("Done."))
    key = thread_id(await chat.say("fox"))
    for number in range(1, 5):
        model.respond_with(edit("blue"), Text("Done."))
        await chat.say(f"edit {number}", key)
    (second,) = await named("edit 2")
    asked = message("edit 5")
    tag = {"type": "input_tag", "id": second.image_id, "text": "it", "data": {}}
    asked["content"].append(tag)
    model.respond_with(edit("green"), Text("Done."))
    await chat.stream("threads.add_user_message", thread_id=key, input=asked)
    return key


async def test_each_edit_is_a_new_version_of_the_one_before(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    key = await chain(chat, model)
    assert await sources_of("fox") == {}
    assert await sources_of("edit 1") == {"fox": "edited"}
    assert await sources_of("edit 3") == {
        "fox": "input",
        "edit 1": "input",
        "edit 2": "edited",
    }
    found = await sources_of("edit 5")
    assert (found["edit 2"], found["edit 4"]) == ("edited", "input")
    # A provider that does not say that it edits says nothing of versions.
    quiet = edit("red", fields={"action": None})
    model.respond_with(quiet, Text("Done."))
    await chat.say("again", key)
    assert set((await sources_of("again")).values()) == {"input"}


async def test_a_second_response_edits_the_image_of_the_first(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    server = f"{__name__}.{LookingServer.__name__}"
    settings.CHATKIT_IMAGES = {**settings.CHATKIT_IMAGES, "SERVER": server}
    tool = ToolCall("look", {})
    model.respond_with(Image(data=image_file("red"), partials=0), tool)
    model.respond_with(edit("blue"), Text("Done."))
    await chat.say("fox")
    first, second = [row async for row in GeneratedImage.objects.order_by("pk")]
    if first.created_at > second.created_at:
        first, second = second, first
    source = await models.ImageSource.objects.aget()
    assert (source.image_id, source.source_image_id) == (second.pk, first.pk)
    assert source.role == "edited"


async def test_a_project_names_what_is_its_owner_s(
    context: RequestContext, foreign: RequestContext, bob: User, ann: User, png: bytes
) -> None:
    mine = await database_sync_to_async(build)(context.owner, ann, "mine", png)
    theirs = await database_sync_to_async(build)(foreign.owner, bob, "theirs", png)
    image = await GeneratedImage.objects.aget(pk=mine.image)
    given = (image, image.image_id)
    find = database_sync_to_async(sources.named)
    (found,) = await find(given, context, "edited")
    assert (found.file.pk, found.role) == (str(image.pk), "edited")
    for unknown in (f"img_{theirs.image.hex}", "img_", "atc_1", "\x00"):
        with pytest.raises(NotFoundError):
            await find([unknown], context)
    with pytest.raises(ValueError, match="100 sources at most, got 101"):
        await find([f"atc_{number}" for number in range(101)], context)
