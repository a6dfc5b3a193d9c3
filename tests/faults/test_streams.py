"""Streams beside a database that stands still, and answers that are asked for again."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from chatkit_images.models import Run, ThreadItem
from chatkit_images.testing import Gate, LoopbackAPI, Text
from tests.client import ChatClient, done_items, of_type, read_events, thread_id
from tests.client import message as user_message
from tests.servers.browsing import until

from .arming import Fault
from .browsing import Browser, answer, image_call
from .databases import on
from .pipe import pipe
from .test_kills import APP, FINAL, SOON, SWEEP, check_rows, settle
from .world import World

SECONDS, WORDS = 2.0, 30
Switch = Callable[[bool], None]


@pytest.fixture(params=["view", "consumer"])
def standstill(
    request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Switch]:
    """What lets the world's database stand still, and go on.

    PostgreSQL answers nothing, SQLite lets nobody write.
    """
    monkeypatch.setattr(world, "door", request.param)
    if world.databases.kind == "postgres":
        with pipe(int(os.environ.get("PGPORT", "5432"))) as wire:
            monkeypatch.setattr(world, "port", wire.port)
            yield lambda on: wire.stall() if on else wire.flow()
    else:
        # Less than a test lets nobody write.
        monkeypatch.setattr(world, "patience", SECONDS / 2)
        with closing(
            sqlite3.connect(
                world.database, 20, isolation_level=None, check_same_thread=False
            )
        ) as connection:
            yield lambda on: connection.execute(
                "BEGIN IMMEDIATE" if on else "ROLLBACK"
            ).close()


@pytest.mark.row("S14")
@on("sqlite", "postgres")
def test_text_goes_on_while_the_database_stands_still(
    world: World, model: LoopbackAPI, standstill: Switch
) -> None:
    words, last = Gate(), Gate()
    seen: list[tuple[float, dict[str, Any]]] = []
    listed: list[float] = []
    with (
        world.server() as server,
        Browser(server.url, world.cookies) as browser,
        Browser(server.url, world.cookies) as saver,
        Browser(server.url, world.cookies) as other,
    ):
        begun = threading.Event()

        def read(event: dict[str, Any]) -> None:
            seen.append((time.monotonic(), event))
            # What was said before is saved by then.
            if done_items([event], "assistant_message"):
                begun.set()

        def during() -> list[float]:
            """Return when words came since the database stands still."""
            updates = [at for at, e in seen if e["type"] == "thread.item.updated"]
            return [at for at in updates if at > began]

        def ask() -> None:
            began = time.monotonic()
            other.call("threads.list")
            listed.append(time.monotonic() - began)

        saved: list[dict[str, Any]] = []
        talks = [
            threading.Thread(target=lambda: browser.say("Talk.", seen=read)),
            threading.Thread(target=lambda: saved.extend(saver.say("Short."))),
        ]
        # Which of the two comes first is not for the test to say.
        many = Text("word " * 5 * WORDS, chunk=5, delay=0.02)
        model.respond_with(Text("Listen."), words, many)
        talks[0].start()
        assert begun.wait(30)
        model.respond_with(Text("One."), last)
        talks[1].start()
        assert last.reached.wait(30)
        standstill(True)
        began = time.monotonic()
        try:
            # One has something to say, one to save, one to ask.
            words.open()
            last.open()
            asking = threading.Thread(target=ask)
            asking.start()
            time.sleep(SECONDS)
            # It stands still until they are there: they did not wait for it.
            until(lambda: len(during()) > WORDS)
        finally:
            standstill(False)
        ended = time.monotonic()
        for thread in (*talks, asking):
            thread.join(60)
    for events in ([event for _, event in seen], saved):
        assert of_type(events, "error") == []
        assert of_type(events, "thread.item.done")[-1]["item"]["content"]
    # Nobody waits for longer than the database stood still.
    assert listed and listed[0] < ended - began + 5
    (first,) = settle(world, SWEEP)
    assert first["runs"] == ["completed"] * 2


@pytest.mark.row("S24")
async def test_no_answer_is_asked_for_again_while_it_is_written(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Text("First."))
    events = await chat.say("hello")
    key, item = thread_id(events), of_type(events, "thread.item.done")[0]["item"]["id"]
    gate = Gate()
    model.respond_with(gate, Text("Second."))
    response = await chat.request_op(
        "threads.add_user_message", {"thread_id": key, "input": user_message("more")}
    )
    stream = read_events(response)
    await anext(stream)
    before = [row async for row in ThreadItem.objects.order_by("pk").values()]
    refused = await chat.request_op(
        "threads.retry_after_item", {"thread_id": key, "item_id": item}
    )
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "run_in_progress"
    after = [row async for row in ThreadItem.objects.order_by("pk").values()]
    assert after == before
    gate.open()
    assert of_type([event async for event in stream], "error") == []
    # Now it may be.
    model.respond_with(Text("Third."))
    events = await chat.stream("threads.retry_after_item", thread_id=key, item_id=item)
    assert of_type(events, "error") == []
    assert await ThreadItem.objects.acount() == 2
    assert await Run.objects.filter(status="completed").acount() == 3


DELETION = {
    "remembered": Fault(f"{APP}.queries.pages.bury", "after"),
    "superseded": Fault(
        "sql:UPDATE .chatkit_images_generatedimage.*superseded_at. = ", "after"
    ),
    "rows": Fault("sql:DELETE FROM .chatkit_images_threaditem", "before"),
    "rows-written": Fault("sql:DELETE FROM .chatkit_images_threaditem", "after"),
    "after": Fault(f"{APP}.queries.items.delete_after", "after"),
}


@pytest.mark.row("S24")
@pytest.mark.parametrize(
    "name", [pytest.param(name, id=f"S24-kill-{name}") for name in DELETION]
)
@on("postgres")
def test_a_kill_leaves_all_of_an_answer_or_nothing(
    world: World, model: LoopbackAPI, name: str
) -> None:
    with world.server() as server, Browser(server.url, world.cookies) as browser:
        model.respond_with(*answer(image_call("ig_1", FINAL)))
        events = browser.say("Draw a meadow.")
        key = thread_id(events)
        model.respond_with(Text("You are welcome."))
        browser.say("Thanks.", key)
        before = browser.items(key)
    assert len(before) == 5
    params = {"thread_id": key, "item_id": before[0]["id"]}
    with (
        world.server(DELETION[name]) as server,
        Browser(server.url, world.cookies) as browser,
    ):
        list(browser.events("threads.retry_after_item", **params))
        assert world.killed(server), f"It survived {name}."
    with (
        world.server(**SOON) as server,
        Browser(server.url, world.cookies) as browser,
    ):
        items = browser.items(key)
        assert [item["id"] for item in items] == (
            [before[0]["id"]] if name == "after" else [item["id"] for item in before]
        )
        time.sleep(0.3)
        model.respond_with(Text("Here."))
        events = list(browser.events("threads.retry_after_item", **params))
        assert of_type(events, "error") == []
        items = browser.items(key)
        assert [item["type"] for item in items] == ["user_message", "assistant_message"]
    (there,) = settle(world, SWEEP)
    check_rows(world, there)
    assert there["items"] == ["user_message", "assistant_message"]
