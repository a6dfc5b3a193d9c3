"""Calls of the database that are cancelled at any moment: done, or not done at all."""

from __future__ import annotations

import asyncio
import random
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from django.db import connection

from chatkit_images import database, runs
from chatkit_images.conf import settings
from chatkit_images.context import RequestContext
from chatkit_images.models import DeletedPosition, Run, Thread, ThreadItem
from chatkit_images.run_state import current_run
from chatkit_images.store import DjangoStore
from chatkit_images.testing import LoopbackAPI, Text
from chatkit_images.testing.contracts import make_message, make_thread
from tests.client import ChatClient, of_type, thread_id
from tests.client import message as user_message

COUNT = 250


async def seconds_of(call: Callable[[], Coroutine[Any, Any, Any]]) -> float:
    """Return how long a call takes that nobody cancels."""
    seconds = []
    for _ in range(9):
        began = time.monotonic()
        await call()
        seconds.append(time.monotonic() - began)
    return statistics.median(seconds)


class Scissors:
    """Cancels calls at any moment, half of them in time.

    Attributes:
        seconds: How long a call takes, about: it changes with what else goes on.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._dice = random.Random(10)

    async def cut(self, call: Coroutine[Any, Any, Any]) -> bool:
        """Cancel a call; whether it was in time."""
        task = asyncio.ensure_future(call)
        await asyncio.sleep(self._dice.random() * self.seconds * 2)
        task.cancel()
        await asyncio.wait([task])
        self.seconds *= 1.1 if task.cancelled() else 1 / 1.1
        return task.cancelled()


async def everybody(there: int) -> list[tuple[bool, bool]]:
    """Return of each thread of the runs whether it is in a transaction."""
    barrier = threading.Barrier(there)

    def look() -> tuple[bool, bool]:
        barrier.wait(30)
        ThreadItem.objects.count()
        return connection.in_atomic_block, connection.get_autocommit()

    async with asyncio.timeout(60):
        return list(await asyncio.gather(*(database.call(look) for _ in range(there))))


async def settle() -> None:
    """Wait until no call is within the database any more, and none in a transaction."""
    if current_run.get() is None:
        return await database.call(lambda: None)
    found = await everybody(settings.DATABASE_THREADS)
    assert found == [(False, True)] * settings.DATABASE_THREADS


@pytest.mark.row("O10")
@pytest.mark.parametrize("in_run", [True, False], ids=["in a run", "in a request"])
async def test_a_call_that_is_cancelled_is_done_or_not(
    context: RequestContext, in_run: bool
) -> None:
    store = DjangoStore()
    await store.save_thread(make_thread(), context)
    before = await Thread.objects.aget()
    token = current_run.set(uuid.uuid4() if in_run else None)
    keys = [f"msg_{n}" for n in range(COUNT)]
    first = make_message(keys[0], text=keys[0] * 50)
    scissors = Scissors(
        await seconds_of(lambda: store.add_thread_item("thr_1", first, context))
    )
    cuts = 0
    for key in keys:
        item = make_message(key, text=key * 50)
        call = store.add_thread_item("thr_1", item, context)
        cuts += await scissors.cut(call)
    assert 0 < cuts < COUNT
    # Who does not know does it again, and it is there once.
    for key in keys:
        item = make_message(key, text=key * 50)
        await store.add_thread_item("thr_1", item, context)
    rows = {row.item_id: row async for row in ThreadItem.objects.all()}
    assert sorted(rows) == sorted(keys)
    assert await ThreadItem.objects.acount() == COUNT
    for key in keys:
        assert rows[key].payload["content"][0]["text"] == key * 50
    # SQLite's lock is given to whoever asks at the right moment: what was cancelled
    # within may still wait for it, and would come after the end of its item.
    await settle()
    cuts = 0
    for key in keys:
        call = store.delete_thread_item("thr_1", key, context)
        cuts += await scissors.cut(call)
    assert 0 < cuts < COUNT
    await settle()
    current_run.reset(token)
    # Where an item stood is noted with its end and not without it.
    left = {key async for key in ThreadItem.objects.values_list("item_id", flat=True)}
    noted = {key async for key in DeletedPosition.objects.values_list("key", flat=True)}
    assert noted & left == set()
    assert noted | left == set(keys)
    assert (await Thread.objects.aget()).created_at == before.created_at


@pytest.mark.row("O10")
async def test_a_request_that_is_cancelled_leaves_no_run_behind(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    scissors = Scissors(0.03)
    model.respond_with(Text("Hello."))
    key = thread_id(await chat.say("hello"))
    params = {"thread_id": key, "input": user_message("more")}
    for _ in range(40):
        await scissors.cut(chat.stream("threads.add_user_message", **params))
        async with asyncio.timeout(30):
            while runs.LIVE:
                await asyncio.sleep(0.002)
        assert not await Run.objects.running().aexists()
    statuses = {row.status async for row in Run.objects.all()}
    assert statuses <= {"completed", "cancelled"}
    assert "cancelled" in statuses
    # Each run that began has what was said to it, whole.
    async for row in ThreadItem.objects.filter(type="user_message"):
        assert row.payload["content"][0]["text"] in ("hello", "more")
    model.respond_with(Text("Still here."))
    events = await chat.say("still there?", key)
    assert of_type(events, "error") == []
