"""A thread that others watch by a WebSocket, under both servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from chatkit_images.models import GeneratedImage, Run
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from tests.client import message, of_type

from .browsing import Browser, until
from .conftest import Server
from .test_resume import shown

HELLO = {"input": message("Hello")}


@contextmanager
def watch(
    browser: Browser, thread_id: str, origin: str | None = None
) -> Iterator[ClientConnection]:
    base = str(browser.base_url).rstrip("/")
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    with connect(
        f"ws{base.removeprefix('http')}/chatkit/threads/{thread_id}/",
        additional_headers={"Cookie": cookies},
        origin=base if origin is None else origin,  # type: ignore[arg-type]
        proxy=None,
        open_timeout=60,
    ) as socket:
        yield socket


def receive(socket: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(socket.recv(timeout=60))
    return frame


def run_of(socket: ClientConnection, gate: Gate) -> list[dict[str, Any]]:
    """Return the events of a run that is shown from its beginning to its end.

    The gate that holds it is opened when it is shown: one that is over before the
    watch has begun would be none that goes on.
    """
    assert receive(socket)["status"] == "running"
    gate.open()
    events = []
    while "status" not in (frame := receive(socket)):
        events.append(frame["event"])
    assert frame["status"] == "completed"
    return events


@pytest.fixture
def thread(browser: Browser, model: LoopbackAPI) -> str:
    model.respond_with(Text("Hello."))
    key: str = browser.call("threads.create", **HELLO)[0]["thread"]["id"]
    until(lambda: not Run.objects.running().exists())
    return key


def test_another_tab_sees_one_run_after_the_other(
    browser: Browser, model: LoopbackAPI, png: bytes, thread: str
) -> None:
    with watch(browser, thread) as socket:
        for _ in range(2):
            gate = Gate()
            model.respond_with(Image(data=png, partials=1), gate, Text("Done."))
            with browser.open(
                "threads.add_user_message", thread_id=thread, **HELLO
            ) as stream:
                mine = [stream.until("stream_options")]
                theirs = run_of(socket, gate)
                mine += stream.rest()
            assert of_type(theirs, "error") == []
            # What came before the stream's options is the person's own message.
            assert {k: v for k, v in shown(theirs).items() if k in shown(mine)} == (
                shown(mine)
            )
            until(lambda: not Run.objects.running().exists())


def test_who_comes_late_sees_what_there_is(
    browser: Browser, model: LoopbackAPI, png: bytes, thread: str
) -> None:
    gate = Gate()
    model.respond_with(Text("Look."), Image(data=png, partials=1, gate=gate))
    with browser.open("threads.add_user_message", thread_id=thread, **HELLO) as stream:
        stream.until("thread.item.added")
        until(lambda: GeneratedImage.objects.filter(partials__isnull=False).exists())
        with watch(browser, thread) as socket:
            assert receive(socket)["status"] == "running"
            first = receive(socket)
            assert first["event"]["type"] in ("stream_options", "thread.item.done")
            gate.open()
            rest = stream.rest()
            theirs = [first["event"]]
            while "status" not in (frame := receive(socket)):
                theirs.append(frame["event"])
            # It is shown once, whatever is heard of it afterwards.
            with pytest.raises(TimeoutError):
                socket.recv(timeout=1.5)
    for key, item in shown(rest).items():
        assert shown(theirs)[key] == item


def test_watching_is_no_reason_to_go_on(
    browser: Browser, model: LoopbackAPI, thread: str
) -> None:
    gate = Gate()
    model.respond_with(Text("First."), gate)
    with watch(browser, thread) as socket:
        with browser.open(
            "threads.add_user_message", thread_id=thread, **HELLO
        ) as stream:
            stream.until("thread.item.updated")
        until(lambda: not Run.objects.running().exists(), 30)
        frames = []
        while not frames or frames[-1].get("status") in (None, "running"):
            frames.append(receive(socket))
        assert frames[-1]["status"] == "cancelled"
    gate.open()


def test_staff_may_watch_with_the_permission_to_view_threads(
    server: Server, browser: Browser, model: LoopbackAPI, thread: str
) -> None:
    staff = User.objects.create_user("sue", is_staff=True)
    with Browser(server.url, staff) as other:
        with pytest.raises(InvalidStatus), watch(other, thread):
            pass
        staff.user_permissions.add(Permission.objects.get(codename="view_thread"))
        with watch(other, thread) as socket:
            gate = Gate()
            model.respond_with(gate, Text("Again."))
            with browser.open("threads.add_user_message", thread_id=thread, **HELLO):
                assert of_type(run_of(socket, gate), "thread.item.done")


@pytest.mark.parametrize("who", ["bob", "nobody", "another page", "nowhere"])
def test_nobody_else_learns_anything(
    server: Server, browser: Browser, thread: str, who: str
) -> None:
    with Browser(server.url, User.objects.create_user("bob")) as other:
        key, origin, visitor = thread, None, other
        if who == "nobody":
            other.cookies.clear()
        elif who == "another page":
            visitor, origin = browser, "https://evil.example"
        elif who == "nowhere":
            visitor, key = browser, "thr_unknown"
        with pytest.raises(InvalidStatus) as refusal, watch(visitor, key, origin):
            pass
    assert refusal.value.response.status_code == 403
