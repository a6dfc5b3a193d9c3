"""Where the time of runs and images goes: on rows, in the log, in warnings."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import FileSystemStorage, storages
from django.db import OperationalError
from django.utils import timezone

from chatkit_images import reports, runs
from chatkit_images.models import GeneratedImage, Run, Thread
from chatkit_images.queries import images
from chatkit_images.runs import releases
from chatkit_images.storage import backend
from chatkit_images.testing import FailedImage, Gate, Image, LoopbackAPI, Text
from tests.client import ChatClient, read_events, thread_id
from tests.client import message as user_message
from tests.image_files import image_file

LOGGER = "chatkit_images.reports"
PROMPT = "a fox in a red coat"
RED = image_file("red")


class Flaky:
    """A storage that refuses some writes of images."""

    def __init__(self, real: Any, failures: int) -> None:
        self.real, self.left = real, failures

    def save(self, name: str, content: Any, max_length: Any = None) -> str:
        if "/images/" in name and self.left:
            self.left -= 1
            raise ConnectionError("the network is down")
        return str(self.real.save(name, content))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """Return the lines of an event so far, as a formatter gets them."""
    with caplog.at_level(logging.INFO, logger="chatkit_images"):
        yield lambda event: [
            vars(each) for each in caplog.records if getattr(each, "event", "") == event
        ]


async def test_a_row_and_a_line_say_when_what_of_an_image_came(
    chat: ChatClient, model: LoopbackAPI, told: Any
) -> None:
    model.respond_with(Text("Here."), Image(PROMPT, partials=1))
    await chat.say(PROMPT)

    image = await GeneratedImage.objects.select_related("run").aget()
    times = [
        image.run.created_at,
        image.run.requested_at,
        image.requested_at,
        image.first_event_at,
        image.created_at,
        image.arrived_at,
        image.stored_at,
        image.finished_at,
        image.run.finished_at,
    ]
    assert times == sorted(times)
    assert image.created_at + timedelta(milliseconds=image.final_ms) == (
        pytest.approx(image.arrived_at, abs=timedelta(milliseconds=1))
    )
    assert image.provider and image.provider == image.run.provider
    assert image.run.model and image.request_id == image.run.request_id
    (line,) = told("image")
    assert (line["status"], line["stored_in"], line["store_tries"]) == (
        *("completed", "storage", 1),
    )
    assert line["total_ms"] == round(
        (image.finished_at - image.requested_at).total_seconds() * 1000
    )
    # What follows another adds up.
    parts = ["model_ms", "begin_ms", "draw_ms", "decode_ms", "store_ms", "save_ms"]
    assert -6 <= line["total_ms"] - sum(line[part] for part in parts) <= 500
    assert line["thumbnail_store_tries"] == 1
    assert line["thumbnail_ms"] >= line["thumbnail_upload_ms"]
    # A preview that the final overtakes is not stored.
    assert line.get("preview_store_tries", 1) == 1
    assert line.get("preview_upload_ms", 0) < line["total_ms"]
    (run,) = told("run")
    assert run["image_total_tokens"] is None or run["image_total_tokens"] > 0
    assert (run["images"], run["images_completed"], run["requests"]) == (1, 1, 1)
    assert run["total_tokens"] > 0
    assert {line["run_id"], run["run_id"]} == {str(image.run_id)}
    assert line["owner"] == run["owner"] == reports.owner_digest(image.run.owner)
    for each in (line, run):
        said = json.dumps({**each, "said": each["msg"] % each["args"]}, default=str)
        for secret in (PROMPT, image.run.owner, "http", image.file.name):
            assert secret not in said


@pytest.mark.parametrize("failures", [1, 3])
async def test_tries_of_a_storage_are_warned_of_and_counted(
    chat: ChatClient,
    model: LoopbackAPI,
    told: Any,
    monkeypatch: pytest.MonkeyPatch,
    failures: int,
) -> None:
    model.respond_with(Image(data=RED, partials=0))
    flaky = Flaky(storages["default"], failures)
    monkeypatch.setattr(backend, "get_storage", lambda *where: flaky)
    await chat.say("an orange")

    image = await GeneratedImage.objects.aget()
    tries = told("try")
    warned = min(failures, 2)
    assert [each["try_number"] for each in tries] == [1, 2][:warned]
    for each in tries:
        assert each["image_id"] == image.image_id
        assert each["run_id"] == str(image.run_id)
        assert each["error_class"] == "ConnectionError"
        assert each["try_most"] == 3 and each["pause_ms"] >= 0
        assert each["exc_info"] is None
    (line,) = told("image")
    place = "storage" if failures == 1 else "spool"
    assert (line["status"], line["stored_in"]) == ("completed", place)
    assert line["store_tries"] == warned + 1


async def test_a_database_that_is_away_is_seen_on_the_image(
    chat: ChatClient, model: LoopbackAPI, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, failures = images.begin, iter([OperationalError("postgres://secret@db")])

    def away(*args: Any, **kwargs: Any) -> GeneratedImage:
        if (error := next(failures, None)) is not None:
            raise error
        return begin(*args, **kwargs)

    monkeypatch.setattr(images, "begin", away)
    model.respond_with(Image(data=RED, partials=0))
    await chat.say("an orange")

    image = await GeneratedImage.objects.aget()
    (failed,) = told("try")
    assert failed["run_id"] == str(image.run_id) and failed["image_id"]
    assert "secret" not in failed["msg"] % failed["args"]
    (line,) = told("image")
    assert line["database_failures"] == 1
    assert line["database_wait_ms"] >= 100
    # The call began before its row could be made.
    waited = image.finished_at - image.created_at
    assert waited >= timedelta(milliseconds=100)
    (run,) = told("run")
    assert run["database_failures"] == 1


async def test_a_slow_storage_is_told_from_a_slow_model(
    chat: ChatClient, model: LoopbackAPI, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, read = FileSystemStorage._save, FileSystemStorage._open

    def slow(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            time.sleep(0.2)
            return function(*args, **kwargs)

        return call

    model.respond_with(Image(data=RED, partials=0))
    events = await chat.say("an orange")
    monkeypatch.setattr(FileSystemStorage, "_save", slow(save))
    monkeypatch.setattr(FileSystemStorage, "_open", slow(read))
    model.respond_with(Image(data=image_file("blue"), partials=0))
    await chat.say("and a blue one", thread_id(events))

    first, second = told("image")
    assert "read_ms" not in first
    assert second["read_files"] == 1
    assert second["input_ms"] >= second["read_ms"] >= 200
    names = [phase.name for phase in reports.phases_of(await _newest())]
    assert names[:4] == ["claim_ms", "input_ms", "read_ms", "model_ms"]


async def _newest() -> GeneratedImage:
    return await GeneratedImage.objects.order_by("created_at").alast()


@pytest.mark.parametrize("end", ["failed", "blocked", "cancelled"])
async def test_every_end_has_one_line(
    chat: ChatClient, model: LoopbackAPI, told: Any, end: str
) -> None:
    if end == "cancelled":
        model.respond_with(Image(PROMPT, partials=0, gate=Gate()))
        response = await chat.request_op(
            "threads.create", {"input": user_message(PROMPT)}
        )
        stream = read_events(response)
        async for event in stream:
            if event["type"] == "thread.item.added":
                break
        for run in list(runs.LIVE.values()):
            run.stop()
        async for _ in stream:
            pass
    else:
        ended = FailedImage() if end == "blocked" else Image(PROMPT, result=False)
        model.respond_with(ended, Text("Sorry."))
        await chat.say(PROMPT)
    (line,) = told("image")
    assert line["status"] == end
    assert line["reason"]
    assert len(told("run")) == 1


@pytest.mark.django_db
def test_a_takeover_tells_of_a_run_and_its_images_once(ann: User, told: Any) -> None:
    owner = f"user:{ann.pk}"
    thread = Thread.objects.create(pk="thr_1", owner=owner, user=ann)
    run = Run.objects.create(
        thread=thread, owner=owner, user=ann, heartbeat_at=timezone.now().replace(2020)
    )
    GeneratedImage.objects.create(thread=thread, run=run, call_id="ig_1")
    for _ in range(2):
        releases.take_over(Run.objects.all())
    for event in ("image", "run"):
        (line,) = told(event)
        assert (line["status"], line["reason"]) == ("interrupted", "interrupted")
        assert line["owner"] == reports.owner_digest(owner)
