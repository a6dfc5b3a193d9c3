"""Events that are of no form the SDKs can take."""

from __future__ import annotations

import base64
import logging
from typing import Any

import pytest

from chatkit_images.models import GeneratedImage, Run
from chatkit_images.testing import Image, LoopbackAPI, Raw, Text, wire
from tests.client import ChatClient, done_items, of_type, thread_id
from tests.image_files import image_file
from tests.test_identity import RED, added, done, end, item, kept, left_open, partial

PREVIEW = image_file("grey")
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


@pytest.mark.parametrize(
    "odd",
    [
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
    ],
    ids=str,
)
async def test_an_event_without_a_known_form_costs_itself(
    chat: ChatClient,
    model: LoopbackAPI,
    caplog: pytest.LogCaptureFixture,
    odd: dict[str, Any],
) -> None:
    model.respond_with(Raw(odd), Image(data=RED, partials=1), Text("Yes."), end())
    with caplog.at_level(logging.WARNING, "chatkit_images"):
        events = await chat.say("a fox")
    assert of_type(events, "error") == []
    assert await kept(chat, events) == [RED]
    (said,) = done_items(events, "assistant_message")
    assert said["content"][0]["text"] == "Yes."
    assert "it has no known form" in caplog.text


@pytest.mark.parametrize("key", [None, "", 5, {"a": 1}], ids=str)
@pytest.mark.parametrize(
    "place",
    [
        {},
        {"item_id": None},
        {"item_id": ["x"], "output_index": None},
        {"content_index": None},
        {"content_index": "0"},
    ],
    ids=str,
)
async def test_words_find_their_message(
    chat: ChatClient, model: LoopbackAPI, key: Any, place: dict[str, Any]
) -> None:
    model.respond_with(*message(key, **place), end())
    events = await chat.say("a fox")
    assert of_type(events, "error") == [] and left_open(events) == set()
    (said,) = done_items(events, "assistant_message")
    assert said["content"][0]["text"] == "Yes."
    updates = of_type(events, "thread.item.updated")
    assert {update["item_id"] for update in updates} == {said["id"]}
    page = await chat.call("items.list", thread_id=thread_id(events))
    assert said["id"] in [each["id"] for each in page["data"]]


async def test_output_without_a_known_form_is_left_out(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    output: list[Any] = [None, "x", {}, item("ig", RED)]
    model.respond_with(*message("msg_1"), end(*output))
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    assert await kept(chat, events) == [RED]


@pytest.mark.parametrize(
    "tools",
    [
        "x",
        {"a": 1},
        [None, "x", {"type": None}],
        [{"type": "image_generation", "size": {"a": 1}, "model": 5}],
        [{"type": "image_generation", "input_image_mask": {"file_id": 5}}],
    ],
    ids=str,
)
async def test_tools_that_a_response_repeats_in_another_form(
    chat: ChatClient, model: LoopbackAPI, tools: Any
) -> None:
    begun = wire.new_response({"model": "gpt-4.1", "tools": []}) | {"tools": tools}
    model.respond_with(event("created", response=begun), added("ig"), done("ig", RED))
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    assert await kept(chat, events) == [RED]


async def test_figures_with_a_name_that_cannot_be_encoded(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    figures = {"image_gen": {"\ud83d": 1, "output_tokens": 7}}
    model.respond_with(*message("msg_1"), done("ig", RED), end(tool_usage=figures))
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    usage = (await GeneratedImage.objects.aget()).usage
    assert usage is not None and usage["output_tokens"] == 7


@pytest.mark.parametrize("key", [{"a": 1}, ["x"], True, 1.5], ids=str)
@pytest.mark.parametrize("index", [0, "0", 0.0, None, "x"])
async def test_an_image_whose_ids_and_places_are_odd(
    chat: ChatClient, model: LoopbackAPI, key: Any, index: Any
) -> None:
    steps = added(key), partial(key, PREVIEW), done(key, RED)
    for step in steps:
        step.event["output_index"] = index
    model.respond_with(*steps, end())
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    assert await kept(chat, events) == [RED]


@pytest.mark.parametrize("wrap", [list, "b64_json", "data", "base64"])
async def test_an_image_in_an_object(
    chat: ChatClient, model: LoopbackAPI, wrap: Any
) -> None:
    text = base64.b64encode(RED).decode()
    final = done("ig", None)
    final.event["item"]["result"] = [text] if wrap is list else {wrap: text}
    model.respond_with(added("ig"), final, end())
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    assert await kept(chat, events) == [RED]


@pytest.mark.parametrize(
    "result", [[], {}, False, 0, "   ", {"url": "https://example.com/a.png"}], ids=str
)
async def test_what_is_no_image_is_not_the_last_word(
    chat: ChatClient, model: LoopbackAPI, result: Any
) -> None:
    first = done("ig", None)
    first.event["item"]["result"] = result
    model.respond_with(added("ig"), first, end(item("ig", RED)))
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    assert await kept(chat, events) == [RED]
    assert (await GeneratedImage.objects.aget()).status == "completed"


@pytest.mark.parametrize("usage", [[], "many", {"input_tokens": 1.5}], ids=str)
async def test_figures_that_the_sdk_cannot_read_are_no_fault_of_the_site(
    chat: ChatClient, model: LoopbackAPI, usage: Any
) -> None:
    model.respond_with(added("ig"), done("ig", RED), end(usage=usage))
    events = await chat.say("a fox")
    assert await kept(chat, events) == [RED]
    (error,) = of_type(events, "error")
    assert error["message"] == "The service gave no answer. Try again."
    run = await Run.objects.aget()
    assert (run.reason, run.error_code) == ("no_result", "unreadable")


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
