"""Runs: the claim, the log, its readers, and processes that died."""

from __future__ import annotations

import asyncio
import datetime
import sys
import threading
import time
import uuid
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from asgiref.sync import sync_to_async
from chatkit import types
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.db import OperationalError, connection
from django.utils import timezone

from chatkit_images import runs, storage, times
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import RequestRefused
from chatkit_images.models import GeneratedImage, PartialImage, Run, Thread
from chatkit_images.queries import endings
from chatkit_images.querysets import GeneratedImageQuerySet, RunQuerySet
from chatkit_images.runs import claims, releases
from chatkit_images.runs.supervisor import Supervisor
from chatkit_images.signals import run_finished
from chatkit_images.store import DjangoStore
from chatkit_images.testing import (
    FailedImage,
    Gate,
    Image,
    LoopbackAPI,
    Text,
    ToolCall,
)
from tests.chat import TestServer
from tests.client import ChatClient, done_items, of_type, read_events, thread_id
from tests.client import message as user_message
from tests.tuning import tuned


async def until_ended() -> Run:
    async with asyncio.timeout(30):
        while True:
            run = await Run.objects.afirst()
            if run is not None and run.status != "running":
                return run
            await asyncio.sleep(0.01)


async def test_a_run_is_recorded_from_its_request_to_its_end(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    ended = []

    def receive(sender: Any, run: Run, **kwargs: Any) -> None:
        ended.append((run.status, run.finished_at is not None))

    run_finished.connect(receive)
    model.respond_with(Text("Hello."))
    try:
        events = await chat.say("hello")
    finally:
        run_finished.disconnect(receive)

    run = await Run.objects.select_related("user").aget()
    assert run.thread_id == thread_id(events)
    assert run.operation == "threads.create"
    assert run.status == "completed"
    assert run.owner == f"user:{run.user_id}"
    assert run.usage["total_tokens"] > 0
    assert run.worker == claims.worker_name()
    assert ended == [("completed", True)]
    async with asyncio.timeout(30):
        while runs.LIVE:
            await asyncio.sleep(0.01)


async def test_one_run_a_thread(chat: ChatClient, model: LoopbackAPI) -> None:
    gate = Gate()
    model.respond_with(Text("Wait."), gate)
    response = await chat.request_op("threads.create", {"input": user_message("a")})
    stream = read_events(response)
    created = await anext(stream)
    key = created["thread"]["id"]
    assert (await anext(stream))["item"]["type"] == "user_message"

    refused = await chat.request_op(
        "threads.add_user_message", {"thread_id": key, "input": user_message("b")}
    )

    assert refused.status_code == 409
    assert refused.json()["error"] == {
        "code": "run_in_progress",
        "message": "An answer is still being written in this chat.",
        "allow_retry": True,
    }
    thread = await Thread.objects.aget()
    assert await thread.items.filter(type="user_message").acount() == 1
    gate.open()
    assert [event async for event in stream]


async def test_a_dead_run_gives_its_thread_back_and_its_image_an_end(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    model.respond_with(Text("Hello."))
    events = await chat.say("hello")
    key = thread_id(events)
    name = storage.new_name("images", "png")
    storage.store(name, png)
    dead = await Run.objects.acreate(
        thread_id=key,
        owner="user:1",
        heartbeat_at=timezone.now() - datetime.timedelta(seconds=61),
    )
    image = await GeneratedImage.objects.acreate(
        thread_id=key, run=dead, call_id="ig_1"
    )
    await PartialImage.objects.acreate(image=image, index=0, file=name)
    bare = await GeneratedImage.objects.acreate(thread_id=key, run=dead, call_id="ig_2")

    model.respond_with(Text("Again."))
    events = await chat.say("still there?", key)

    assert done_items(events, "assistant_message")
    await dead.arefresh_from_db()
    assert (dead.status, dead.reason) == ("interrupted", "interrupted")
    assert dead.error == "interrupted: The server stopped."
    await image.arefresh_from_db()
    await bare.arefresh_from_db()
    assert (image.status, image.file.name) == ("interrupted", name)
    assert (bare.status, bare.file.name) == ("interrupted", "")
    assert storage.read(name) == png
    page = await chat.call("threads.get_by_id", thread_id=key)
    shown = page["items"]["data"][2:5]
    assert shown[0]["image"]["id"] == image.image_id
    assert (await chat.get(shown[0]["image"]["url"])).content == png
    text = "The image was interrupted before it was ready."
    assert [item["content"][0]["text"] for item in shown[1:]] == [
        f"This is only a preview. {text}",
        text,
    ]


async def test_a_run_that_beats_is_not_taken_over(chat: ChatClient) -> None:
    thread = await Thread.objects.acreate(pk="thr_1", owner="user:1")
    run = await Run.objects.acreate(
        thread=thread, owner="user:1", heartbeat_at=times.Now()
    )
    assert await sync_to_async(releases.take_over)(Run.objects.all()) == 0
    assert await sync_to_async(Run.objects.filter(pk=run.pk).beat)() == 1


@pytest.mark.row("O04")
async def test_a_run_that_was_taken_over_writes_nothing_more(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(gate, Text("Too late."))
    response = await chat.request_op("threads.create", {"input": user_message("a")})
    stream = read_events(response)
    key = (await anext(stream))["thread"]["id"]
    while not gate.reached.is_set():
        await asyncio.sleep(0.01)
    await Run.objects.aupdate(status="interrupted")
    gate.open()

    rest = [event async for event in stream]

    (error,) = of_type(rest, "error")
    assert error["allow_retry"]
    assert (await Run.objects.aget()).status == "interrupted"
    page = await chat.call("threads.get_by_id", thread_id=key)
    assert [item["type"] for item in page["items"]["data"]] == ["user_message"]


async def test_a_run_that_was_taken_over_stops(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_STALE_SECONDS=0.4)
    gate = Gate()
    model.respond_with(gate, Text("Never."))
    response = await chat.request_op("threads.create", {"input": user_message("a")})
    stream = read_events(response)
    await anext(stream)
    while not gate.reached.is_set():
        await asyncio.sleep(0.01)
    await Run.objects.aupdate(status="interrupted")

    rest = [event async for event in stream]

    assert of_type(rest, "error") == []
    assert (await Run.objects.aget()).status == "interrupted"
    gate.open()


async def test_a_run_that_waits_for_its_last_write_is_not_taken_for_dead(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_STALE_SECONDS=0.4)
    release = releases.release

    def late(run_id: Any, status: str, *args: Any, **kwargs: Any) -> bool:
        if status == "completed":
            time.sleep(1.2)
        return release(run_id, status, *args, **kwargs)

    monkeypatch.setattr(releases, "release", late)
    model.respond_with(Text("Hello."))
    await chat.say("Hi")
    assert (await until_ended()).status == "completed"


@pytest.mark.row("S01")
async def test_who_may_come_back_is_waited_for_although_another_left_last(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RECONNECT_SECONDS=1.0)
    gate = Gate()
    model.respond_with(Text("Wait."), gate, Text("Done."))
    response = await chat.request_op(
        "threads.create", {"input": user_message("a")}, headers={"ChatKit-Resume": "1"}
    )

    reading = asyncio.Event()

    async def read() -> None:
        async for _ in response.streaming_content:
            reading.set()

    patient = asyncio.create_task(read())
    # A task that is cancelled before its first step leaves nothing.
    await reading.wait()
    while not gate.reached.is_set():
        await asyncio.sleep(0.01)
    (run,) = runs.LIVE.values()
    other = run.events()
    await anext(other)

    left = time.monotonic()
    patient.cancel()
    await asyncio.wait([patient])
    await other.aclose()

    assert (await until_ended()).status == "cancelled"
    # By the clock: a look at the run in between might come too late.
    assert time.monotonic() - left > 0.9
    gate.open()


async def test_a_thread_may_go_in_the_last_moment_of_its_run(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    finish = RunQuerySet.finish

    def finish_and_go(self: RunQuerySet, *args: Any, **fields: Any) -> int:
        ended = finish(self, *args, **fields)
        Thread.objects.all().delete()
        return ended

    monkeypatch.setattr(RunQuerySet, "finish", finish_and_go)
    model.respond_with(Text("Hello."))
    await chat.say("Hi")
    while runs.LIVE:
        await asyncio.sleep(0.01)
    assert not await Run.objects.aexists()
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == []


async def test_images_whose_thread_goes_while_they_are_ended_hold_up_nothing(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("thr_1", "thr_2"):
        thread = await Thread.objects.acreate(pk=key, owner=context.owner)
        await GeneratedImage.objects.acreate(thread=thread, call_id="ig_1")
    finish = GeneratedImageQuerySet.finish

    def finish_and_go(self: GeneratedImageQuerySet, *args: Any, **fields: Any) -> int:
        Thread.objects.filter(images__in=self, pk="thr_2").delete()
        return finish(self, *args, **fields)

    monkeypatch.setattr(GeneratedImageQuerySet, "finish", finish_and_go)
    await sync_to_async(endings.interrupt)(GeneratedImage.objects.all())
    (image,) = [image async for image in GeneratedImage.objects.all()]
    assert (image.thread_id, image.status) == ("thr_1", "interrupted")


@pytest.mark.row("S23")
async def test_one_run_a_thread_where_no_constraint_can_say_so(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Thread.objects.acreate(pk="thr_1", owner=context.owner)

    def claim(text: str = "a") -> Run:
        params = {"thread_id": "thr_1", "input": user_message(text)}
        request = types.ThreadsAddUserMessageReq.model_validate({"params": params})
        return claims.claim(uuid.uuid4(), request, context)

    # As on MySQL and MariaDB.
    monkeypatch.setattr(type(connection.features), "supports_partial_indexes", False)
    await sync_to_async(claim)()
    create = Mock()
    monkeypatch.setattr(Run.objects, "create", create)
    with pytest.raises(RequestRefused) as refused:
        await sync_to_async(claim)("b")
    assert refused.value.code == "run_in_progress"
    with pytest.raises(runs.Repeated):
        await sync_to_async(claim)()
    create.assert_not_called()


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process does not find out by itself that its run was taken over."""
    monkeypatch.setattr(sys.modules[Supervisor.__module__], "POLL_SECONDS", 3600)


async def taken_over() -> None:
    """Take the run over as another process does while this one is asleep."""
    await Run.objects.aupdate(heartbeat_at=timezone.now().replace(2020))
    assert await sync_to_async(releases.take_over)(Run.objects.all()) == 1


async def shown(chat: ChatClient, key: str) -> list[dict[str, Any]]:
    page = await chat.call("threads.get_by_id", thread_id=key)
    items: list[dict[str, Any]] = page["items"]["data"]
    return items


@pytest.mark.row("O04")
async def test_an_image_that_comes_after_the_takeover_is_shown_for_its_text(
    chat: ChatClient, model: LoopbackAPI, png: bytes, asleep: None
) -> None:
    """The process was asleep: its row says completed, so must the thread."""
    gate = Gate()
    model.respond_with(Image(data=png, partials=0, gate=gate), Text("Too late."))
    response = await chat.request_op("threads.create", {"input": user_message("a")})
    stream = read_events(response)
    key = (await anext(stream))["thread"]["id"]
    async with asyncio.timeout(30):
        while not await GeneratedImage.objects.aexists():
            await asyncio.sleep(0.01)
    await taken_over()
    text = (await shown(chat, key))[1]
    assert text["content"][0]["text"].startswith("The image was interrupted")
    gate.open()

    assert of_type([event async for event in stream], "error")

    image = await GeneratedImage.objects.aget()
    assert image.status == "completed"
    _, item = await shown(chat, key)
    assert (item["id"], item["type"]) == (text["id"], "generated_image")
    assert (await chat.get(item["image"]["url"])).content == png
    assert (await Run.objects.aget()).status == "interrupted"


@pytest.mark.row("O04")
@pytest.mark.parametrize(
    ("step", "status", "kinds"),
    [
        (Image(partials=0), "completed", ["generated_image"]),
        (FailedImage(), "blocked", []),
    ],
)
async def test_of_calls_that_begin_after_the_takeover_images_are_shown(
    chat: ChatClient,
    model: LoopbackAPI,
    asleep: None,
    step: Any,
    status: str,
    kinds: list[str],
) -> None:
    model.respond_with(Text("Hello."))
    key = thread_id(await chat.say("hello"))
    gate = Gate()
    model.respond_with(gate, step, Text("Too late."))
    asked = {"thread_id": key, "input": user_message("a fox")}
    response = await chat.request_op("threads.add_user_message", asked)
    while not gate.reached.is_set():
        await asyncio.sleep(0.01)
    await taken_over()
    before = await shown(chat, key)
    gate.open()

    assert of_type([event async for event in read_events(response)], "error")

    assert (await GeneratedImage.objects.aget()).status == status
    after = await shown(chat, key)
    assert after[: len(before)] == before
    assert [item["type"] for item in after[len(before) :]] == kinds
    async with asyncio.timeout(30):
        while runs.LIVE:
            await asyncio.sleep(0.01)


POLICIES = [
    ("auto", False, "cancelled"),
    ("auto", True, "completed"),
    ("finish", False, "completed"),
    ("finish", True, "completed"),
    ("cancel", False, "cancelled"),
    ("cancel", True, "cancelled"),
]


@pytest.mark.parametrize(("policy", "drawing", "status"), POLICIES)
@pytest.mark.row("S01")
@pytest.mark.row("S02")
async def test_what_becomes_of_a_run_whose_reader_leaves(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    policy: str,
    drawing: bool,
    status: str,
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"ON_DISCONNECT": policy}
    gate = Gate()
    steps = [Image(partials=0, gate=gate)] if drawing else [Text("Wait."), gate]
    model.respond_with(*steps, Text("Done."))
    response = await chat.request_op("threads.create", {"input": user_message("a")})
    wanted = "generated_image" if drawing else "assistant_message"
    seen = asyncio.Event()

    async def read() -> None:
        async for event in read_events(response):
            if event.get("item", {}).get("type") == wanted:
                seen.set()

    reader = asyncio.create_task(read())
    await seen.wait()

    reader.cancel()
    await asyncio.wait([reader])
    if status == "completed":
        gate.open()

    assert (await until_ended()).status == status
    if drawing:
        image = await GeneratedImage.objects.aget()
        assert image.status == status
    gate.open()


async def test_a_login_during_a_run_hands_its_thread_over_at_its_end(
    ann: User, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"ALLOW_ANONYMOUS": True}
    visitor = ChatClient()
    model.respond_with(Text("Hello."))
    earlier = thread_id(await visitor.say("hello"))
    gate = Gate()
    model.respond_with(Image(partials=0, gate=gate), Text("Done."))
    response = await visitor.request_op(
        "threads.create", {"input": user_message("a fox")}
    )
    stream = read_events(response)
    key = (await anext(stream))["thread"]["id"]

    # The visitor's session goes on as Ann's.
    await sync_to_async(user_logged_in.send)(
        User, request=SimpleNamespace(session=await visitor.asession()), user=ann
    )
    owner = f"user:{ann.pk}"
    assert (await Thread.objects.aget(pk=earlier)).owner == owner
    assert (await Thread.objects.aget(pk=key)).owner.startswith("visitor:")
    gate.open()
    events = [event async for event in stream]

    assert of_type(events, "error") == []
    assert len(done_items(events, "generated_image")) == 1
    assert (await Thread.objects.aget(pk=key)).owner == owner
    assert not await Run.objects.exclude(owner=owner).aexists()


class Rude(TestServer):
    """Fails in the middle of a stream, past every net of the SDK's."""

    __test__ = False

    async def _process_streaming(self, request: Any, context: Any) -> Any:
        async for chunk in super()._process_streaming(request, context):
            yield chunk
            if b"stream_options" in chunk:
                raise RuntimeError("secret")


async def test_an_exception_in_a_stream_is_an_error_event_and_an_end(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "SERVER": "tests.test_runs.Rude"
    }

    events = await chat.say("hello")

    words = "This site has a fault that its staff must mend."
    assert events[-1] == {
        "type": "error",
        "code": "custom",
        "message": words,
        "allow_retry": False,
    }
    assert events[-2]["item"]["content"][0]["text"] == words
    assert "secret" not in str(events)
    run = await Run.objects.aget()
    assert (run.status, run.reason) == ("failed", "installation")
    assert run.error == "installation, RuntimeError: secret"


async def test_a_client_that_leaves_during_the_claim_leaves_no_claim(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.respond_with(Text("Hello."))
    key = thread_id(await chat.say("hello"))
    claim, claiming, left = claims.claim, threading.Event(), threading.Event()

    def slow(*args: Any) -> Run:
        claiming.set()
        left.wait(60)
        return claim(*args)

    monkeypatch.setattr(claims, "claim", slow)
    request = asyncio.create_task(chat.say("again", key))
    while not claiming.is_set():
        await asyncio.sleep(0.01)
    request.cancel()
    await asyncio.wait([request])
    left.set()

    async with asyncio.timeout(30):
        while runs.LIVE or await Run.objects.running().aexists():
            await asyncio.sleep(0.01)
    statuses = [r.status async for r in Run.objects.order_by("created_at")]
    assert statuses == ["completed", "cancelled"]
    assert len(model.requests) == 1


@pytest.mark.row("S25")
@pytest.mark.parametrize("tool", ["pick_colour", "ask"])
async def test_an_answer_that_was_checked_before_another_was_taken_is_refused(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    name = {"pick_colour": "hint", "ask": "question"}[tool]
    model.respond_with(ToolCall(tool, {name: "Which?"}))
    events = await chat.say("hello")
    params: dict[str, Any] = {"thread_id": thread_id(events)}
    if tool == "ask":
        op = "threads.add_structured_input"
        (question,) = done_items(events, "structured_input")
        params |= {"item_id": question["id"]}
        params |= {"input": {"status": "answered", "answers": {"q1": {"values": []}}}}
    else:
        op, params = "threads.add_client_tool_output", params | {"result": 1}
    claim, checked, go = claims.claim, threading.Event(), threading.Event()

    def late(*args: Any) -> Run:
        if not checked.is_set():
            checked.set()
            go.wait(60)
        return claim(*args)

    monkeypatch.setattr(claims, "claim", late)
    first = asyncio.create_task(chat.request_op(op, params))
    while not checked.is_set():
        await asyncio.sleep(0.01)
    model.respond_with(Text("Thanks."))
    events = await chat.stream(op, **params)
    assert of_type(events, "error") == []
    await until_ended()
    go.set()
    refused = await first

    assert refused.status_code == 409
    code = {"pick_colour": "no_tool_call", "ask": "already_answered"}[tool]
    assert refused.json()["error"]["code"] == code
    assert len(model.requests) == 2
    statuses = [r.status async for r in Run.objects.all()]
    assert statuses == ["completed"] * 2


async def test_a_run_stopped_before_it_began_ends_all_the_same(
    context: RequestContext, model: LoopbackAPI
) -> None:
    request = types.ThreadsCreateReq.model_validate(
        {"params": {"input": user_message("hello")}}
    )
    run = runs.LiveRun(TestServer(), request, context)
    run.begin(request.model_dump_json().encode())
    run.stop()

    async with asyncio.timeout(30):
        assert [chunk async for chunk in run.events()] == []
    assert (await Run.objects.aget()).status == "cancelled"
    assert model.requests == []


async def test_a_beat_that_fails_is_not_the_last(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_STALE_SECONDS=0.2)
    beats = []
    beat = RunQuerySet.beat

    def broken(rows: RunQuerySet) -> int:
        beats.append(rows)
        if len(beats) < 3:
            raise OperationalError("the database is away")
        return beat(rows)

    monkeypatch.setattr(RunQuerySet, "beat", broken)
    gate = Gate()
    model.respond_with(Text("Wait."), gate, Text("Done."))
    response = await chat.request_op("threads.create", {"input": user_message("a")})
    async with asyncio.timeout(30):
        while len(beats) < 4:
            await asyncio.sleep(0.02)
    gate.open()
    assert [event async for event in read_events(response)]
    assert (await Run.objects.aget()).status == "completed"


class Forgetful(DjangoStore):
    """Fails once, on the first text."""

    failed = False

    async def add_thread_item(self, thread_id: str, item: Any, context: Any) -> None:
        if item.type == "assistant_message" and not self.failed:
            self.failed = True
            raise OperationalError("the database is away")
        await super().add_thread_item(thread_id, item, context)


class ForgetfulServer(TestServer):
    """A server whose store fails in mid stream."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__(store=Forgetful())


@pytest.mark.row("S02")
async def test_a_store_that_fails_in_mid_stream_leaves_no_image_unfinished(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "SERVER": "tests.test_runs.ForgetfulServer"
    }
    gate = Gate()
    model.respond_with(Image(partials=1, finish=False), Text("Look."), gate)

    events = await chat.say("a fox")

    gate.open()
    assert len(of_type(events, "error")) == 1
    (added,) = [
        event["item"]["id"]
        for event in of_type(events, "thread.item.added")
        if event["item"]["type"] == "generated_image"
    ]
    # Its preview is there, with a note beside it.
    assert added in [item["id"] for item in done_items(events, "generated_image")]
    image = await GeneratedImage.objects.select_related("item").aget()
    assert (image.status, image.error_code) == ("failed", "stream_error")
    assert image.item is not None and image.item.type == "generated_image"


async def test_a_bad_end_is_told_once(chat: ChatClient, model: LoopbackAPI) -> None:
    model.respond_with(FailedImage(), Text("No."))
    events = await chat.say("something awful")
    await Run.objects.aupdate(
        status="running", heartbeat_at=timezone.now() - datetime.timedelta(hours=1)
    )

    assert await sync_to_async(releases.take_over)(Run.objects.all()) == 1

    page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    assert [item["type"] for item in page["items"]["data"]] == [
        "user_message",
        "assistant_message",
        "assistant_message",
        "assistant_message",
    ]
    note = page["items"]["data"][-1]["content"][0]["text"]
    assert note == "The answer was interrupted. Try again."


async def test_an_owner_of_a_projects_own_keeps_its_threads(
    ann: User, model: LoopbackAPI
) -> None:
    model.respond_with(Text("Hello."))
    tenant = RequestContext(ann, "tenant:5", "https://shop.example")
    request = types.ThreadsCreateReq.model_validate(
        {"params": {"input": user_message("hello")}}
    )
    run = await runs.start(
        TestServer(), request, request.model_dump_json().encode(), tenant
    )
    assert [chunk async for chunk in run.events()]

    assert (await Run.objects.aget()).status == "completed"
    assert (await Thread.objects.aget()).owner == "tenant:5"


async def test_a_run_that_the_database_does_not_release_is_released_when_it_is_back(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, tries = releases.release, []

    def away(*args: Any, **kwargs: Any) -> bool:
        tries.append(1)
        if len(tries) < 4:
            raise OperationalError("the database is away")
        return release(*args, **kwargs)

    monkeypatch.setattr(releases, "release", away)
    monkeypatch.setattr("chatkit_images.database.PAUSES", (0,))
    monkeypatch.setattr(sys.modules[Supervisor.__module__], "POLL_SECONDS", 0.01)
    model.respond_with(Text("Hello."))
    await chat.say("hello")
    async with asyncio.timeout(30):
        while await Run.objects.filter(status="running").aexists():
            await asyncio.sleep(0.01)
    assert (await Run.objects.aget()).status == "completed"
    assert len(tries) == 4
