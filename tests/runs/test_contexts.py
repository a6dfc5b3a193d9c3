"""What goes on after a request holds nothing of the request's context."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from chatkit import types

from chatkit_images import runs
from chatkit_images.context import RequestContext
from chatkit_images.models import Run
from chatkit_images.testing import Gate, LoopbackAPI, Text
from tests import services
from tests.chat import TestServer
from tests.client import message


class Held:
    """What a request's context holds: its thread and its connection, say."""


held: ContextVar[Held | None] = ContextVar("held", default=None)
Request = Callable[[], Awaitable[Any]]


async def context_of(request: Request) -> Any:
    """Do what a request does; return a reference to what its context held."""
    context = copy_context()
    thing = Held()
    context.run(held.set, thing)
    found = weakref.ref(thing)
    del thing
    task = asyncio.get_running_loop().create_task(request(), context=context)  # type: ignore[arg-type]
    del context
    await task
    return found


@pytest.fixture(autouse=True)
def little_to_collect() -> Iterator[None]:
    """Leave what was there before, which is much, out of each collection."""
    gc.freeze()
    yield
    gc.unfreeze()


async def gone(reference: Any) -> bool:
    """Whether nothing holds it; callbacks of what has ended may be due."""
    for _ in range(500):
        await asyncio.sleep(0.01)
        gc.collect()
        if reference() is None:
            return True
    return False


REQUEST = types.ThreadsCreateReq.model_validate({"params": {"input": message("Hello")}})


@pytest.fixture(params=["memory", "redis"])
def logs(request: pytest.FixtureRequest, settings: Any) -> None:
    """Where the logs of runs are."""
    url = services.redis() if request.param == "redis" else None
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "ON_DISCONNECT": "finish",
        "RUN_LOG_URL": url,
    }


@pytest.mark.row("O08")
@pytest.mark.parametrize("patient", [False, True])
async def test_a_run_holds_nothing_of_its_request(
    context: RequestContext, model: LoopbackAPI, logs: None, patient: bool
) -> None:
    gate = Gate()
    model.respond_with(gate, Text("Done."))
    started: list[runs.LiveRun] = []

    async def request() -> None:
        body = REQUEST.model_dump_json().encode()
        run = await runs.start(TestServer(), REQUEST, body, context)
        started.append(run)
        async with aclosing(run.events(patient=patient, idle=15)) as batches:
            await anext(batches)

    reference = await context_of(request)
    (run,) = started
    assert {run.id: run} == runs.LIVE
    assert await gone(reference)
    assert held.get() is None
    gate.open()
    await run.wait()
    assert (await Run.objects.aget()).status == "completed"
    await runs.log.get_logs().aclose()


@pytest.mark.row("O08")
async def test_what_looks_after_all_runs_holds_nothing_of_the_first_reader(
    context: RequestContext, model: LoopbackAPI, logs: None
) -> None:
    run = await Run.objects.acreate(owner=context.owner)

    async def request() -> None:
        events = runs.follow(run, context, idle=0.01)
        async with aclosing(events) as batches:
            await anext(batches)

    assert await gone(await context_of(request))

    async def watch() -> None:
        with runs.supervisor().watching("thr_1", context):
            await asyncio.sleep(0)

    assert await gone(await context_of(watch))
    await runs.log.get_logs().aclose()
