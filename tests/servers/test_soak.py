"""A server at work for a while: what it holds does not grow.

For some seconds, in which it ends what it begins. ``tox run -e soak`` has it at work
for long enough to tell growth from warming up.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connections

from chatkit_images.models import Run
from chatkit_images.testing import Image, LoopbackAPI, Text
from tests.client import message, thread_id
from tests.image_files import image_file

from .acting import acting, numbers
from .browsing import Browser, until
from .conftest import PROCESSES, Server, serving

SECONDS = float(os.environ.get("SOAK_SECONDS", "3"))
# A server that has just started still grows.
WARM = 30
KINDS = PROCESSES if SECONDS >= WARM else ["daphne-view", "uvicorn-consumer"]
CLIENTS = 3
# What may be there once more at one moment than at another.
SLACK = {"threads": 6, "descriptors": 8, "tasks": 12, "memory": 4 * 2**20}
# By an hour and more a share of this is a leak; a minute has more noise than that.
SHARE = 0.01 if SECONDS >= 1800 else 0.05


@pytest.fixture(params=KINDS)
def server(
    request: pytest.FixtureRequest,
    loopback: tuple[LoopbackAPI, str],
    ann: User,
    tmp_path: Path,
) -> Iterator[Server]:
    # Logs of runs are forgotten soon, so that their number is level soon.
    soon = {"RUN_LOG_SECONDS": 1}
    with serving(request.param, tmp_path, loopback[1], TUNING=soon) as server:
        yield server
    assert server.troubles() == []


def work(browser: Browser, model: LoopbackAPI, data: bytes, turn: int) -> None:
    """Do what a person does in a chat, and leave in the middle of some of it."""
    events = browser.call("threads.create", input=message("Hello"))
    key = thread_id(events)
    browser.call("threads.add_user_message", thread_id=key, input=message("a red fox"))
    with acting(browser, key, "lines", count=20, size=2000, delay=0.002) as response:
        lines = numbers(response.iter_lines())
        for _ in range(1 + turn % 20):
            next(lines)
        run = response.headers["ChatKit-Run"]
    with browser.stream("GET", f"/chatkit/runs/{run}/events/") as response:
        response.read()
    upload = browser.post(
        "/chatkit/attachments/", files={"file": ("a.png", data, "image/png")}
    )
    assert upload.status_code == 200
    until(lambda: not browser.get(f"/chatkit/threads/{key}/status/").json()["busy"])
    browser.call("items.list", thread_id=key, order="asc")
    assert browser.ask("items.list", thread_id="thr_unknown").status_code == 404
    browser.call("threads.delete", thread_id=key)


def drawing(body: object) -> list[Text | Image]:
    """Answer everything with an image."""
    return [Text("Look."), Image(partials=1, size="64x64")]


@pytest.mark.row("O16")
def test_nothing_grows(
    server: Server, model: LoopbackAPI, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "model", drawing)
    data = image_file("green")
    end = time.monotonic() + SECONDS
    turns: list[int] = []

    def live() -> None:
        with Browser(server.url, ann) as browser:
            # The session was made by this thread, which keeps no connection.
            connections.close_all()
            while time.monotonic() < end:
                work(browser, model, data, len(turns))
                turns.append(1)

    clients = [threading.Thread(target=live) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    # The first third warms it up.
    samples: dict[str, list[int]] = {name: [] for name in SLACK}
    time.sleep(SECONDS / 3)
    while time.monotonic() < end:
        samples["memory"].append(server.memory())
        samples["threads"].append(server.threads)
        samples["descriptors"].append(server.descriptors)
        samples["tasks"].append(server.probe()["tasks"])
        time.sleep(min(1, SECONDS / 100))
    for client in clients:
        client.join(30)
        assert not client.is_alive()
    assert len(turns) > SECONDS / 10
    until(lambda: not Run.objects.running().exists())
    grown = {}
    for name, values in samples.items():
        part = max(1, len(values) // 3)
        first, last = (
            statistics.median(values[:part]),
            statistics.median(values[-part:]),
        )
        if last - first > SLACK[name] + first * SHARE:
            grown[name] = (first, last)
    assert grown == {} or SECONDS < WARM, samples
    assert server.probe()["runs"] == server.probe()["readers"] == 0
