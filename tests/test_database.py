"""The threads in which runs use the database."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import (
    IntegrityError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)
from django.utils import translation

from chatkit_images import database
from chatkit_images.conf import settings
from chatkit_images.database import workers
from chatkit_images.run_state import current_run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def in_run() -> Iterator[None]:
    token = current_run.set(uuid.uuid4())
    yield
    current_run.reset(token)


def where() -> tuple[str, Any]:
    """Return the thread and the connection that a call is made with."""
    User.objects.count()
    time.sleep(0.01)
    return threading.current_thread().name, connection.connection


@pytest.mark.row("O07")
async def test_many_calls_share_a_few_connections(in_run: None) -> None:
    calls = await asyncio.gather(*(database.call(where) for _ in range(50)))
    threads, used = {name for name, _ in calls}, {id(made) for _, made in calls}
    assert len(threads) <= settings.DATABASE_THREADS
    assert len(used) <= settings.DATABASE_THREADS
    assert all(name.startswith("chatkit-images-database") for name in threads)


@pytest.mark.row("O07")
async def test_one_call_after_another_needs_one_connection(in_run: None) -> None:
    calls = [await database.call(where) for _ in range(20)]
    assert len(set(calls)) == 1


@pytest.mark.row("O07")
async def test_a_connection_is_given_back_when_there_is_no_work(in_run: None) -> None:
    _, made = await database.call(where)
    wrapper = await database.call(lambda: connections["default"])
    assert made is not None
    async with asyncio.timeout(30):
        while wrapper.connection is not None:
            await asyncio.sleep(0.01)


async def test_nobody_waits_for_a_connection_that_is_slow_to_close(
    in_run: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing, go = threading.Event(), threading.Event()
    connection_class = type(connections["default"])
    close = connection_class.close

    def slow(self: Any) -> None:
        if "database-runs" in threading.current_thread().name:
            closing.set()
            go.wait(60)
        close(self)

    await database.call(where)
    monkeypatch.setattr(connection_class, "close", slow)
    try:
        await asyncio.to_thread(closing.wait, 60)
        async with asyncio.timeout(30):
            assert await database.call(lambda: 42) == 42
    finally:
        go.set()


async def test_outside_of_a_run_the_callers_connection_is_used() -> None:
    name, _ = await database.call(where)
    assert not name.startswith("chatkit-images-database")


async def test_an_error_is_the_callers_and_leaves_no_transaction(in_run: None) -> None:
    def fail() -> None:
        transaction.set_autocommit(False)
        User.objects.create_user("ann")
        User.objects.create_user("ann")

    with pytest.raises(IntegrityError):
        await database.call(fail)
    assert await database.call(User.objects.count) == 0


async def test_a_run_asks_again_while_the_database_is_away(
    in_run: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PAUSES", (0, 0))
    tries: list[int] = []

    def flaky() -> int:
        tries.append(len(tries))
        if len(tries) < 3:
            raise OperationalError("away")
        return 42

    assert await database.call(flaky) == 42
    tries.clear()
    with pytest.raises(OperationalError):
        await database.once(flaky)
    assert tries == [0]


async def test_a_database_that_comes_and_goes_is_tried_each_second() -> None:
    """Four moments of a second each in 17 seconds must not be missed."""
    assert max(database.PAUSES) == 1
    assert 17 <= sum(database.PAUSES) <= 18


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("no such table: chatkit_images_run"),
        ProgrammingError('relation "chatkit_images_run" does not exist'),
    ],
)
async def test_tables_that_are_missing_are_not_waited_for(
    in_run: None, error: Exception
) -> None:
    tries: list[int] = []

    def missing() -> None:
        tries.append(1)
        raise error

    with pytest.raises(type(error)):
        await database.call(missing)
    assert tries == [1]


async def test_a_request_does_not_wait_for_a_database_that_is_away() -> None:
    tries: list[int] = []

    def away() -> None:
        tries.append(1)
        raise OperationalError("away")

    with pytest.raises(OperationalError):
        await database.call(away)
    assert tries == [1]


async def test_a_call_that_nobody_waits_for_any_more_is_not_begun(in_run: None) -> None:
    made: list[int] = []
    go = threading.Event()
    held = threading.Barrier(settings.DATABASE_THREADS + 1)

    def hold() -> None:
        held.wait(60)
        go.wait(60)

    holding = [
        asyncio.ensure_future(database.call(hold))
        for _ in range(settings.DATABASE_THREADS)
    ]
    await asyncio.to_thread(held.wait, 60)
    late = asyncio.ensure_future(database.call(made.append, 1))
    await asyncio.sleep(0.05)
    late.cancel()
    await asyncio.wait([late])
    go.set()
    await asyncio.gather(*holding)
    await database.call(lambda: None)
    assert made == []


async def test_who_has_waited_before_goes_ahead_of_every_other(in_run: None) -> None:
    done: list[str] = []
    go = threading.Event()
    held = threading.Barrier(settings.DATABASE_THREADS + 1)
    one_left = threading.Semaphore(1)

    def hold() -> None:
        held.wait(60)
        go.wait(60)
        # Else several would work at what waits, in whatever order.
        one_left.acquire(timeout=60)

    holding = [
        asyncio.ensure_future(database.call(hold))
        for _ in range(settings.DATABASE_THREADS)
    ]
    await asyncio.to_thread(held.wait, 60)
    waiting = []
    for name in "abcd":
        waiting.append(asyncio.ensure_future(database.call(done.append, name)))
        await asyncio.sleep(0)
    with database.ahead():
        for name in "ABC":
            waiting.append(asyncio.ensure_future(database.call(done.append, name)))
            await asyncio.sleep(0)
    go.set()
    try:
        async with asyncio.timeout(30):
            await asyncio.gather(*waiting)
    finally:
        one_left.release(settings.DATABASE_THREADS)
        await asyncio.gather(*holding)
    assert "".join(done) == "AaBbCcd"


async def test_a_call_within_a_call_does_not_wait_for_a_thread(in_run: None) -> None:
    """A receiver of a signal may be asynchronous; no thread may be left for it."""

    def receive() -> int:
        return async_to_sync(database.call)(User.objects.count)

    async with asyncio.timeout(30):
        counts = await asyncio.gather(*(database.call(receive) for _ in range(12)))
    assert counts == [0] * 12


async def test_a_connection_that_cannot_be_closed_costs_no_thread(
    in_run: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some drivers raise if the other side has closed it."""

    def broken(self: Any) -> None:
        if self.connection is not None:
            self.connection.close()
        raise RuntimeError("already closed")

    def fail() -> None:
        User.objects.count()
        connection.errors_occurred = True
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(type(connections["default"]), "close", broken)
        for _ in range(settings.DATABASE_THREADS + 1):
            async with asyncio.timeout(30):
                with pytest.raises(OperationalError):
                    await database.once(fail)
        await asyncio.sleep(4 * workers.LINGER)
    async with asyncio.timeout(30):
        assert await database.call(User.objects.count) == 0


@pytest.mark.row("O09")
def test_a_call_that_fails_costs_no_thread_while_no_database_may_be_used(
    django_db_blocker: Any,
) -> None:
    """Code that a project runs in its tests, or before a fork, may forbid it."""

    def fail() -> None:
        connection.ensure_connection()
        django_db_blocker.block()
        raise ValueError

    for _ in range(2):
        failed: Future[None] = Future()
        workers.jobs("beats").put((failed, fail))
        try:
            assert isinstance(failed.exception(10), ValueError)
        finally:
            django_db_blocker.restore()


async def test_a_sign_of_life_waits_for_no_work(in_run: None) -> None:
    go = threading.Event()
    working = [
        asyncio.ensure_future(database.call(go.wait, 60))
        for _ in range(settings.DATABASE_THREADS + 2)
    ]
    async with asyncio.timeout(30):
        assert await database.beat(User.objects.count) == 0
    go.set()
    await asyncio.gather(*working)


async def test_a_call_speaks_the_language_of_its_run(in_run: None) -> None:
    with translation.override("de"):
        assert await database.call(translation.get_language) == "de"
    with translation.override("fr"):
        assert await database.call(translation.get_language) == "fr"
