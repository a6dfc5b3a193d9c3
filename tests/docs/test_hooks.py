"""What the examples of hooks do, beyond being answered."""

from __future__ import annotations

import base64
import datetime
import re
from typing import Any

from channels.db import database_sync_to_async
from chatkit import agents as sdk
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from chatkit_images import storage
from chatkit_images.agents import ImageHttpxClient, ImageTracker
from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.context import RequestContext
from chatkit_images.models import GeneratedImage, RefusedInput, Run, Thread
from chatkit_images.testing import (
    FailedImage,
    HTTPError,
    Image,
    LoopbackAPI,
    Text,
    ToolCall,
)
from tests.client import ChatClient, done_items, message, of_type, thread_id
from tests.image_files import noise

from .pages import block
from .shop import installed, module, serving


def answer(model: LoopbackAPI, *steps: Any) -> None:
    """Script one answer; the Agents SDK asks again after one without text."""
    model.respond_with(*steps, Text("Done."))


async def test_the_agent_depends_on_the_person(
    chat: ChatClient, ann: User, model: LoopbackAPI
) -> None:
    with serving(block("server.md", "Custom agent")):
        answer(model)
        await chat.say("a fox")
        group = await Group.objects.acreate(name="staff")
        await database_sync_to_async(ann.groups.add)(group)
        answer(model)
        await chat.say("a fox")
    said = [request["instructions"] for request in model.requests]
    assert said == [
        "Generate images in any style when asked.",
        "Generate images in the house style when asked.",
    ]
    assert model.requests[0]["tools"][0]["quality"] == "medium"


