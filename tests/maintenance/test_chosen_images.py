"""Images that staff have chosen and delete, also while they are generated."""

from __future__ import annotations

import asyncio
from typing import Any

from asgiref.sync import sync_to_async

from chatkit_images import storage
from chatkit_images.maintenance import chosen_images
from chatkit_images.models import DeletedFile, GeneratedImage
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from tests.client import ChatClient, message, of_type, read_events, thread_id
from tests.test_reviews import draw, model_waits, words

REMOVED = "This image was removed."


async def delete(image: GeneratedImage) -> None:
    kept = await sync_to_async(chosen_images.delete_images)([image.pk], "ann")
    assert kept == {}


async def shown(chat: ChatClient, key: str) -> list[str]:
    """Return what the assistant says in a thread that is read anew."""
    page: dict[str, Any] = await chat.call("items.list", thread_id=key)
    assert "generated_image" not in {item["type"] for item in page["data"]}
    return [words(i) for i in page["data"] if i["type"] == "assistant_message"]


async def test_an_open_stream_is_told_of_a_deletion(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    image, _ = await draw(chat, model)
    gate = Gate()
    model.respond_with(gate, Text("Later."))
    told = asyncio.create_task(chat.say("and then?", image.thread_id))
    await asyncio.to_thread(gate.reached.wait, 10)

    await delete(image)
    await model_waits(image)
    gate.open()

    replaced = of_type(await told, "thread.item.replaced")
    assert [words(event["item"]) for event in replaced] == [REMOVED]


async def test_an_image_that_is_deleted_while_it_is_generated_stays_deleted(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(Image("a fox", partials=1, gate=gate), Text("Done."))
    response = await chat.request_op("threads.create", {"input": message("a fox")})
    events: list[dict[str, Any]] = []
    async for event in read_events(response):
        events.append(event)
        if event.get("update", {}).get("type") == "generated_image.updated":
            await delete(await GeneratedImage.objects.aget())
            gate.open()
    key = thread_id(events)
    await sync_to_async(storage.drain)()

    assert not await GeneratedImage.objects.aexists()
    assert not await DeletedFile.objects.aexists()
    assert REMOVED in await shown(chat, key)
    assert "image" not in str(of_type(events, "error"))
    model.respond_with(Text("It is gone."))
    await chat.say("and now?", key)
    assert REMOVED not in str(model.requests[-1])
