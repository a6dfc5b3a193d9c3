"""What a client sends again, and what it finds when nothing came of the first time."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import weakref
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from chatkit import types
from django.db import OperationalError
from django.urls import set_script_prefix

from chatkit_images import runs
from chatkit_images.context import RequestContext
from chatkit_images.models import Run
from chatkit_images.runs import claims, drain, releases
from chatkit_images.runs.log.digest import Digest
from chatkit_images.runs.supervisor import supervisor
from chatkit_images.testing import Image, LoopbackAPI, Text
from tests.chat import TestServer
from tests.client import (
    ChatClient,
    done_items,
    message,
    of_type,
    read_events,
    thread_id,
)

KEY = {"Idempotency-Key": "click-1"}


async def idle() -> None:
    async with asyncio.timeout(30):
        while runs.LIVE or await Run.objects.running().aexists():
            await asyncio.sleep(0.01)


async def send(chat: ChatClient, op: str, **params: Any) -> list[dict[str, Any]]:
    response = await chat.request_op(op, params, headers=KEY)
    assert response.status_code == 200, response.content
    return [event async for event in read_events(response)]


@pytest.mark.row("S22")
async def test_a_message_with_a_file_is_sent_again(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    created = await chat.call(
        "attachments.create", name="a.png", size=len(png), mime_type="image/png"
    )
    await chat.put(created["upload_descriptor"]["url"], png, content_type="image/png")
    model.respond_with(Text("Nice."))
    said = message("look", [created["id"]])
    first = await send(chat, "threads.create", input=said)
    await idle()
    assert await send(chat, "threads.create", input=said) == first
    assert await Run.objects.acount() == len(model.requests) == 1


@pytest.mark.row("S22")
async def test_who_leaves_during_the_claim_finds_the_answer_by_the_same_key(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, claiming, left = claims.claim, threading.Event(), threading.Event()

    def slow(*args: Any) -> Run:
        claiming.set()
        left.wait(60)
        return claim(*args)

    monkeypatch.setattr(claims, "claim", slow)
    model.respond_with(Text("Hello."))
    request = asyncio.create_task(send(chat, "threads.create", input=message("a")))
    while not claiming.is_set():
        await asyncio.sleep(0.01)
    request.cancel()
    await asyncio.wait([request])
    left.set()

    events = await send(chat, "threads.create", input=message("a"))

    assert done_items(events, "assistant_message")[0]["content"][0]["text"] == "Hello."
    await idle()
    assert [run.status async for run in Run.objects.all()] == ["completed"]


@pytest.mark.row("S22")
async def test_what_nothing_came_of_begins_anew(
    chat: ChatClient, model: LoopbackAPI, context: RequestContext
) -> None:
    request = types.ThreadsCreateReq.model_validate(
        {"params": {"input": message("hello")}}
    )
    body = request.model_dump_json().encode()
    run = runs.LiveRun(TestServer(), request, context, KEY["Idempotency-Key"])
    run.begin(body)
    run.stop()
    await run.wait()
    # Who read it already learns that nothing comes.
    row = await Run.objects.aget()
    assert row.status == "cancelled"
    (batch,) = [batch async for batch in runs.follow(row, context)]
    assert b'"type":"error"' in batch[-1][1]

    model.respond_with(Text("Hello."))
    events = await send(chat, "threads.create", input=message("hello"))
    assert done_items(events, "assistant_message")


async def test_a_claim_whose_answer_is_lost_is_no_run_to_replay(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, release, back = claims.claim, releases.release, threading.Event()

    def cut(*args: Any) -> Run:
        claim(*args)
        raise OperationalError("the connection was lost")

    def away(*args: Any, **kwargs: Any) -> bool:
        if not back.is_set():
            raise OperationalError("the database is away")
        return release(*args, **kwargs)

    params = {"input": message("hello")}
    monkeypatch.setattr(releases, "release", away)
    with monkeypatch.context() as patch:
        patch.setattr(claims, "claim", cut)
        first = await chat.request_op("threads.create", params, headers=KEY)
    # The row is there until the database takes its release.
    second = await chat.request_op("threads.create", params, headers=KEY)
    assert (first.status_code, second.status_code) == (503, 503)
    back.set()
    await idle()
    model.respond_with(Text("Hello."))
    events = await send(chat, "threads.create", **params)
    assert done_items(events, "assistant_message")


async def test_a_claim_whose_answer_is_lost_leaves_the_thread_free(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.respond_with(Text("Hello."))
    key = thread_id(await chat.say("hello"))
    claim = claims.claim

    def cut(*args: Any) -> Run:
        claim(*args)
        raise OperationalError("the connection was lost")

    monkeypatch.setattr(claims, "claim", cut)
    params = {"thread_id": key, "input": message("again")}
    response = await chat.request_op("threads.add_user_message", params)
    assert response.status_code == 503
    monkeypatch.undo()
    await idle()
    model.respond_with(Text("Again."))
    assert done_items(await chat.say("again", key), "assistant_message")


@pytest.mark.row("O01")
async def test_a_drain_during_the_claim_is_an_interruption(
    context: RequestContext, model: LoopbackAPI
) -> None:
    request = types.ThreadsCreateReq.model_validate(
        {"params": {"input": message("hello")}}
    )
    run = runs.LiveRun(TestServer(), request, context)
    run.begin(request.model_dump_json().encode())
    hurry = asyncio.Event()
    hurry.set()
    await drain.drain(5, hurry)
    batches = [batch async for batch in run.events()]
    assert [json.loads(chunk[6:])["type"] for b in batches for _, chunk in b] == [
        "error"
    ]
    assert (await Run.objects.aget()).status == "interrupted"


async def test_urls_in_a_stream_have_the_prefix_of_the_request(
    context: RequestContext, model: LoopbackAPI, png: bytes
) -> None:
    model.respond_with(Image(data=png, partials=0), Text("Done."))
    request = types.ThreadsCreateReq.model_validate(
        {"params": {"input": message("a fox")}}
    )
    set_script_prefix("/shop/")
    try:
        run = await runs.start(
            TestServer(), request, request.model_dump_json().encode(), context
        )
    finally:
        set_script_prefix("/")
    chunks = b"".join([c async for batch in run.events() for _, c in batch])
    assert b"/shop/chatkit/images/" in chunks


async def test_a_run_that_has_ended_keeps_no_image_in_memory(
    context: RequestContext, model: LoopbackAPI, png: bytes
) -> None:
    model.respond_with(Image(data=png), Text("Done."))
    request = types.ThreadsCreateReq.model_validate(
        {"params": {"input": message("a fox")}}
    )
    run = await runs.start(
        TestServer(), request, request.model_dump_json().encode(), context
    )
    while not run.task.trackers:
        await asyncio.sleep(0.01)
    tracker = weakref.ref(run.task.trackers[0])
    await run.wait()
    del run
    async with asyncio.timeout(30):
        while tracker() is not None:
            gc.collect()
            await asyncio.sleep(0.05)


@pytest.mark.django_db(transaction=True)
async def test_a_dead_run_that_cannot_be_ended_keeps_no_other_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = await Run.objects.acreate(owner="user:1")
    second = await Run.objects.acreate(owner="user:1")
    close = releases.endings.end_images_of

    def broken(run_id: Any, *args: Any) -> None:
        if run_id == first.pk:
            raise RuntimeError("a damaged image")
        close(run_id, *args)

    monkeypatch.setattr(releases.endings, "end_images_of", broken)
    with pytest.raises(RuntimeError, match="damaged"):
        await sync_to_async(releases.interrupt)(Run.objects.order_by("created_at"))
    await second.arefresh_from_db()
    assert second.status == "interrupted"


async def test_a_release_that_fails_keeps_no_other_from_its_turn() -> None:
    released = asyncio.Event()

    async def broken() -> None:
        if not released.is_set():
            raise RuntimeError("a bug")

    async def good() -> None:
        released.set()

    supervisor().owe(broken)
    supervisor().owe(good)
    async with asyncio.timeout(10):
        await released.wait()


async def test_notices_are_kept_in_a_digest(model: LoopbackAPI) -> None:
    digest = Digest()
    for event in (
        {"type": "stream_options", "stream_options": {}},
        {"type": "thread.item.added", "item": {"id": "x"}},
        {"type": "progress_update", "text": "…"},
        {"type": "notice", "level": "info", "message": "one"},
        {"type": "thread.item.done", "item": {"id": "x"}},
        {"type": "notice", "level": "info", "message": "two"},
    ):
        digest.add(b"data: %b\n\n" % json.dumps(event).encode())
    kept = [json.loads(chunk[6:]) for chunk in digest.chunks()]
    assert [e["message"] for e in of_type(kept, "notice")] == ["one", "two"]


@pytest.mark.parametrize("index", [-1, 10**7])
async def test_a_part_that_no_message_has_is_not_in_a_digest(index: int) -> None:
    digest = Digest()
    item = {"id": "msg_1", "type": "assistant_message", "content": []}
    added = {"type": "thread.item.added", "item": item}
    kind = "assistant_message.content_part.text_delta"
    delta = {"type": kind, "content_index": index, "delta": "far away"}
    updated = {"type": "thread.item.updated", "item_id": "msg_1", "update": delta}
    for event in (added, updated):
        digest.add(b"data: %s\n\n" % json.dumps(event).encode())
    (shown,) = digest.chunks()
    assert json.loads(shown.removeprefix(b"data: "))["item"] == item


async def test_an_image_that_is_done_has_no_progress_in_a_digest() -> None:
    item = {"id": "x", "type": "generated_image"}
    update = {"type": "generated_image.updated", "image": {}, "progress": 0.5}
    for end in (
        {"type": "thread.item.done", "item": item},
        {"type": "thread.item.replaced", "item": item},
        {"type": "thread.item.removed", "item_id": "x"},
    ):
        digest = Digest()
        for event in (
            {"type": "thread.item.added", "item": item},
            {"type": "thread.item.updated", "item_id": "x", "update": update},
            end,
        ):
            digest.add(b"data: %b\n\n" % json.dumps(event).encode())
        assert [json.loads(chunk[6:]) for chunk in digest.chunks()] == [end]
