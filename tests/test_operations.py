"""Every operation of ChatKit's protocol, over HTTP in this process."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from chatkit import types
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.utils import timezone

from chatkit_images import models, storage
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text, ToolCall
from tests import chat as server_under_test
from tests.client import (
    ChatClient,
    done_items,
    message,
    of_type,
    read_events,
    thread_id,
)
from tests.servers.rows import dump
from tests.servers.tour import OPERATIONS, STREAMING, tour

OFFSET = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")
snapshot = database_sync_to_async(dump)


def every(value: Any, name: str) -> list[Any]:
    """Return every value of a name, however deep."""
    if isinstance(value, list):
        return [found for inner in value for found in every(inner, name)]
    if not isinstance(value, dict):
        return []
    found = [value[name]] if name in value else []
    return found + every(list(value.values()), name)


def text_of(item: dict[str, Any]) -> str:
    return str(item["content"][0]["text"])


async def reach(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.reached.wait, 10), "the model was not called"


async def refused(chat: ChatClient, op: str, params: Any) -> tuple[int, str]:
    """Return status and code of an error."""
    response = await chat.request_op(op, params)
    assert response["Content-Type"] == "application/json"
    return response.status_code, json.loads(response.content)["error"]["code"]


# The whole protocol


async def test_tour_visits_every_operation_of_the_sdk(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    visited = set()
    steps = tour(model)
    answer = None
    while True:
        try:
            op, params = steps.send(answer)
        except StopIteration:
            break
        visited.add(op)
        send = chat.stream if op in STREAMING else chat.call
        answer = await send(op, **params)
    assert visited == OPERATIONS
    assert len(OPERATIONS) >= 16


@pytest.mark.row("P10")
async def test_streaming_and_other_operations_have_their_content_type(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    streamed = await chat.request_op("threads.create", {"input": message("Hello")})
    assert streamed["Content-Type"] == "text/event-stream; charset=utf-8"
    assert streamed["Cache-Control"] == "no-cache, no-transform"
    assert streamed["X-Accel-Buffering"] == "no"
    assert [event async for event in read_events(streamed)]
    listed = await chat.request_op("threads.list", {})
    assert listed["Content-Type"] == "application/json"
    assert listed["Cache-Control"] == "no-store"


# What a stream looks like


async def test_events_of_a_first_message_come_in_chatkits_order(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Text("Here."), Image(partials=2), Text("Done."))
    events = await chat.say("a red fox")
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["thread.created", "thread.item.done", "stream_options"]
    assert kinds.count("thread.created") == 1
    assert events[1]["item"]["type"] == "user_message"
    assert events[2]["stream_options"] == {"allow_cancel": True}
    assert not of_type(events, "error")

    added = [event["item"]["id"] for event in of_type(events, "thread.item.added")]
    done = [event["item"]["id"] for event in of_type(events, "thread.item.done")]
    assert len(set(added)) == len(added) == 3
    assert len(set(done)) == len(done) == 4
    assert set(done) == {*added, events[1]["item"]["id"]}
    for update in of_type(events, "thread.item.updated"):
        positions = [
            index
            for index, event in enumerate(events)
            if event.get("item", {}).get("id") == update["item_id"]
        ]
        assert positions[0] < events.index(update) < positions[-1]


async def test_image_is_reachable_as_soon_as_it_is_done(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    model.respond_with(Image(partials=0, data=png), Text("Done."))
    response = await chat.request_op("threads.create", {"input": message("a fox")})
    fetched = []
    async for event in read_events(response):
        if event["type"] == "thread.item.done" and "image" in event["item"]:
            answer = await ChatClient().get(event["item"]["image"]["url"])
            fetched.append((answer.status_code, answer.content))
    assert fetched == [(200, png)]


async def test_times_carry_their_offset_wherever_they_are(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Text("Here."), Image(partials=1))
    events = await chat.say("a red fox")
    key = thread_id(events)
    answers = [
        events,
        await chat.call("threads.get_by_id", thread_id=key),
        await chat.call("threads.list"),
        await chat.call("items.list", thread_id=key),
        await chat.call("threads.update", thread_id=key, title="Fox"),
    ]
    for answer in answers:
        times = every(answer, "created_at")
        assert times
        assert all(OFFSET.fullmatch(time) for time in times), times


async def test_stored_times_are_those_of_the_stream(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    events = await chat.say("Hello")
    key = thread_id(events)
    page = await chat.call("items.list", thread_id=key)
    assert page["data"][-1]["created_at"] == events[1]["item"]["created_at"]


# Titles


async def test_thread_gets_a_title_and_the_client_is_told(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    events = await chat.say("a red fox in the snow, " + "very " * 40 + "late")
    (updated,) = of_type(events, "thread.updated")
    title = updated["thread"]["title"]
    assert title.startswith("a red fox in the snow, very")
    assert (len(title), title[-1]) == (60, "…")
    listed = await chat.call("threads.list")
    assert [thread["title"] for thread in listed["data"]] == [title]


@pytest.mark.parametrize("before", [[], [Text("Once.")]], ids=["early", "late"])
async def test_rename_during_the_stream_is_kept(
    chat: ChatClient, model: LoopbackAPI, before: list[Any]
) -> None:
    gate = Gate()
    model.respond_with(*before, gate, Text("Done."))
    response = await chat.request_op("threads.create", {"input": message("a red fox")})
    events = read_events(response)
    created = await anext(events)
    key = created["thread"]["id"]
    await reach(gate)
    if before:
        async for event in events:
            if (
                event["type"] == "thread.item.done"
                and text_of(event["item"]) == "Once."
            ):
                break
    await chat.call("threads.update", thread_id=key, title="My fox")
    gate.open()
    rest = [event async for event in events]
    assert not of_type(rest, "error")
    thread = await chat.call("threads.get_by_id", thread_id=key)
    assert thread["title"] == "My fox"
    events = await chat.say("and now a blue one", key)
    assert not of_type(events, "thread.updated")


# Messages, tools, structured input


async def test_second_message_hands_the_first_turn_to_the_model(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Text("A fox it is."))
    key = thread_id(await chat.say("a red fox"))
    model.respond_with(Text("And now a blue one."))
    events = await chat.say("now blue", key)
    assert [event["type"] for event in events[:2]] == [
        "thread.item.done",
        "stream_options",
    ]
    said = json.dumps(model.requests[-1]["input"])
    for words in ("a red fox", "A fox it is.", "now blue"):
        assert said.count(words) == 1


async def test_client_tool_output_reaches_the_model_and_the_thread(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(ToolCall("pick_colour", {"hint": "warm"}))
    events = await chat.say("pick a colour")
    key = thread_id(events)
    (call,) = done_items(events, "client_tool_call")
    model.respond_with(Text("Orange."))
    events = await chat.stream(
        "threads.add_client_tool_output", thread_id=key, result={"hex": "#f80"}
    )
    assert text_of(done_items(events, "assistant_message")[0]) == "Orange."
    assert "#f80" in json.dumps(model.requests[-1]["input"])
    page = await chat.call("items.list", thread_id=key, order="asc")
    (stored,) = [item for item in page["data"] if item["id"] == call["id"]]
    assert (stored["status"], stored["output"]) == ("completed", {"hex": "#f80"})
    # A second output has no call to go to.
    before = await snapshot()
    again = {"thread_id": key, "result": {"hex": "#000"}}
    assert await refused(chat, "threads.add_client_tool_output", again) == (
        409,
        "no_tool_call",
    )
    assert await snapshot() == before
    assert len(model.requests) == 2


async def test_structured_input_is_answered_once(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(ToolCall("ask", {"question": "How large?"}))
    events = await chat.say("draw")
    key = thread_id(events)
    (asked,) = done_items(events, "structured_input")
    model.respond_with(Text("Huge."))
    params = {
        "thread_id": key,
        "item_id": asked["id"],
        "input": {"status": "answered", "answers": {"q1": {"values": ["huge"]}}},
    }
    events = await chat.stream("threads.add_structured_input", **params)
    (replaced,) = of_type(events, "thread.item.replaced")
    assert replaced["item"]["id"] == asked["id"]
    assert replaced["item"]["status"] == "answered"
    before = await snapshot()
    assert await refused(chat, "threads.add_structured_input", params) == (
        409,
        "already_answered",
    )
    assert await snapshot() == before
    assert len(model.requests) == 2


# Retry


async def test_retry_removes_what_followed_and_supersedes_its_images(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Image(partials=0), Text("First."))
    events = await chat.say("a red fox")
    key = thread_id(events)
    question = events[1]["item"]
    model.respond_with(Image(partials=0), Text("Second."))
    await chat.say("another", key)
    model.respond_with(Text("Again."))
    events = await chat.stream(
        "threads.retry_after_item", thread_id=key, item_id=question["id"]
    )
    assert events[0]["type"] == "stream_options"
    page = await chat.call("items.list", thread_id=key, order="asc")
    assert [item["type"] for item in page["data"]] == [
        "user_message",
        "assistant_message",
    ]
    assert page["data"][0] == question
    assert text_of(page["data"][1]) == "Again."
    images = [image async for image in models.GeneratedImage.objects.all()]
    assert len(images) == 2
    for image in images:
        assert image.superseded_at is not None
        assert (image.item_id, image.status) == (None, "completed")
        assert await sync_to_async(default_storage.exists)(image.file.name)
    assert "another" not in json.dumps(model.requests[-1]["input"])


async def test_retry_after_an_answer_is_refused_and_deletes_nothing(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    events = await chat.say("Hello")
    (said,) = done_items(events, "assistant_message")
    before = await snapshot()
    params = {"thread_id": thread_id(events), "item_id": said["id"]}
    assert await refused(chat, "threads.retry_after_item", params) == (
        400,
        "wrong_item",
    )
    assert await snapshot() == before


# Actions


async def test_actions_work_with_and_without_a_widget(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(ToolCall("show_card", {"text": "a card"}))
    events = await chat.say("show a card")
    key = thread_id(events)
    (card,) = done_items(events, "widget")
    action = {"type": "press", "payload": {"n": 1}}
    for item in ({}, {"item_id": card["id"]}):
        params = {"thread_id": key, "action": action} | item
        events = await chat.stream("threads.custom_action", **params)
        assert text_of(done_items(events, "assistant_message")[0]) == "did press"
        answer = await chat.call("threads.sync_custom_action", **params)
        assert answer.get("updated_item", {}).get("id") == item.get("item_id")
    # A sender that is no widget.
    wrong = {"thread_id": key, "action": action, "item_id": events[-1]["item"]["id"]}
    for op in ("threads.custom_action", "threads.sync_custom_action"):
        assert await refused(chat, op, wrong) == (400, "wrong_item")


# Threads


async def test_threads_are_listed_newest_first_page_by_page(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    keys = [thread_id(await chat.say(f"Hello {n}")) for n in range(5)]
    page = await chat.call("threads.list", limit=2)
    assert [thread["id"] for thread in page["data"]] == keys[:2:-1]
    assert (page["has_more"], page["after"]) == (True, keys[3])
    page = await chat.call("threads.list", limit=9, after=page["after"])
    assert [thread["id"] for thread in page["data"]] == keys[2::-1]
    assert page["has_more"] is False
    assert all(thread["items"]["data"] == [] for thread in page["data"])
    page = await chat.call("threads.list", order="asc", limit=1)
    assert [thread["id"] for thread in page["data"]] == keys[:1]


async def test_deleted_thread_is_gone_with_its_rows_and_files(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Image(partials=0), Text("Done."))
    events = await chat.say("a red fox")
    key = thread_id(events)
    url = done_items(events, "generated_image")[0]["image"]["url"]
    image = await models.GeneratedImage.objects.aget()
    assert await chat.call("threads.delete", thread_id=key) == {}
    assert await refused(chat, "threads.get_by_id", {"thread_id": key}) == (
        404,
        "not_found",
    )
    assert (await chat.get(url)).status_code == 404
    storage.drain()
    left = await snapshot()
    for name in ("Thread", "ThreadItem", "GeneratedImage", "Run", "DeletedFile"):
        assert left[name] == []
    for name in (image.file.name, image.thumbnail.name):
        assert not await sync_to_async(default_storage.exists)(name)


# Hidden items and metadata


async def test_hidden_items_and_metadata_never_reach_the_client(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    key = thread_id(await chat.say("Hello"))
    model.respond_with(ToolCall("whisper", {"text": "CANARY"}))
    events = await chat.say("Hello again", key)
    # One that the tool sends, one that the SDK sends as the metadata changed.
    assert len(of_type(events, "thread.updated")) == 2
    (mine,) = of_type(events, "thread.item.done")
    assert mine["item"]["type"] == "user_message"
    answers = [
        events,
        await chat.call("threads.get_by_id", thread_id=key),
        await chat.call("items.list", thread_id=key),
        await chat.call("threads.list"),
        await chat.call("threads.update", thread_id=key, title="Fox"),
    ]
    for answer in answers:
        assert "CANARY" not in json.dumps(answer)
        assert "hidden" not in json.dumps(answer)
    # It is there for the model.
    row = await models.Thread.objects.aget()
    assert row.metadata == {"secret": "CANARY"}
    assert await models.ThreadItem.objects.filter(type="hidden_context_item").aexists()


async def test_hidden_item_of_a_synchronous_action_is_left_out(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = thread_id(await chat.say("Hello"))

    async def sync_action(*args: Any) -> types.SyncCustomActionResponse:
        return types.SyncCustomActionResponse(
            updated_item=types.HiddenContextItem(
                id="h", thread_id=key, created_at=timezone.now(), content="CANARY"
            )
        )

    monkeypatch.setattr(server_under_test.TestServer, "sync_action", sync_action)
    params = {"thread_id": key, "action": {"type": "press", "payload": None}}
    assert await chat.call("threads.sync_custom_action", **params) == {}


@pytest.mark.row("P03")
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_are_full_when_half_of_the_items_are_hidden(
    chat: ChatClient, model: LoopbackAPI, ann: User, order: str
) -> None:
    row = await models.Thread.objects.acreate(pk="thr_x", owner=f"user:{ann.pk}")
    for n in range(20):
        hidden = ("hidden_context_item", {"content": "CANARY"})
        said = ("assistant_message", {"content": [{"text": str(n)}]})
        kind, payload = hidden if n % 2 else said
        await row.items.acreate(
            item_id=f"i{n}", type=kind, payload=payload | {"type": kind}
        )
    found, after = [], None
    for size, more in ((4, True), (4, True), (2, False)):
        page = await chat.call(
            "items.list", thread_id=row.pk, limit=4, order=order, after=after
        )
        assert (len(page["data"]), page["has_more"]) == (size, more)
        found += [int(text_of(item)) for item in page["data"]]
        after = page.get("after")
    assert found == sorted(range(0, 20, 2), reverse=order == "desc")
    thread = await chat.call("threads.get_by_id", thread_id=row.pk)
    assert len(thread["items"]["data"]) == 10


# Feedback


async def test_feedback_is_stored_changed_and_all_or_none(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Text("One."), Text("Two."))
    events = await chat.say("Hello")
    key = thread_id(events)
    ids = [item["id"] for item in done_items(events, "assistant_message")]

    async def stored() -> dict[str, str]:
        rows = models.Feedback.objects.values_list("item__item_id", "kind")
        return {item: kind async for item, kind in rows}

    give = {"thread_id": key, "item_ids": ids, "kind": "positive"}
    assert await chat.call("items.feedback", **give) == {}
    assert await stored() == dict.fromkeys(ids, "positive")
    give = {"thread_id": key, "item_ids": [ids[1], ids[1]], "kind": "negative"}
    assert await chat.call("items.feedback", **give) == {}
    assert await stored() == {ids[0]: "positive", ids[1]: "negative"}
    for wrong in ("msg_unknown", "msg_\x00"):
        give = {"thread_id": key, "item_ids": [ids[0], wrong], "kind": "negative"}
        assert await refused(chat, "items.feedback", give) == (404, "not_found")
    assert await stored() == {ids[0]: "positive", ids[1]: "negative"}


# Attachments and dictation


async def test_attachment_is_announced_uploaded_sent_and_then_stays(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    announced = {"name": "fox.png", "size": len(png), "mime_type": "image/png"}
    attachment = await chat.call("attachments.create", **announced)
    early = {"input": message("look", [attachment["id"]])}
    assert await refused(chat, "threads.create", early) == (409, "not_uploaded")
    uploaded = await ChatClient().post(
        attachment["upload_descriptor"]["url"], {"file": io.BytesIO(png)}
    )
    assert (uploaded.status_code, "upload_descriptor" in uploaded.json()) == (
        200,
        False,
    )
    events = await chat.say("look", attachments=[attachment["id"]])
    key = thread_id(events)
    (shown,) = events[1]["item"]["attachments"]
    assert (shown["id"], shown["name"], shown["type"]) == (
        attachment["id"],
        "fox.png",
        "image",
    )
    assert (await ChatClient().get(shown["preview_url"])).status_code == 200
    gone = {"attachment_id": attachment["id"]}
    assert await refused(chat, "attachments.delete", gone) == (409, "attachment_in_use")
    # It does not move to another thread.
    assert await refused(chat, "threads.create", early) == (409, "attachment_in_use")
    page = await chat.call("items.list", thread_id=key, order="asc")
    assert page["data"][0]["attachments"][0]["id"] == attachment["id"]


async def test_unused_attachment_is_deleted_with_its_file(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    uploaded = await chat.post("/chatkit/attachments/", {"file": io.BytesIO(png)})
    row = await models.Attachment.objects.aget()
    assert uploaded.json()["id"] == row.pk
    assert await chat.call("attachments.delete", attachment_id=row.pk) == {}
    assert not await models.Attachment.objects.aexists()
    storage.drain()
    assert not await sync_to_async(default_storage.exists)(row.file.name)
    again = {"attachment_id": row.pk}
    assert await refused(chat, "attachments.delete", again) == (404, "not_found")


# One run for each thread


@pytest.mark.parametrize("op", sorted(STREAMING - {"threads.create"}))
@pytest.mark.sweep(3)
async def test_thread_that_takes_no_messages_says_why(
    chat: ChatClient, model: LoopbackAPI, op: str
) -> None:
    script = {
        "threads.add_client_tool_output": ToolCall("pick_colour", {"hint": "x"}),
        "threads.add_structured_input": ToolCall("ask", {"question": "x"}),
        "threads.custom_action": ToolCall("show_card", {"text": "x"}),
    }
    model.respond_with(script.get(op, Text("Hello.")))
    events = await chat.say("Hello")
    first = events[1]["item"]["id"]
    asked = [item["id"] for item in done_items(events, "structured_input")]
    params: dict[str, Any] = {
        "threads.add_user_message": {"input": message("more")},
        "threads.add_client_tool_output": {"result": 1},
        "threads.add_structured_input": {
            "item_id": asked[0] if asked else "",
            "input": {"answers": {}},
        },
        "threads.custom_action": {"action": {"type": "press", "payload": 1}},
        "threads.retry_after_item": {"item_id": first},
    }[op] | {"thread_id": thread_id(events)}
    states = itertools.product(("locked", "closed"), ("Ask your teacher.", None))
    for status, reason in states:
        await models.Thread.objects.aupdate(status=status, status_reason=reason)
        before = await snapshot()
        response = await chat.request_op(op, params)
        error = json.loads(response.content)["error"]
        assert (response.status_code, error["code"]) == (409, f"thread_{status}")
        assert error["message"] == (reason or f"This chat is {status}.")
        assert error["allow_retry"] is False
        assert await snapshot() == before
        # It can be read.
        thread = await chat.call("threads.get_by_id", thread_id=params["thread_id"])
        assert thread["status"]["type"] == status
    assert len(model.requests) == 1


@pytest.mark.parametrize("status", ["locked", "closed"])
async def test_a_thread_is_begun_beside_one_that_takes_no_messages(
    chat: ChatClient, model: LoopbackAPI, status: str
) -> None:
    await chat.say("Hello")
    await models.Thread.objects.aupdate(status=status)
    assert thread_id(await chat.say("Hello"))


async def test_busy_thread_refuses_and_writes_nothing(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    key = thread_id(await chat.say("Hello"))
    model.respond_with(Text("Once."), gate, Text("Twice."))
    params = {"thread_id": key, "input": message("draw")}
    response = await chat.request_op("threads.add_user_message", params)
    events = read_events(response)
    first = await anext(events)
    await reach(gate)
    async for event in events:
        if event["type"] == "thread.item.done":
            break
    before = await snapshot()
    retry = {"thread_id": key, "item_id": first["item"]["id"]}
    action = {"thread_id": key, "action": {"type": "press", "payload": 1}}
    other = {"thread_id": key, "input": message("draw another")}
    for op, asked in (
        ("threads.add_user_message", other),
        ("threads.retry_after_item", retry),
        ("threads.custom_action", action),
    ):
        answer = await chat.request_op(op, asked)
        error = json.loads(answer.content)["error"]
        assert (answer.status_code, error["code"]) == (409, "run_in_progress")
        assert error["allow_retry"] is True
    assert await snapshot() == before
    assert len(model.requests) == 2
    gate.open()
    rest = [event async for event in events]
    assert text_of(done_items(rest, "assistant_message")[0]) == "Twice."
    assert done_items(await chat.say("and now?", key), "assistant_message")


async def test_threads_of_one_person_run_side_by_side(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(gate, Text("Slow."))
    response = await chat.request_op("threads.create", {"input": message("slow")})
    slow = read_events(response)
    await anext(slow)
    await reach(gate)
    model.respond_with(Text("Fast."))
    fast = await chat.say("fast")
    assert text_of(done_items(fast, "assistant_message")[0]) == "Fast."
    gate.open()
    rest = [event async for event in slow]
    assert text_of(done_items(rest, "assistant_message")[0]) == "Slow."
