"""Events that are of no form the SDKs can take."""

from __future__ import annotations

import base64
import itertools
import logging
from typing import Any

import pytest

from chatkit_images.models import GeneratedImage, Run
from chatkit_images.testing import Image, LoopbackAPI, Raw, Text, wire
from tests.client import ChatClient, done_items, of_type, thread_id
from tests.image_files import image_file
from tests.test_identity import RED, added, done, end, item, kept, left_open, partial

PREVIEW = image_file("grey")
COLOURS = ("red", "green", "blue", "navy", "white", "black")
PART: dict[str, Any] = {"type": "output_text", "text": "Yes.", "annotations": []}
URL = {"type": "url_citation", "url": "https://example.com/", "title": "A"}


def event(kind: str, **fields: Any) -> Raw:
    return Raw({"type": f"response.{kind}", **fields})


def message(key: Any, **place: Any) -> list[Any]:
    """Return the events of a message; those of its text say where they belong."""
    said = {"id": key, "type": "message", "role": "assistant", "content": [PART]}
    where = {"item_id": key, "output_index": 0, "content_index": 0} | place
    cited = {"annotation_index": 0, "annotation": URL}
    return [
        event("output_item.added", output_index=0, item=said | {"content": []}),
        event("content_part.added", part=PART | {"text": ""}, **where),
        event("output_text.delta", delta="Yes.", **where),
        event("output_text.annotation.added", **cited, **where),
        event("output_text.done", text="Yes.", **where),
        event("output_item.done", output_index=0, item=said),
    ]


# The first ones of a stream, before any message has begun.
ODD: list[dict[str, Any]] = [
    {"type": None},
    {"type": 5},
    {"nothing": 1},
    {"type": "response.created", "response": None},
    {"type": "response.output_text.delta", "delta": "of no message"},
    {"type": "response.output_text.delta"},
    {"type": "response.content_part.added", "part": None},
    {"type": "response.content_part.added", "part": {"type": "tomorrow"}},
    {"type": "response.reasoning_summary_text.delta", "delta": None},
    {"type": "response.output_item.added", "output_index": 0, "item": None},
    {"type": "response.output_item.added", "output_index": 0, "item": {}},
    {"type": "response.output_item.done", "output_index": 0, "item": {}},
    {"type": "response.output_item.done", "item": {"type": None}},
]


async def test_an_event_without_a_known_form_costs_itself(
    chat: ChatClient, model: LoopbackAPI, caplog: pytest.LogCaptureFixture
) -> None:
    odd = [Raw(each) for each in ODD]
    model.respond_with(*odd, Image(data=RED, partials=1), Text("Yes."), end())
    with caplog.at_level(logging.WARNING, "chatkit_images"):
        events = await chat.say("a fox")
    assert of_type(events, "error") == []
    assert await kept(chat, events) == [RED]
    (said,) = done_items(events, "assistant_message")
    assert said["content"][0]["text"] == "Yes."
    assert caplog.text.count("it has no known form") == len(ODD)


KEYS: list[Any] = [None, "", 5, {"a": 1}]
PLACES: list[dict[str, Any]] = [
    {},
    {"item_id": None},
    {"item_id": ["x"], "output_index": None},
]
# The part of a message is found without its id.
PARTS: list[dict[str, Any]] = [{"content_index": None}, {"content_index": "0"}]


async def test_words_find_their_message(chat: ChatClient, model: LoopbackAPI) -> None:
    parts = [(5, part) for part in PARTS]
    for key, place in [*itertools.product(KEYS, PLACES), *parts]:
        model.respond_with(*message(key, **place), end())
        events = await chat.say("a fox")
        assert of_type(events, "error") == [], (key, place)
        assert left_open(events) == set(), (key, place)
        (said,) = done_items(events, "assistant_message")
        assert said["content"][0]["text"] == "Yes.", (key, place)
        updates = of_type(events, "thread.item.updated")
        assert {update["item_id"] for update in updates} == {said["id"]}, (key, place)
        page = await chat.call("items.list", thread_id=thread_id(events))
        assert said["id"] in [each["id"] for each in page["data"]], (key, place)