async def test_the_person_chooses_model_and_tool(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    choice = {"model": "gpt-4.1-mini", "tool_choice": {"id": "prices"}}
    asked = message("How much?") | {"inference_options": choice}
    with serving(block("server.md", "Models and tools to choose from")):
        answer(model)
        await chat.stream("threads.create", input=asked)
        answer(model)
        await chat.say("a fox")
        asked["inference_options"] = {"model": "o1-pro"}
        refused = await chat.request_op("threads.create", {"input": asked})
    assert refused.status_code == 400
    chosen, plain = model.requests
    assert chosen["model"] == "gpt-4.1-mini"
    assert chosen["tool_choice"] == {"type": "function", "name": "prices"}
    assert (plain["model"], "tool_choice" in plain) == ("gpt-4.1", False)
    run = await Run.objects.aearliest("created_at")
    assert (run.requested_model, run.requested_tool) == ("gpt-4.1-mini", "prices")


async def test_the_title_is_the_projects(chat: ChatClient, model: LoopbackAPI) -> None:
    answer(model)
    with serving(block("server.md", "Custom titles")):
        await chat.say("a fox")
    assert (await Thread.objects.aget()).title == (
        f"Design of {datetime.date.today():%d %B %Y}"
    )


async def test_the_history_leaves_notes_out(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    with serving(block("server.md", "Custom actions")):
        answer(model)
        key = thread_id(await chat.say("a fox"))
        answer(model)
        action = {"type": "variation", "payload": {"n": 2}}
        params = {"thread_id": key, "item_id": None, "action": action}
        events = await chat.stream("threads.custom_action", **params)
        assert done_items(events, "assistant_message")
        assert "pressed variation: {'n': 2}" in str(model.requests[-1]["input"])
        assert await chat.call("threads.sync_custom_action", **params) == {}
    with serving(block("server.md", "Custom history")):
        answer(model)
        await chat.say("another", key)
    assert "pressed variation" not in str(model.requests[-1]["input"])
    assert "a fox" in str(model.requests[-1]["input"])


async def test_the_model_reads_the_projects_words(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    with serving(block("server.md", "Custom model input")):
        answer(model, Image(data=png, partials=0))
        key = thread_id(await chat.say("a fox"))
        answer(model)
        tag = {"type": "input_tag", "id": "sku-1", "text": "mug", "data": {}}
        given = message("on") | {"content": [*message("on")["content"], tag]}
        await chat.stream("threads.add_user_message", thread_id=key, input=given)
    said = str(model.requests[-1]["input"])
    assert "Your earlier design, 64 x 48 pixels:" in said
    assert "Product: a red mug, 300 ml" in said


async def test_the_final_image_is_archived(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    answer(model, Image(data=png, partials=1))
    with serving(block("server.md", "Custom image handling")):
        await chat.say("a fox")
    image = await GeneratedImage.objects.aget()
    assert image.status == "completed"
    assert storage.read(str(image.file.name)) == png
    _, [name] = default_storage.listdir("archive")
    with default_storage.open(f"archive/{name}") as file:
        assert file.read() == png


async def test_images_are_read_past_the_sdks(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: Any
) -> None:
    data = noise("PNG")
    answer(model, Image(data=data, partials=1))
    seen: list[Any] = []
    handle = ImageTracker.handle

    async def spy(tracker: ImageTracker, event: Any) -> bool:
        seen.append(getattr(getattr(event, "data", None), "item", None))
        return await handle(tracker, event)

    monkeypatch.setattr(ImageTracker, "handle", spy)
    with serving(block("server.md", "The model's client")) as made:
        await chat.say("a fox")
    assert made.ImageHttpxClient is ImageHttpxClient
    image = await GeneratedImage.objects.aget()
    assert storage.read(str(image.file.name)) == data
    results = [item.result for item in seen if getattr(item, "result", None)]
    assert len(results) == 1
    assert results[0].startswith("chatkit-images:")


async def test_dictation_goes_to_another_service(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: Any
) -> None:
    audio = {
        "audio_base64": base64.b64encode(b"sound").decode(),
        "mime_type": "audio/webm",
    }
    with serving(block("server.md", "Custom dictation")) as made:
        client = made.DesignServer().get_openai_client()
        assert client.timeout == 20
        monkeypatch.setattr(made.DesignServer, "get_openai_client", lambda self: client)
        heard = await chat.call("input.transcribe", **audio)
        assert heard == {"text": model.transcript}
        await client.close()
    with serving(block("server.md", "Custom dictation", 1)):
        heard = await chat.call("input.transcribe", **audio)
    assert heard == {"text": "5 bytes of audio/webm"}


async def test_the_quota_answers_without_the_model(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    with serving(block("server.md", "Custom quotas")) as made:
        made.IMAGES_A_DAY = 1
        answer(model, Image(partials=0))
        await chat.say("a fox")
        asked = len(model.requests)
        events = await chat.say("more")
    assert len(model.requests) == asked
    (said,) = done_items(events, "assistant_message")
    text = "You have made 1 images today. Come back tomorrow."
    assert said["content"][0]["text"] == text
    page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    assert [item["type"] for item in page["items"]["data"]] == [
        "user_message",
        "assistant_message",
    ]
    assert (await Run.objects.order_by("-created_at").afirst()).status == "completed"


async def test_a_check_refuses_before_anything_is_written(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    with serving(block("server.md", "Custom checks")) as made:
        made.CLOSED = True
        response = await chat.request_op("threads.create", {"input": message("more")})
    assert response.status_code == 503
    assert response.json()["error"]["message"] == "The studio is closed for the night."
    assert (await Thread.objects.acount(), await Run.objects.acount()) == (0, 0)


async def test_ids_are_the_projects(chat: ChatClient, model: LoopbackAPI) -> None:
    answer(model)
    with serving(block("server.md", "Custom stores")):
        key = thread_id(await chat.say("a fox"))
    assert re.fullmatch(r"design-[0-9a-f-]{36}", key)


async def test_some_messages_need_no_model(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    with serving(block("server.md", "Custom answers")):
        events = await chat.say("/help")
    (said,) = done_items(events, "assistant_message")
    assert said["content"][0]["text"] == "Say what to draw."
    assert model.requests == []


async def test_an_answer_of_ones_own_survives_a_refused_file(
    chat: ChatClient, model: LoopbackAPI, context: RequestContext, png: bytes
) -> None:
    file = SimpleUploadedFile("fox.png", png)
    sent = await DjangoAttachmentStore().upload(file, context)
    model.respond_with(HTTPError(400, "invalid_image", "The image is invalid."))
    answer(model)
    with serving(block("server.md", "Custom answers", 1)):
        events = await chat.say("a fox", attachments=[sent.id])
    words = [
        item["content"][0]["text"] for item in done_items(events, "assistant_message")
    ]
    assert words == ["The file “fox.png” could not be used by the model.", "Done."]
    assert len(model.requests) == 2
    row = await RefusedInput.objects.aget()
    assert row.host == settings.LOOPBACK_URL.split("/")[2]


async def test_single_pieces_work_with_the_sdks_own_function(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    answer(model, Image(data=png, partials=1), Image(result=False, partials=0))
    with serving(block("from-the-guide.md", "Step by step")) as made:
        made.stream_agent_response = sdk.stream_agent_response
        events = await chat.say("two foxes")
    assert len(done_items(events, "generated_image")) == 1
    image = await GeneratedImage.objects.aget(status="completed")
    # What is lost with it, as the page says.
    assert (image.model, image.revised_prompt, image.usage) == ("", "", {})
    assert of_type(events, "thread.item.removed") == []


async def test_the_words_of_a_note_are_the_projects(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"NOTES": "shop.notes.words"}
    part = block("images.md", "Why an image or an answer has no result")
    with installed(notes=module("shop.notes", part)):
        model.respond_with(HTTPError(429, "insufficient_quota", "No."))
        first = await chat.say("a fox")
        model.respond_with(Text("Done."), FailedImage(partials=0))
        second = await chat.say("something awful")
        model.respond_with(HTTPError(400, "content_filter", "No."))
        third = await chat.say("something awful")
    said = [
        item["content"][0]["text"]
        for events in (first, second, third)
        for item in done_items(events, "assistant_message")
    ]
    assert [text for text in said if text != "Done."] == [
        "No more images this month. Write to studio@shop.example.",
        "This image cannot be shown. Try other words.",
        "This request was blocked by the safety system.",
    ]


async def test_agents_that_are_tools_show_their_images(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(ToolCall("paint", {"input": "a fox"}))
    model.respond_with(Image())
    model.respond_with(ToolCall("sketch", {"what": "a fox"}))
    model.respond_with(Image())
    model.respond_with(Text("Both are there."))
    with serving(block("server.md", "Agents as tools")):
        events = await chat.say("a fox, painted and sketched")
    assert len(done_items(events, "generated_image")) == 2
    assert len(model.requests) == 5
