"""SIGKILL at every step between the end of a run and the last who is told of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from chatkit_images.testing import LoopbackAPI, Text
from tests.client import of_type, thread_id
from tests.webhook import SECRET, Endpoint, webhook

from .arming import Fault
from .browsing import Browser
from .databases import on
from .world import World

APP = "chatkit_images"
STEPS = {
    "after-commit": Fault(f"{APP}.runs.telling.tell"),
    "after-receivers": Fault(f"{APP}.webhooks.poster.put"),
    "while-it-is-posted": None,
    "before-it-is-noted": Fault(f"{APP}.queries.run_ends.told"),
    "after-it-is-noted": Fault(f"{APP}.queries.run_ends.told", "after"),
}
# How often the webhook has got the end, before and after the death.
POSTS = {
    "after-commit": (0, 1),
    "after-receivers": (0, 1),
    "while-it-is-posted": (1, 2),
    "before-it-is-noted": (1, 2),
    "after-it-is-noted": (1, 1),
}


@pytest.fixture
def endpoint(world: World) -> Iterator[Endpoint]:
    with webhook() as found:
        world.settings = {"WEBHOOK_URL": found.url, "WEBHOOK_SECRET": SECRET}
        yield found


@pytest.mark.parametrize("at", STEPS)
@on("sqlite", "postgres")
def test_an_end_outlives_its_process(
    world: World, model: LoopbackAPI, endpoint: Endpoint, at: str
) -> None:
    fault, (before, after) = STEPS[at], POSTS[at]
    model.respond_with(Text("Hello."))
    with world.server(fault) as server, Browser(server.url, world.cookies) as browser:

        def kill(request: Any) -> None:
            os.kill(server.pid, signal.SIGKILL)

        if fault is None:
            endpoint.during = kill
        events = browser.say("Hi.")
        assert world.killed(server), f"It survived {at}."
        endpoint.during = lambda request: None
    assert len(endpoint.posts) == before

    status, left = world.run("lapse")
    assert (status, left) == (0, after - before)
    for _ in range(2):
        status, _ = world.run("manage", arguments=["chatkit_images_recover"])
        assert status == 0
    assert len(endpoint.posts) == after
    assert len({headers["webhook-id"] for headers, _ in endpoint.posts}) == 1
    assert len({body for _, body in endpoint.posts}) == 1
    data = endpoint.ends[-1]
    assert data["status"] == "completed"
    if created := of_type(events, "thread.created"):
        assert data["thread_id"] == created[0]["thread"]["id"] == thread_id(events)
    assert world.run("lapse") == (0, 0)


@on("sqlite")
def test_a_server_tells_what_another_has_not(
    world: World, model: LoopbackAPI, endpoint: Endpoint
) -> None:
    model.respond_with(Text("Hello."), Text("Again."))
    dies = STEPS["after-commit"]
    with world.server(dies) as server, Browser(server.url, world.cookies) as browser:
        browser.say("Hi.")
        assert world.killed(server)
    assert world.run("lapse") == (0, 1)
    # It looks as soon as it has a run.
    soon = {"TUNING": {"RUN_STALE_SECONDS": 0.2}}
    with world.server(**soon) as server, Browser(server.url, world.cookies) as browser:
        browser.say("Hi again.")
        first = endpoint.wait_for(2)
    assert len({data["run_id"] for data in first}) == 2
    assert world.run("lapse")[0] == 0