async def test_output_without_a_known_form_is_left_out(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    output: list[Any] = [None, "x", {}, item("ig", RED)]
    model.respond_with(*message("msg_1"), end(*output))
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    assert await kept(chat, events) == [RED]


TOOLS: list[Any] = [
    "x",
    {"a": 1},
    [None, "x", {"type": None}],
    [{"type": "image_generation", "size": {"a": 1}, "model": 5}],
    [{"type": "image_generation", "input_image_mask": {"file_id": 5}}],
]


async def test_tools_that_a_response_repeats_in_another_form(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    for tools in TOOLS:
        begun = wire.new_response({"model": "gpt-4.1", "tools": []}) | {"tools": tools}
        created = event("created", response=begun)
        model.respond_with(created, added("ig"), done("ig", RED))
        events = await chat.say("a fox")
        assert of_type(events, "error") == [], tools
        assert await kept(chat, events) == [RED], tools


async def test_figures_with_a_name_that_cannot_be_encoded(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    figures = {"image_gen": {"\ud83d": 1, "output_tokens": 7}}
    model.respond_with(*message("msg_1"), done("ig", RED), end(tool_usage=figures))
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    usage = (await GeneratedImage.objects.aget()).usage
    assert usage is not None and usage["output_tokens"] == 7


# Ids that are none, and one that is; places that are numbers, and others.
IDS: list[Any] = [{"a": 1}, True]
INDEXES: list[Any] = [0, "0", 0.0, None, "x"]


async def test_an_image_whose_ids_and_places_are_odd(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    more = [(["x"], 0), (1.5, None)]
    for key, index in [*itertools.product(IDS, INDEXES), *more]:
        steps = added(key), partial(key, PREVIEW), done(key, RED)
        for step in steps:
            step.event["output_index"] = index
        model.respond_with(*steps, end())
        events = await chat.say("a fox")
        assert of_type(events, "error") == [], (key, index)
        assert await kept(chat, events) == [RED], (key, index)


async def test_an_image_in_an_object(chat: ChatClient, model: LoopbackAPI) -> None:
    images, steps = [image_file(colour) for colour in COLOURS[:4]], []
    for index, wrap in enumerate((None, "b64_json", "data", "base64")):
        text = base64.b64encode(images[index]).decode()
        final = done(f"ig_{index}", None, index)
        final.event["item"]["result"] = {wrap: text} if wrap else [text]
        steps += [added(f"ig_{index}", index), final]
    model.respond_with(*steps, end())
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    assert await kept(chat, events) == images


async def test_what_is_no_image_is_not_the_last_word(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    images, steps = [image_file(colour) for colour in COLOURS], []
    results: list[Any] = [[], {}, False, 0, "   ", {"url": "https://example.com/a.png"}]
    for index, result in enumerate(results):
        first = done(f"ig_{index}", None, index)
        first.event["item"]["result"] = result
        steps += [added(f"ig_{index}", index), first]
    finals = [item(f"ig_{index}", image) for index, image in enumerate(images)]
    model.respond_with(*steps, end(*finals))
    events = await chat.say("six foxes")
    assert of_type(events, "error") == []
    assert await kept(chat, events) == images
    statuses = [image.status async for image in GeneratedImage.objects.all()]
    assert statuses == ["completed"] * len(results)


async def test_figures_that_the_sdk_cannot_read_are_no_fault_of_the_site(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    for usage in ([], "many", {"input_tokens": 1.5}):
        model.respond_with(added("ig"), done("ig", RED), end(usage=usage))
        events = await chat.say("a fox")
        assert await kept(chat, events) == [RED], usage
        (error,) = of_type(events, "error")
        assert error["message"] == "The service gave no answer. Try again.", usage
        run = await Run.objects.aget(thread=thread_id(events))
        assert (run.reason, run.error_code) == ("no_result", "unreadable"), usage


async def test_a_refusal_in_words_blocks_the_images_that_do_not_come(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    where = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    refused = event("refusal.done", refusal="I cannot draw that.", **where)
    model.respond_with(added("ig"), partial("ig", PREVIEW), refused, end())
    events = await chat.say("a fox")
    image = await GeneratedImage.objects.aget()
    assert (image.status, image.error_code) == ("blocked", "refusal")
    assert done_items(events, "generated_image") == []
    assert "cannot draw" not in str(events)


async def test_an_error_that_does_not_say_what_it_is_counts(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    said = {"type": None, "code": "moderation_blocked", "message": "No."}
    model.respond_with(added("ig"), partial("ig", PREVIEW), Raw(said))
    events = await chat.say("a fox")
    (error,) = of_type(events, "error")
    assert error["allow_retry"] is False
    assert (await GeneratedImage.objects.aget()).status == "blocked"
