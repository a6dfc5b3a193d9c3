"""The thread of a first message, which the claim of its run makes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from chatkit import types
from django.db import IntegrityError, OperationalError

from chatkit_images import database, runs
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import RequestRefused
from chatkit_images.models import Run, Thread
from chatkit_images.queries import pages, threads
from chatkit_images.runs import claims
from chatkit_images.signals import run_finished
from chatkit_images.store import DjangoStore
from chatkit_images.testing import LoopbackAPI, Text
from tests.chat import TestServer
from tests.client import ChatClient, message, read_events, thread_id


class Named(DjangoStore):
    """A project's store whose threads have an id of its own."""

    def generate_thread_id(self, context: RequestContext) -> str:
        return "thr_mine"


class Labelled(DjangoStore):
    """One that adds to a thread while it is saved."""

    async def save_thread(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> None:
        thread.metadata["shop"] = "north"
        await super().save_thread(thread, context)


class NamedServer(TestServer):
    __test__ = False

    def __init__(self) -> None:
        super().__init__(store=Named())


class LabelledServer(TestServer):
    __test__ = False

    def __init__(self) -> None:
        super().__init__(store=Labelled())

    async def respond(self, *args: Any) -> AsyncIterator[types.ThreadStreamEvent]:
        """Say nothing, and save nothing either."""
        yield types.ProgressUpdateEvent(text="Looking.")


class Rerouted(TestServer):
    """A server that has one thread for a person, whatever the page asks for."""

    __test__ = False

    async def process(self, request: Any, context: RequestContext) -> Any:
        asked = json.loads(request)
        asked["type"] = "threads.add_user_message"
        asked["params"]["thread_id"] = "thr_one"
        return await super().process(json.dumps(asked), context)


class Deaf(TestServer):
    """A server that cannot begin."""

    __test__ = False

    def _to_thread_response(self, thread: types.ThreadMetadata) -> types.Thread:
        raise RuntimeError("not today")


def use(settings: Any, server: type[TestServer]) -> None:
    path = f"{server.__module__}.{server.__qualname__}"
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"SERVER": path}


def first_message() -> types.ThreadsCreateReq:
    params = {"input": message("hello")}
    return types.ThreadsCreateReq.model_validate({"params": params})


async def until_idle() -> None:
    async with asyncio.timeout(30):
        while runs.LIVE:
            await asyncio.sleep(0.01)


