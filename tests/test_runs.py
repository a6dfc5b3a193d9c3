"""Runs: the claim, the log, its readers, and processes that died."""

from __future__ import annotations

import asyncio
import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.utils import timezone

from chatkit_images import runs, storage
from chatkit_images.models import GeneratedImage, PartialImage, Run, Thread
from chatkit_images.runs import claims
from chatkit_images.runs.log.memory import MemoryLog
from chatkit_images.signals import run_finished
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from tests.chat import TestServer
from tests.client import ChatClient, done_items, of_type, read_events, thread_id
from tests.client import message as user_message


async def until_ended() -> Run:
    for _ in range(500):
        run = await Run.objects.afirst()
        if run is not None and run.status != "running":
            return run
        await asyncio.sleep(0.01)
    raise AssertionError("the run goes on")


async def test_readers_of_a_log_get_everything_from_the_first() -> None:
    log = MemoryLog()
    log.append(b"1")

    async def read() -> list[bytes]:
        return [chunk async for chunk in log.read()]

    early = asyncio.create_task(read())
    await asyncio.sleep(0)
    log.append(b"2")
    late = asyncio.create_task(read())
    await asyncio.sleep(0)
    log.append(b"3")
    log.close()
    assert await early == await late == await read() == [b"1", b"2", b"3"]


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
    assert runs.runner.LIVE == {}


async def test_one_run_a_thread(chat: ChatClient, model: LoopbackAPI) -> None:
    gate = Gate()
    model.respond_with(Text("Wait."), gate)
    response = await chat.request_op("threads.create", {"input": user_message("a")})
    stream = read_events(response)
    created = await anext(stream)
    key = created["thread"]["id"]

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
    assert (dead.status, dead.error) == ("interrupted", "The server stopped.")
    await image.arefresh_from_db()
    await bare.arefresh_from_db()
    assert (image.status, image.file.name) == ("interrupted", name)
    assert (bare.status, bare.file.name) == ("interrupted", "")
    assert storage.read(name) == png
    page = await chat.call("threads.get_by_id", thread_id=key)
    shown = page["items"]["data"][2:4]
    assert shown[0]["image"]["id"] == "ig_1"
    assert (await chat.get(shown[0]["image"]["url"])).content == png
    text = "The image was interrupted before it was ready."
    assert shown[1]["content"][0]["text"] == text


async def test_a_run_that_beats_is_not_taken_over(chat: ChatClient) -> None:
    thread = await Thread.objects.acreate(pk="thr_1", owner="user:1")
    run = await Run.objects.acreate(thread=thread, owner="user:1")
    assert await sync_to_async(claims.take_over)(Run.objects.all()) == 0
    assert await sync_to_async(Run.objects.beat)(run.pk) == 1


async def test_a_run_that_was_taken_over_stops(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"RUN_STALE_SECONDS": 0.4}
    gate = Gate()
    model.respond_with(Text("Wait."), gate)
    response = await chat.request_op("threads.create", {"input": user_message("a")})
    stream = read_events(response)
    await anext(stream)
    await Run.objects.aupdate(status="interrupted")

    rest = [event async for event in stream]

    assert of_type(rest, "error") == []
    assert (await Run.objects.aget()).status == "interrupted"
    gate.open()


POLICIES = [
    ("auto", False, "cancelled"),
    ("auto", True, "completed"),
    ("finish", False, "completed"),
    ("finish", True, "completed"),
    ("cancel", False, "cancelled"),
    ("cancel", True, "cancelled"),
]


@pytest.mark.parametrize(("policy", "drawing", "status"), POLICIES)
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
    gate.open()

    assert (await until_ended()).status == status
    if drawing:
        image = await GeneratedImage.objects.aget()
        assert image.status == status


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

    assert events[-1] == {"type": "error", "code": "stream.error", "allow_retry": True}
    assert "secret" not in str(events)
    run = await Run.objects.aget()
    assert (run.status, run.error) == ("failed", "RuntimeError: secret")
