"""Who reads a run that is another process's, or only looks on, and a server's end."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from chatkit import types

from chatkit_images import runs
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import RequestRefused
from chatkit_images.models import Run, Thread
from chatkit_images.protocol import event_stream
from chatkit_images.runs import drain
from chatkit_images.runs.log import MemoryLogs, get_logs
from chatkit_images.testing import Gate, LoopbackAPI, Text
from tests import services
from tests.chat import TestServer
from tests.client import ChatClient, message, thread_id
from tests.tuning import tuned

from .test_logs import chunk, forget, shared

REQUEST = types.ThreadsCreateReq.model_validate({"params": {"input": message("hello")}})


async def begin(context: RequestContext) -> runs.LiveRun:
    body = REQUEST.model_dump_json().encode()
    return await runs.start(TestServer(), REQUEST, body, context)


class Reader:
    """Reads batches in a task of its own.

    Attributes:
        chunks: The numbered chunks that have come.
        task: Ends with the batches, or with what they raise.
    """

    def __init__(self, batches: runs.Batches) -> None:
        self.chunks: list[tuple[int, bytes]] = []
        self.task = asyncio.create_task(self._read(batches))

    async def _read(self, batches: runs.Batches) -> None:
        async for batch in batches:
            self.chunks += batch

    @property
    def numbers(self) -> list[int]:
        return [number for number, _ in self.chunks]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(chunk.removeprefix(b"data: ")) for _, chunk in self.chunks]

    async def reach(self, number: int) -> None:
        async with asyncio.timeout(30):
            while number not in self.numbers:
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        async with asyncio.timeout(30):
            await self.task


@pytest.mark.row("O01")
async def test_a_drain_does_not_end_a_run_here_that_is_watched(
    context: RequestContext, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(Text("First."), gate, Text("Second."))
    run = await begin(context)
    row = await Run.objects.aget()
    mine = Reader(run.events())
    watcher = Reader(runs.follow(row, context, join=True, watch=True))
    await asyncio.to_thread(gate.reached.wait, 60)
    await watcher.reach(run.log.last)

    draining = asyncio.create_task(drain.drain(10, asyncio.Event()))
    await asyncio.sleep(0.1)
    assert not (mine.task.done() or watcher.task.done())
    gate.open()
    await draining

    await mine.end()
    await watcher.end()
    assert mine.numbers == list(range(1, run.log.last + 1))
    assert watcher.numbers[-1] == run.log.last
    assert run.log.complete
    assert "Second." in str(watcher.events)


async def test_who_watches_a_run_that_was_taken_over_sees_its_end(
    context: RequestContext, model: LoopbackAPI
) -> None:
    gate, cut_off = Gate(), asyncio.Event()

    class Slow(TestServer):
        async def handle_stream_cancelled(self, *args: Any) -> None:
            await cut_off.wait()

    body = REQUEST.model_dump_json().encode()
    model.respond_with(gate, Text("Never."))
    run = await runs.start(Slow(), REQUEST, body, context)
    row = await Run.objects.aget()
    mine = Reader(run.events())
    watcher = Reader(runs.follow(row, context, join=True, watch=True))
    await asyncio.to_thread(gate.reached.wait, 60)
    await Run.objects.aupdate(status="interrupted")
    # Until it is seen, and longer than a copy would be waited for.
    await asyncio.sleep(2.5)
    early = mine.task.done() or watcher.task.done()
    cut_off.set()
    await mine.end()
    await watcher.end()
    gate.open()
    assert not early
    assert run.log.complete


# Runs of other processes


@pytest.fixture
def elsewhere(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> Callable[[str], Awaitable[Run]]:
    """Return a function that makes a run of Ann's which is in nobody's memory here."""
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, HEARTBEAT_SECONDS=0.05)

    async def make(status: str) -> Run:
        model.respond_with(Text("Hello."))
        key = thread_id(await chat.say("hello"))
        run = await Run.objects.aget(thread=key)
        run.pk, run.status, run.idempotency_key = uuid.uuid4(), status, "click-1"
        await run.asave(force_insert=True)
        return run

    return make


async def rest(response: Any) -> bytes:
    async with asyncio.timeout(30):
        return b"".join([chunk async for chunk in response.streaming_content])


def route(run: Run) -> str:
    return f"/chatkit/runs/{run.pk}/events/"


@pytest.mark.row("O01")
async def test_who_comes_for_a_run_elsewhere_is_refused_while_this_process_ends(
    chat: ChatClient, context: RequestContext, elsewhere: Any
) -> None:
    run = await elsewhere("running")
    runs.supervisor().followed_logs.close()
    body = json.dumps(REQUEST.model_dump(mode="json"))
    headers = {"Idempotency-Key": "click-1"}
    for answer in (
        await chat.get(route(run)),
        await chat.get(f"/chatkit/threads/{run.thread_id}/events/"),
        await chat.post(
            "/chatkit/", body, content_type="application/json", headers=headers
        ),
    ):
        assert answer.status_code == 503
        error = answer.json()["error"]
        assert (error["code"], error["allow_retry"]) == ("draining", True)
    watcher = Reader(runs.follow(run, context, join=True, watch=True))
    with pytest.raises(RequestRefused, match="being restarted"):
        await watcher.end()


@pytest.mark.row("O01")
async def test_a_run_that_has_ended_is_shown_while_this_process_ends(
    chat: ChatClient, elsewhere: Any
) -> None:
    run = await elsewhere("completed")
    before = await rest(await chat.get(route(run)))
    assert b"Hello." in before
    runs.supervisor().followed_logs.close()
    assert await rest(await chat.get(route(run))) == before


@pytest.mark.row("O01")
@pytest.mark.parametrize("resume", [True, False])
async def test_a_stream_of_a_run_elsewhere_is_cut_when_this_process_ends(
    chat: ChatClient, elsewhere: Any, resume: bool
) -> None:
    await elsewhere("running")
    body = json.dumps(REQUEST.model_dump(mode="json"))
    headers = {"Idempotency-Key": "click-1"} | (
        {"ChatKit-Resume": "1"} if resume else {}
    )
    answer = await chat.post(
        "/chatkit/", body, content_type="application/json", headers=headers
    )
    assert answer.status_code == 200
    # Its first heartbeat has come; nobody would ask again after a clean end.
    runs.supervisor().followed_logs.close()
    text = await rest(answer)
    assert text.replace(event_stream.HEARTBEAT, b"") == (
        b": elsewhere\n" if resume else b""
    )


async def test_who_waits_when_this_process_ends_is_refused(
    context: RequestContext, elsewhere: Any
) -> None:
    reader = Reader(runs.follow(await elsewhere("running"), context))
    await asyncio.sleep(0.05)
    runs.supervisor().followed_logs.close()
    with pytest.raises(RequestRefused, match="being restarted"):
        await reader.end()


async def test_of_a_thread_that_is_deleted_a_reader_elsewhere_sees_nothing(
    chat: ChatClient, context: RequestContext, elsewhere: Any
) -> None:
    run = await elsewhere("running")
    answer = await chat.get(route(run))
    assert answer.status_code == 200
    await Thread.objects.all().adelete()
    assert (await rest(answer)).replace(event_stream.HEARTBEAT, b"") == b""
    # As one that is deleted between the query for it and that for its items.
    run.status = "completed"
    reader = Reader(runs.follow(run, context))
    await reader.end()
    assert reader.chunks == []


@pytest.fixture
async def writer(settings: Any) -> AsyncIterator[MemoryLogs]:
    """The logs of another process, shared with this one by Redis."""
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "RUN_LOG_URL": services.REDIS_URL
    }
    services.redis()
    writer = shared(services.REDIS_URL)
    yield writer
    await writer.aclose()
    await get_logs().aclose()


@pytest.mark.row("S09")
async def test_who_comes_before_the_first_event_of_a_run_elsewhere_sees_them_come(
    context: RequestContext, elsewhere: Any, writer: MemoryLogs
) -> None:
    run = await elsewhere("running")
    reader = Reader(runs.follow(run, context))
    joined = Reader(runs.follow(run, context, join=True))
    await asyncio.sleep(0.1)
    log = writer.create(run.pk)
    for number in (1, 2, 3):
        log.append(chunk(number))
        await reader.reach(number)
    await joined.reach(3)
    await Run.objects.filter(pk=run.pk).aupdate(status="completed")
    writer.close(run.pk)
    for each in (reader, joined):
        await each.end()
        assert each.numbers == [1, 2, 3]
    await forget(run.pk)


@pytest.mark.row("S09")
async def test_a_log_that_was_given_up_is_opened_again(
    context: RequestContext,
    elsewhere: Any,
    writer: MemoryLogs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatkit_images.runs.log.hub.PATIENCE_SECONDS", 0.1)
    run = await elsewhere("running")
    log = writer.create(run.pk)
    reader = Reader(runs.follow(run, context))
    for number in (1, 2, 3):
        log.append(chunk(number))
    await reader.reach(3)
    # Redis loses it, and has one entry behind what is missing.
    from redis.asyncio import Redis

    from chatkit_images.runs.log.publisher import keys

    await forget(run.pk)
    async with Redis.from_url(services.REDIS_URL) as client:
        stream = keys(run.pk)[0]
        await client.xadd(stream, {"chunk": chunk(7)}, id="7-0")
        await asyncio.sleep(1)
        await client.delete(stream)
    # The next write tells what was before in short.
    log.append(chunk(4))
    await reader.reach(4)
    log.append(chunk(5))
    await reader.reach(5)
    assert [number for number in reader.numbers if number] == [1, 2, 3, 4, 5]
    await Run.objects.filter(pk=run.pk).aupdate(status="completed")
    writer.close(run.pk)
    await reader.end()
    await forget(run.pk)
