"""A model looks at an earlier image again, by the id that stands in its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agents import Agent
from channels.db import database_sync_to_async
from django.core.files.uploadedfile import SimpleUploadedFile

from chatkit_images.agents import recall_image, recalling
from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.context import RequestContext
from chatkit_images.models import Attachment, GeneratedImage, RefusedInput
from chatkit_images.queries import inputs
from chatkit_images.queries.inputs import HALF_BUDGET, InputFile, Provider
from chatkit_images.server.agents_within import may_recall
from chatkit_images.testing import Image, LoopbackAPI, Text, ToolCall
from tests.chat import TestServer
from tests.client import ChatClient, thread_id
from tests.image_files import image_file
from tests.refusable import PDF

DESIGNER = TestServer.get_agent


@pytest.fixture
def has_tool(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """The agent has the tool, and sees no image by itself."""

    def get_agent(*args: Any) -> Agent[Any]:
        agent = DESIGNER(*args)
        tools = [*agent.tools, recall_image]
        return agent.clone(tools=tools, tool_use_behavior="run_llm_again")

    monkeypatch.setattr(TestServer, "get_agent", get_agent)
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MODEL_IMAGE_COUNT": 0}


async def recall(
    chat: ChatClient, model: LoopbackAPI, key: str, *ids: str
) -> list[Any]:
    """Return what the model gets for each id, and nothing new for the person."""
    for image_id in ids:
        model.respond_with(ToolCall("recall_image", {"image_id": image_id}))
    model.respond_with(Text("I see."))
    events = await chat.say("and now?", key)
    assert "generated_image" not in json.dumps(events)
    given = model.requests[-1]["input"]
    return [item["output"] for item in given if item["type"] == "function_call_output"]


async def uploaded(context: RequestContext, name: str, data: bytes) -> str:
    file = SimpleUploadedFile(name, data)
    return (await DjangoAttachmentStore().upload(file, context)).id


async def test_the_model_sees_images_again_that_are_told_of(
    chat: ChatClient,
    model: LoopbackAPI,
    context: RequestContext,
    has_tool: None,
    settings: Any,
) -> None:
    data = image_file("navy")
    sent = await uploaded(context, "fox.png", image_file("red"))
    model.respond_with(Image(data=data, partials=0), Text("Here."))
    key = thread_id(await chat.say("a fox", attachments=[sent]))
    image = await GeneratedImage.objects.aget()
    first, second = await recall(chat, model, key, image.image_id, sent)
    told = json.dumps(model.requests[-1]["input"])
    assert f'(\\"a fox\\", id: {image.image_id}) is not shown again' in told.replace(
        "\\\\", "\\"
    )
    assert f"(id: {sent}) that the user sent is not shown again" in told
    assert first[0]["type"] == second[0]["type"] == "input_image"
    assert first[0]["image_url"].startswith("data:image/png;base64,")
    assert first[0]["image_url"] != second[0]["image_url"]
    # A provider that cannot read a URL would end the answer now.
    urls = {"MODEL_IMAGES": "signed_url", "BASE_URL": "https://shop.example"}
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | urls
    assert await recall(chat, model, key, image.image_id) == [first]
    # It is the image of before, and no new one.
    assert await GeneratedImage.objects.acount() == 1


async def test_what_cannot_be_shown_is_said_in_words(
    chat: ChatClient,
    stranger: ChatClient,
    model: LoopbackAPI,
    context: RequestContext,
    has_tool: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model.respond_with(Image(partials=0), Text("Here."))
    await stranger.say("a secret")
    others = (await GeneratedImage.objects.aget()).image_id
    pdf = await uploaded(context, "fox.pdf", PDF)
    lost = await uploaded(context, "fox.png", image_file("red"))
    model.respond_with(Image(partials=0), Text("Here."))
    key = thread_id(await chat.say("a fox", attachments=[pdf, lost]))
    own = await GeneratedImage.objects.alatest("created_at")
    ids = [others, "img_1", "", "atc_none\x00", pdf]
    assert await recall(chat, model, key, *ids) == [recalling.UNKNOWN] * 5
    # A provider has refused it, which a turn would not survive now.
    for code, expected in ((HALF_BUDGET, "input_image"), ("bad_image", "cannot be")):
        for file in (InputFile("image", str(own.pk)), InputFile("attachment", lost)):
            told = [file], Provider("api", "gpt"), code
            await database_sync_to_async(inputs.remember)(*told)
        found = await recall(chat, model, key, own.image_id, lost)
        assert all(expected in str(each) for each in found), found
    monkeypatch.setattr(recalling, "MOST", 1)
    await Attachment.objects.filter(pk=lost).aupdate(file="", thumbnail="")
    await RefusedInput.objects.all().adelete()
    found = await recall(chat, model, key, lost, own.image_id, own.image_id)
    assert found[0] == recalling.UNKNOWN and found[2] == recalling.ENOUGH
    assert found[1][0]["type"] == "input_image"
    # Nor is it shown more often if the model asks for it several times at once.
    calls = [ToolCall("recall_image", {"image_id": own.image_id}) for _ in range(4)]
    model.respond_with(*calls)
    model.respond_with(Text("I see."))
    await chat.say("and now?", key)
    given = model.requests[-1]["input"]
    found = [each.get("output") for each in given]
    assert found.count(recalling.ENOUGH) == 3 and "input_image" in str(found)
    own.file.storage.delete(own.file.name)
    monkeypatch.setattr("chatkit_images.storage.kept_parts.find", lambda key: None)
    (gone,) = await recall(chat, model, key, own.image_id)
    assert gone == "The image is not available now."


async def test_ids_are_told_only_if_an_agent_has_the_tool(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MODEL_IMAGE_COUNT": 0}
    model.respond_with(Image(partials=0), Text("Here."))
    key = thread_id(await chat.say("a fox"))
    await chat.say("and now?", key)
    assert "is not shown again" in str(model.requests[-1]["input"])
    assert "img_" not in str(model.requests[-1]["input"])
    plain, inner = Agent(name="a"), Agent(name="b", tools=[recall_image])
    assert not may_recall(plain)
    assert may_recall(plain.clone(handoffs=[inner]))
    assert may_recall(plain.clone(tools=[inner.as_tool("look", "Looks.")]))
