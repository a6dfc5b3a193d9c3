"""Threads that have no connection read by one that is open."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.signals import connection_created

from chatkit_images import database
from chatkit_images.database import lending

pytestmark = pytest.mark.django_db(transaction=True)
T = TypeVar("T")


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Yield the threads in which connections were opened."""
    names: list[str] = []

    def note(**kwargs: Any) -> None:
        names.append(threading.current_thread().name)

    close_idle()
    connection_created.connect(note)
    yield names
    connection_created.disconnect(note)
    close_idle()


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending, "LINGER", 0.05)


def close_idle() -> None:
    """Wait until no connection is lent or idle."""
    until = time.monotonic() + 30
    while any("lending" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


def in_new_thread(func: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(func).result()


def users() -> int:
    return int(database.read(User.objects.count))


def test_threads_after_each_other_share_a_connection(opened: list[str]) -> None:
    assert [in_new_thread(users) for _ in range(10)] == [0] * 10
    assert len(opened) == 1


def test_a_thread_is_left_as_it_was(opened: list[str]) -> None:
    def look() -> tuple[bool, Any]:
        before = connections["default"]
        users()
        return connections["default"] is before, before.connection

    assert in_new_thread(look) == (True, None)


def test_threads_at_once_have_a_connection_each(opened: list[str]) -> None:
    together = threading.Barrier(6)

    def look() -> int:
        together.wait(30)
        return id(connection.connection), User.objects.count()

    with ThreadPoolExecutor(6) as pool:
        found = [pool.submit(database.read, look) for _ in range(6)]
        assert len({id(each) for each in found}) == 6
        assert [each.result()[1] for each in found] == [0] * 6
    assert len(opened) == 6


def test_what_nobody_uses_is_closed(opened: list[str]) -> None:
    in_new_thread(users)
    close_idle()
    in_new_thread(users)
    assert len(opened) == 2


def test_a_transaction_reads_what_it_has_written(opened: list[str]) -> None:
    def work() -> int:
        try:
            with transaction.atomic():
                User.objects.create_user("ann")
                return users()
        finally:
            connection.close()

    assert in_new_thread(work) == 1


def test_a_connection_that_the_server_has_closed_costs_nobody_an_answer(
    opened: list[str],
) -> None:
    def broken() -> int:
        raise OperationalError("server closed the connection unexpectedly")

    calls = []

    def once() -> int:
        calls.append(1)
        return broken() if len(calls) == 1 else User.objects.count()

    def look() -> int:
        try:
            return database.read(once)
        finally:
            connection.close()

    in_new_thread(users)
    assert in_new_thread(look) == 0
    # It is not lent again.
    assert in_new_thread(users) == 0
    assert len(opened) == 3


def test_a_database_that_is_away_is_asked_once(opened: list[str]) -> None:
    calls = []

    def fail() -> None:
        calls.append(1)
        raise OperationalError("connection refused")

    with pytest.raises(OperationalError):
        in_new_thread(lambda: database.read(fail))
    assert len(calls) == 1


def test_a_backend_of_another_package_keeps_its_own(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert in_new_thread(lambda: lending.is_lendable(connections["default"]))
    # django-tenants' has a schema that a middleware selects before it is opened.
    monkeypatch.setattr(type(connections["default"]), "__module__", "tenants.backend")
    assert not in_new_thread(lambda: lending.is_lendable(connections["default"]))


def is_lendable() -> bool:
    return lending.is_lendable(connections["default"])


def test_what_was_selected_in_a_connection_that_is_not_open_holds(
    opened: list[str],
) -> None:
    def wrapped() -> tuple[bool, bool]:
        seen = []

        def note(execute: Any, *args: Any) -> Any:
            seen.append(args)
            return execute(*args)

        with connection.execute_wrapper(note):
            lendable = is_lendable()
            users()
        connection.close()
        return lendable, bool(seen)

    def other() -> bool:
        own = connections["default"]
        own.settings_dict = own.settings_dict | {"NAME": "another"}
        return is_lendable()

    def pooled() -> bool:
        own = connections["default"]
        own.settings_dict = own.settings_dict | {"OPTIONS": {"pool": True}}
        return is_lendable()

    assert in_new_thread(wrapped) == (False, True)
    assert not in_new_thread(other)
    assert not in_new_thread(pooled)


def test_without_a_thread_to_watch_none_is_kept(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(self: threading.Thread) -> None:
        if "lending" in self.name:
            raise RuntimeError("can't start new thread")
        start(self)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert in_new_thread(users) == 0
        assert in_new_thread(users) == 0
    assert len(opened) == 2
    in_new_thread(users)
    in_new_thread(users)
    assert len(opened) == 3