async def test_it_is_the_runs_own_before_the_first_event(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, made = claims.claim, []

    def watched(*args: Any) -> Run:
        run = claim(*args)
        made.append(run.thread_id)
        return run

    monkeypatch.setattr(claims, "claim", watched)
    model.respond_with(Text("Hello."))
    events = await chat.say("hello")

    assert made == [thread_id(events)]
    assert [event["type"] for event in events][:2] == [
        "thread.created",
        "thread.item.done",
    ]
    thread = await Thread.objects.aget()
    assert (thread.title, await thread.items.acount()) == ("hello", 2)


async def test_a_store_may_name_it(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    use(settings, NamedServer)
    model.respond_with(Text("Hello."))
    assert thread_id(await chat.say("hello")) == "thr_mine"
    assert (await Run.objects.aget()).thread_id == "thr_mine"
    await until_idle()

    model.respond_with(Text("Hello again."))
    # Another first message in a thread that is there: the project wants it so.
    assert thread_id(await chat.say("hello")) == "thr_mine"
    await until_idle()
    thread = await Thread.objects.aget()
    assert await thread.items.acount() == 4


async def test_a_store_may_add_to_it(
    chat: ChatClient, settings: Any, model: LoopbackAPI
) -> None:
    use(settings, LabelledServer)
    await chat.say("hello")
    assert (await Thread.objects.aget()).metadata == {"shop": "north"}


async def test_a_server_may_begin_none(
    chat: ChatClient, model: LoopbackAPI, settings: Any, context: RequestContext
) -> None:
    use(settings, Rerouted)
    await Thread.objects.acreate(pk="thr_one", owner=context.owner)
    model.respond_with(Text("Hello."))
    await chat.say("hello")
    thread = await Thread.objects.aget()
    assert (thread.pk, await thread.items.acount()) == ("thr_one", 2)


async def test_an_id_that_is_anothers_is_not_taken(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    use(settings, NamedServer)
    await Thread.objects.acreate(pk="thr_mine", owner="user:somebody", title="Theirs")
    answer = await chat.request_op("threads.create", {"input": message("hello")})

    assert answer.status_code == 404
    await until_idle()
    thread = await Thread.objects.aget()
    assert (thread.owner, thread.title) == ("user:somebody", "Theirs")
    assert await thread.items.acount() == 0
    run = await Run.objects.aget()
    assert (run.status, run.thread_id) == ("failed", None)


async def test_a_run_that_never_began_leaves_none(
    context: RequestContext, model: LoopbackAPI
) -> None:
    seen = []

    def receive(sender: Any, run: Run, **kwargs: Any) -> None:
        seen.append((run.status, run.thread_id))

    run_finished.connect(receive)
    try:
        request = first_message()
        run = runs.LiveRun(TestServer(), request, context)
        run.begin(request.model_dump_json().encode())
        run.stop()
        assert [chunk async for chunk in run.events()] == []
        await run.wait()
    finally:
        run_finished.disconnect(receive)

    assert seen == [("cancelled", None)]
    assert not await Thread.objects.aexists()


async def test_a_failure_before_the_first_event_leaves_none(
    context: RequestContext, model: LoopbackAPI
) -> None:
    request = first_message()
    body = request.model_dump_json().encode()
    run = await runs.start(Deaf(), request, body, context, "click-1")
    with pytest.raises(RuntimeError, match="not today"):
        assert [chunk async for chunk in run.events()] == []
    await run.wait()

    assert not await Thread.objects.aexists()
    row = await Run.objects.aget()
    assert (row.status, row.thread_id, row.idempotency_key) == ("failed", None, None)
    model.respond_with(Text("Hello."))
    again = await runs.start(TestServer(), request, body, context, "click-1")
    assert [chunk async for chunk in again.events()]
    await again.wait()
    assert await Thread.objects.acount() == 1


async def test_a_store_may_refuse_it(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(self: Labelled, thread: Any, context: RequestContext) -> None:
        raise RequestRefused("too_many_chats", "You have enough chats.")

    use(settings, LabelledServer)
    monkeypatch.setattr(Labelled, "save_thread", refuse)
    answer = await chat.request_op("threads.create", {"input": message("hello")})

    assert answer.status_code == 409
    assert answer.json()["error"]["message"] == "You have enough chats."
    await until_idle()
    assert not await Thread.objects.aexists()


async def test_one_that_could_not_be_deleted_is_deleted_the_next_time(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    bury, tries = pages.bury, []

    def fail_once(*args: Any) -> None:
        tries.append(args)
        if len(tries) == 1:
            raise OperationalError("the database is away")
        bury(*args)

    monkeypatch.setattr(pages, "bury", fail_once)
    monkeypatch.setattr(database, "PAUSES", (0.01,))
    request = first_message()
    body = request.model_dump_json().encode()
    run = await runs.start(Deaf(), request, body, context)
    await run.wait()
    assert len(tries) == 2
    assert not await Thread.objects.aexists()
    assert (await Run.objects.aget()).status == "failed"


async def test_the_same_click_makes_one(chat: ChatClient, model: LoopbackAPI) -> None:
    model.respond_with(Text("Hello."))
    params = {"input": message("hello")}
    for _ in range(2):
        response = await chat.request_op(
            "threads.create", params, headers={"Idempotency-Key": "click-1"}
        )
        assert [event async for event in read_events(response)]

    assert await Thread.objects.acount() == await Run.objects.acount() == 1
    assert len(model.requests) == 1


async def test_a_refused_insert_is_told(
    context: RequestContext, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an end, the claim would be tried for ever."""

    def refuse(*args: Any) -> None:
        raise IntegrityError("no such user")

    monkeypatch.setattr(threads, "insert", refuse)
    model.respond_with(Text("Hello."))
    request = first_message()
    run = await runs.start(
        TestServer(), request, request.model_dump_json().encode(), context
    )
    with pytest.raises(IntegrityError):
        assert [chunk async for chunk in run.events()] == []
    await run.wait()

    assert not await Thread.objects.aexists()
    assert (await Run.objects.aget()).status == "failed"
