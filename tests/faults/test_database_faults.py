"""The database goes away for a moment while an image is made: nothing is lost.

PostgreSQL's connections are cut and refused; SQLite's file is locked for longer than a
writer waits.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chatkit_images.testing import Gate, LoopbackAPI, Text
from tests.client import URL, done_items, message, of_type, thread_id

from .arming import Fault
from .browsing import Browser, answer, image_call
from .databases import on
from .pipe import Pipe, pipe
from .test_kills import (
    APP,
    FINAL,
    PREVIEW,
    SWEEP,
    check_rows,
    check_talk,
    check_thread,
    converse,
    settle,
)
from .world import World

SECONDS = 1.5
STAGES = {
    "claim-made": Fault(f"{APP}.runs.claims.claim", "after", "hold"),
    "user-message": Fault(f"{APP}.queries.items.save", "before", "hold"),
    "intent-row": Fault(f"{APP}.queries.images.begin", "before", "hold"),
    "preview": Fault(f"{APP}.queries.images.add_partial", "before", "hold"),
    "final-arrives": Fault(f"{APP}.receiving.receive", "before", "hold"),
    "final-row": Fault(f"{APP}.queries.images.complete", "before", "hold"),
    "final-item": Fault(
        f"{APP}.queries.items.save", "before", "hold", naming="GeneratedImageItem"
    ),
    "thumbnail": Fault(f"{APP}.queries.images.announce", "before", "hold"),
    "text": Fault(
        f"{APP}.queries.items.save", "before", "hold", naming="AssistantMessageItem"
    ),
    "release": Fault(f"{APP}.runs.releases.release", "before", "hold"),
}


@pytest.fixture
def outage(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What takes the world's database away for as long as it is entered."""
    if world.databases.kind == "postgres":
        with pipe(int(os.environ.get("PGPORT", "5432"))) as wire:
            monkeypatch.setattr(world, "port", wire.port)
            yield lambda: away(wire)
    else:
        monkeypatch.setattr(world, "patience", SECONDS / 2)
        yield lambda: locked(world.database)


@contextmanager
def away(wire: Pipe) -> Iterator[None]:
    wire.cut()
    try:
        yield
    finally:
        wire.mend()


@contextmanager
def locked(path: str) -> Iterator[None]:
    connection = sqlite3.connect(path, 20, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.close()


@pytest.mark.sweep(8)
@pytest.mark.row("S13")
@pytest.mark.parametrize(
    "fault", [pytest.param(STAGES[at], id=f"S13-away-at-{at}") for at in STAGES]
)
@on("sqlite", "postgres")
def test_an_answer_goes_on_when_the_database_is_back(
    world: World, model: LoopbackAPI, outage: Any, fault: Fault
) -> None:
    with (
        world.server(fault) as server,
        Browser(server.url, world.cookies) as browser,
    ):
        seconds: list[float] = []
        gate = Gate()

        def take_away() -> None:
            deadline = time.monotonic() + 30
            while not (world.folder / "reached").exists():
                assert time.monotonic() < deadline, "Nobody came by."
                time.sleep(0.01)
            with outage():
                (world.folder / "go").touch()
                began = time.monotonic()
                time.sleep(SECONDS)
                seconds.append(time.monotonic() - began)
            gate.open()

        trouble = threading.Thread(target=take_away)
        trouble.start()
        if fault.at.endswith("add_partial"):
            # The preview is lost, so the image may not wait for it.
            call = image_call("ig_1", FINAL, PREVIEW, gate=gate)
            model.respond_with(*answer(call))
            events = browser.say("Draw a meadow.")
        else:
            events = converse(browser, model)
        trouble.join(60)
        assert seconds, "The database was never away."

        assert of_type(events, "error") == []
        assert len(done_items(events, "generated_image")) == 1
        key = thread_id(events)
        check_thread(browser, key, "image")
        check_talk(browser, model, key)
        first, second = settle(world, SWEEP, SWEEP)
        check_rows(world, first)
        assert first == second
        assert set(first["runs"]) == {"completed"}


@pytest.mark.row("S13")
@pytest.mark.parametrize("door", ["view", "consumer"])
@on("sqlite", "postgres")
def test_a_message_is_refused_while_the_database_is_away_and_then_taken(
    world: World, model: LoopbackAPI, outage: Any, door: str
) -> None:
    with (
        world.server(door=door) as server,
        Browser(server.url, world.cookies) as browser,
    ):
        key = thread_id(converse(browser, model))
        params = {"thread_id": key, "input": message("And now?")}
        body = {"type": "threads.add_user_message", "params": params}
        headers = {"Idempotency-Key": "5b1f"}
        with outage():
            refused = browser.post(URL, json=body, headers=headers)
        said = refused.json()["error"]
        # What makes a client ask again.
        assert (refused.status_code, said["code"]) == (503, "unavailable")
        assert said["allow_retry"]
        model.respond_with(Text("Here I am."))
        # Each connection that was cut is noticed by its own request.
        for _ in range(20):
            taken = browser.post(URL, json=body, headers=headers)
            if taken.status_code != 503:
                break
        assert taken.status_code == 200
        assert "Here I am." in taken.text
        first, second = settle(world, SWEEP, SWEEP)
        check_rows(world, first)
        assert first == second
        assert set(first["runs"]) == {"completed"}
