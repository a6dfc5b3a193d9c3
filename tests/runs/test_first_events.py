"""The first event of a run, which goes out before the work goes on."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from chatkit import types
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.core.exceptions import PermissionDenied
from django.test import AsyncClient

from chatkit_images import database, runs
from chatkit_images.conf import settings as app_settings
from chatkit_images.consumers import ChatKitConsumer
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import RequestRefused
from chatkit_images.models import Run, ThreadItem
from chatkit_images.protocol import first_messages
from chatkit_images.runs import LiveRun
from chatkit_images.store import DjangoStore
from chatkit_images.testing import LoopbackAPI
from chatkit_images.views.streams import stream_response
from tests.chat import TestServer
from tests.client import ask_asgi, message, receive_stream


def slow(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A project's middleware that takes its time with each response."""

    def middleware(request: Any) -> Any:
        response = get_response(request)
        time.sleep(0.05)
        return response

    return middleware


@pytest.mark.parametrize(
    "application",
    [get_asgi_application, ChatKitConsumer.as_asgi],
    ids=["view", "consumer"],
)
async def test_the_client_has_it_before_what_it_wrote_is_stored(
    application: Callable[[], Any],
    ann: User,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.MIDDLEWARE = [f"{__name__}.slow", *settings.MIDDLEWARE]
    monkeypatch.setattr(first_messages, "SERVE_SECONDS", 30)
    seen: list[str] = []
    add = DjangoStore.add_thread_item

    async def adding(self: DjangoStore, *args: Any, **kwargs: Any) -> None:
        seen.append("stored")
        await add(self, *args, **kwargs)

    monkeypatch.setattr(DjangoStore, "add_thread_item", adding)
    client = AsyncClient()
    await client.aforce_login(ann)
    cookie = b"sessionid=" + client.cookies["sessionid"].value.encode()
    door = application()

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def sending(sent: Any) -> None:
            if b"thread.created" in sent.get("body", b""):
                seen.append("sent")
            await send(sent)

        await door(scope, receive, sending)

    params = {"input": message("hello")}
    browser = await ask_asgi(noting, "threads.create", params, cookie)
    await receive_stream(browser)
    assert seen[:2] == ["sent", "stored"]


def first_message() -> tuple[types.StreamingReq, bytes]:
    request = types.ThreadsCreateReq.model_validate(
        {"params": {"input": message("a fox")}}
    )
    return request, request.model_dump_json().encode()


async def begun(run: LiveRun) -> None:
    async with asyncio.timeout(30):
        while not run.log.last:
            await asyncio.sleep(0)


async def test_a_run_goes_on_though_nobody_takes_it(
    context: RequestContext, model: LoopbackAPI
) -> None:
    run = await runs.start(TestServer(), *first_message(), context)
    async with asyncio.timeout(30):
        await run.wait()
    kinds = [item.type async for item in ThreadItem.objects.all()]
    assert kinds[0] == "user_message"
    assert kinds[-1] == "assistant_message"


class Failing(TestServer):
    """Fails before its first event, as soon as its reader has waited."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure
        self.waited = asyncio.Event()

    async def process(self, *_: Any) -> Any:
        await self.waited.wait()
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "words", "may_retry"),
    [
        (RuntimeError("secret"), "This site has a fault that its staff must mend.", 0),
        (TimeoutError("secret"), "The service took too long. Try again.", 1),
        (PermissionDenied("secret"), "This site may not use the service for that.", 0),
        (RequestRefused("closed", "We are closed."), "We are closed.", 0),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_who_waited_for_it_reads_why_it_does_not_come(
    context: RequestContext,
    caplog: pytest.LogCaptureFixture,
    failure: Exception,
    words: str,
    may_retry: int,
) -> None:
    server = Failing(failure)
    run = await runs.start(server, *first_message(), context)
    chunks = []
    async with asyncio.timeout(30):
        async for batch in run.events(idle=0.01):
            server.waited.set()
            chunks += batch
        await run.wait()
    ((number, chunk),) = chunks
    error = json.loads(chunk.removeprefix(b"data: "))
    assert (number, error["type"], error["code"]) == (0, "error", "custom")
    assert (error["message"], error["allow_retry"]) == (words, bool(may_retry))
    assert f"Run {run.id} failed in its stream" in caplog.text
    # Who comes later gets a status.
    with pytest.raises(type(failure)):
        await anext(run.events())


async def kinds_after_stop(run: LiveRun) -> list[str]:
    run.stop()
    async with asyncio.timeout(30):
        await run.wait()
    status = await Run.objects.values_list("status", flat=True).aget()
    assert status == "cancelled"
    return [item.type async for item in ThreadItem.objects.all()]


async def test_a_stop_before_it_is_taken_keeps_what_the_person_wrote(
    context: RequestContext, model: LoopbackAPI
) -> None:
    run = await runs.start(TestServer(), *first_message(), context)
    await begun(run)
    kinds = await kinds_after_stop(run)
    assert kinds == ["user_message", "sdk_hidden_context", "assistant_message"]


async def test_a_stop_while_it_waits_to_be_stored_keeps_what_the_person_wrote(
    context: RequestContext, model: LoopbackAPI
) -> None:
    run = await runs.start(TestServer(), *first_message(), context)
    events = run.events()
    # All threads of the database are busy when the message is to be stored.
    free = threading.Event()
    for _ in range(app_settings.DATABASE_THREADS):
        database.jobs("runs").put((Future(), lambda: free.wait(30)))
    created = await anext(events)
    taking = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.05)
    asyncio.get_running_loop().call_later(0.2, free.set)
    kinds = await kinds_after_stop(run)
    assert kinds == ["user_message", "sdk_hidden_context", "assistant_message"]
    # A tab that comes back to the stream sees it too.
    assert b"thread.created" in created[0][1]
    assert b"user_message" in (await taking)[0][1]
    await events.aclose()


async def test_a_log_that_cannot_be_read_is_no_fault_of_the_site() -> None:
    async def unreadable() -> runs.Batches:
        yield []
        raise RuntimeError("secret")

    response = await stream_response(uuid.uuid4(), unreadable(), ids=False)
    *_, last = [part async for part in response.events]
    error = json.loads(last.removeprefix(b"data: "))
    assert error["message"] == "The answer was interrupted. Try again."
    assert error["allow_retry"]
