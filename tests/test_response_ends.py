"""What only the end of a response says: images, tokens, why there is no more."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from chatkit_images.models import GeneratedImage
from chatkit_images.testing import Image, LoopbackAPI, Raw, Text, Usage, wire
from tests.client import ChatClient, done_items, thread_id

ENDS = {
    "completed": {},
    "incomplete": {"incomplete_details": {"reason": "max_output_tokens"}},
    "failed": {"error": {"code": "server_error", "message": "No."}},
}


def end(kind: str, data: bytes, *, call_id: str = "ig_1") -> Raw:
    """Return the last event of a response, which repeats its calls."""
    response = wire.new_response({"model": "gpt-4.1", "tools": []})
    item: dict[str, Any] = {
        "id": call_id,
        "type": "image_generation_call",
        "status": "completed",
        "result": base64.b64encode(data).decode(),
    }
    response |= {"status": kind, "output": [item], **ENDS[kind]}
    response["usage"] = wire.usage({"input": "a fox"}, [item], None)
    return Raw({"type": f"response.{kind}", "response": response})


@pytest.mark.parametrize("kind", ENDS)
async def test_an_image_that_comes_with_the_end_is_kept(
    chat: ChatClient, model: LoopbackAPI, png: bytes, kind: str
) -> None:
    begun = Image(call_id="ig_1", partials=1, finish=False)
    model.respond_with(begun, end(kind, png))
    events = await chat.say("a fox")
    image = await GeneratedImage.objects.aget()
    assert image.status == "completed"
    assert image.usage["total_tokens"] > 0
    assert len(done_items(events, "generated_image")) == 1


async def test_an_image_of_which_only_the_end_tells_is_kept(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    model.respond_with(end("completed", png))
    events = await chat.say("a fox")
    assert (await GeneratedImage.objects.aget()).status == "completed"
    assert len(done_items(events, "generated_image")) == 1


async def test_the_end_repeats_an_image_under_another_id(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    call = Image(call_id="ig_1", data=png)
    model.respond_with(call, end("completed", png, call_id="ig_9"))
    events = await chat.say("a fox")
    assert await GeneratedImage.objects.acount() == 1
    assert len(done_items(events, "generated_image")) == 1


@pytest.mark.parametrize("kind", ENDS)
async def test_tokens_are_counted_however_the_response_ends(
    chat: ChatClient, model: LoopbackAPI, png: bytes, kind: str
) -> None:
    model.respond_with(Image(call_id="ig_1", data=png), end(kind, png))
    await chat.say("a fox")
    image = await GeneratedImage.objects.select_related("run").aget()
    assert image.status == "completed"
    assert image.usage["total_tokens"] > 0
    assert image.run is not None
    assert image.run.usage == image.usage
    assert image.run.response_id


async def test_a_replay_of_a_call_leaves_the_tokens_of_the_first(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    call = Image(call_id="ig_1", data=png)
    model.respond_with(call, Text("There."), Usage(10, 20))
    key = thread_id(await chat.say("a fox"))
    before = await GeneratedImage.objects.aget()
    model.respond_with(call, Text("There."), Usage(1000, 2000))
    await chat.say("again", key)
    after = await GeneratedImage.objects.aget()
    assert (after.usage, after.response_id) == (before.usage, before.response_id)
    assert before.usage["output_tokens"] == 20
