"""What only the end of a response says: images, tokens, why there is no more."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from chatkit_images.agents.bill import add_usage, split
from chatkit_images.models import GeneratedImage
from chatkit_images.testing import Image, LoopbackAPI, Raw, Text, wire
from tests.client import ChatClient, done_items, thread_id

ENDS = {
    "completed": {},
    "incomplete": {"incomplete_details": {"reason": "max_output_tokens"}},
    "failed": {"error": {"code": "server_error", "message": "No."}},
}
TOKENS = {
    "input_tokens": 500,
    "input_tokens_details": {"image_tokens": 401, "text_tokens": 99},
    "output_tokens": 8321,
    "total_tokens": 8821,
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
    response["tool_usage"] = {"image_gen": TOKENS}
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
    assert image.usage == TOKENS
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
    assert image.usage == TOKENS
    assert image.run is not None
    assert image.run.usage["total_tokens"] > 0
    assert image.run.tool_usage == {"image_gen": TOKENS}
    assert image.run.response_id


async def test_a_replay_of_a_call_leaves_the_tokens_of_the_first(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    call = Image(call_id="ig_1", data=png)
    model.respond_with(call, Text("There."), end("completed", png))
    key = thread_id(await chat.say("a fox"))
    before = await GeneratedImage.objects.aget()
    model.respond_with(call, Text("There."), end("completed", png))
    await chat.say("again", key)
    after = await GeneratedImage.objects.aget()
    assert (after.usage, after.response_id) == (before.usage, before.response_id)
    assert before.usage == TOKENS


async def test_images_of_a_response_share_its_tokens(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    images = [Image(call_id=f"ig_{n}", partials=0) for n in range(3)]
    model.respond_with(*images, end("completed", png, call_id="ig_0"))
    await chat.say("three foxes")
    shares = [image.usage async for image in GeneratedImage.objects.all()]
    assert len(shares) == 3
    assert add_usage(add_usage(shares[0], shares[1]), shares[2]) == TOKENS
    for share in shares:
        assert share["total_tokens"] == share["input_tokens"] + share["output_tokens"]


async def test_unknown_tokens_are_not_zero(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    model.respond_with(Image(data=png, partials=0), Text("There."))
    await chat.say("a fox")
    image = await GeneratedImage.objects.select_related("run").aget()
    assert image.usage == {}
    assert image.run is not None and image.run.tool_usage == {}


def test_shares_are_as_equal_as_whole_numbers_can_be() -> None:
    figures = {"total_tokens": 10, "input_tokens": 5, "output_tokens": 5, "unit": "t"}
    first, second = split(figures, 2)
    assert first == {**figures, "total_tokens": 6, "input_tokens": 3} | {
        "output_tokens": 3
    }
    assert second["total_tokens"] == 4
    assert split(figures, 0) == []
    # Gateways tell the cost, too, even of a response whose images have no row.
    assert split({"cost": 0.04}, 0) == []
    assert split({"cost": 0.5}, 2) == [{"cost": 0.25}] * 2
