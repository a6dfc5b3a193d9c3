"""The end of a run is told at least once, by whichever process is left."""

from __future__ import annotations

import asyncio
import datetime
import io
import json
import logging
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from chatkit_images import database, runs, times, webhooks
from chatkit_images.context import RequestContext
from chatkit_images.models import GeneratedImage, Run, RunEnd, Thread, UseEntry
from chatkit_images.queries import run_ends
from chatkit_images.run_state import current_context
from chatkit_images.runs import drain, releases, takeovers, telling
from chatkit_images.signals import run_finished
from chatkit_images.testing import Gate, HTTPError, Image, LoopbackAPI, Text
from tests import tenancy
from tests.client import ChatClient, done_items, read_events, thread_id
from tests.client import message as user_message
from tests.tenancy import TenantContext
from tests.webhook import SECRET, Endpoint, webhook

LONG_AGO = timezone.now() - datetime.timedelta(hours=1)


@pytest.fixture(autouse=True)
def nobody_else_looks() -> None:
    """A look that the test before has begun ends before this one."""
    done: Future[None] = Future()
    database.jobs("aside").put((done, lambda: None))
    done.result(30)


@pytest.fixture
def told() -> Iterator[list[Run]]:
    """The runs of which the receivers of ``run_finished`` were told."""
    found: list[Run] = []

    def receive(sender: Any, run: Run, **kwargs: Any) -> None:
        found.append(run)

    run_finished.connect(receive)
    yield found
    run_finished.disconnect(receive)


@pytest.fixture
def endpoint(settings: Any) -> Iterator[Endpoint]:
    with webhook() as found:
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
            "WEBHOOK_URL": found.url,
            "WEBHOOK_SECRET": SECRET,
        }
        yield found
        assert webhooks.drain(30)


def make_run(user: User, **fields: Any) -> Run:
    context = RequestContext.for_user(user, base_url="https://shop.example")
    thread, _ = Thread.objects.get_or_create(pk="thr_1", owner=context.owner)
    row = context.to_row() | {"locale": "de"}
    values = {"thread": thread, "owner": context.owner, "user": user, "context": row}
    return Run.objects.create(**values | {"heartbeat_at": times.Now()} | fields)


def end_untold(user: User, monkeypatch: pytest.MonkeyPatch) -> Run:
    """End a run as a process that dies before it has told anybody."""
    run = make_run(user)
    with monkeypatch.context() as patch:
        patch.setattr(telling, "tell", lambda end, run: None)
        assert releases.release(run.pk, "completed")
    return run


def let_time_pass() -> None:
    """Let the time be over for which an end is claimed."""
    RunEnd.objects.update(due_at=LONG_AGO)


async def until_ended() -> None:
    async with asyncio.timeout(30):
        while runs.LIVE:
            await asyncio.sleep(0.01)


async def test_what_is_told_of_an_end_is_complete_by_itself(
    chat: ChatClient, model: LoopbackAPI, ann: User, endpoint: Endpoint
) -> None:
    model.respond_with(Image(partials=0), Text("Here is your vixen."))
    events = await chat.say("a red fox")
    await until_ended()
    assert await sync_to_async(webhooks.drain)(30)

    ((headers, body),) = endpoint.posts
    run = await Run.objects.aget()
    (image,) = done_items(events, "generated_image")
    payload = json.loads(body)
    data = payload["data"]
    assert headers["webhook-id"] == f"run_{run.pk.hex}"
    assert payload["type"] == "run.finished"
    assert payload["timestamp"] == data["finished_at"]
    told_at = datetime.datetime.fromisoformat(data["finished_at"])
    assert run.finished_at is not None
    assert told_at.timestamp() == run.finished_at.timestamp()
    assert {key: data[key] for key in ("run_id", "thread_id", "owner", "tenant")} == {
        "run_id": str(run.pk),
        "thread_id": thread_id(events),
        "owner": f"user:{ann.pk}",
        "tenant": "",
    }
    assert (data["status"], data["reason"], data["error_code"]) == ("completed", "", "")
    assert (data["operation"], data["deleted"]) == ("threads.create", False)
    assert data["usage"]["total_tokens"] == run.usage["total_tokens"] > 0
    assert data["image_count"] == 1
    (told,) = data["images"]
    assert (told["id"], told["status"]) == (image["image"]["id"], "completed")
    assert (told["mime"], told["cost"]) == ("image/png", None)
    assert told["bytes"] > 0
    # No words of anybody, and no URL.
    for words in (b"fox", b"vixen", b"http", b"/chatkit/"):
        assert words not in body
    assert not await RunEnd.objects.aexists()


def test_what_a_gateway_says_of_its_use_is_told_in_figures(
    ann: User, endpoint: Endpoint
) -> None:
    usage = {
        "total_tokens": 7,
        "note": "https://gateway.example",
        "exact": True,
        "huge": 10**400,
        "details": {"cached": 1.5, "deep": {"er": {"still": 1}}},
        "n" * 65: 1,
        "many": {f"key_{n}": n for n in range(100)},
    }
    run = make_run(ann, usage=usage)
    GeneratedImage.objects.create(
        thread_id="thr_1", run=run, call_id="ig_1", usage=["odd"], cost="0.04"
    )
    assert releases.release(run.pk, "completed")
    assert webhooks.drain(30)
    (data,) = endpoint.ends
    assert len(data["usage"].pop("many")) == run_ends.MOST_FIGURES
    assert data["usage"] == {
        "total_tokens": 7,
        "details": {"cached": 1.5, "deep": {}},
    }
    (image,) = data["images"]
    assert (image["usage"], image["cost"]) == ({}, "0.040000")
    assert (image["status"], image["reason"]) == ("failed", "no_result")


# Doors by which runs end


async def by_an_error(chat: ChatClient, model: LoopbackAPI) -> None:
    model.respond_with(HTTPError(400, {"message": "No.", "code": "bad"}))
    await chat.say("a fox")


async def by_its_reader(chat: ChatClient, model: LoopbackAPI) -> None:
    gate = Gate()
    model.respond_with(Text("Wait."), gate)
    response = await chat.request_op("threads.create", {"input": user_message("a")})
    await anext(read_events(response))
    while not gate.reached.is_set():
        await asyncio.sleep(0.01)
    (run,) = runs.LIVE.values()
    run.stop()
    gate.open()


async def by_the_server(chat: ChatClient, model: LoopbackAPI) -> None:
    gate = Gate()
    model.respond_with(Text("Wait."), gate)
    response = await chat.request_op("threads.create", {"input": user_message("a")})
    await anext(read_events(response))
    while not gate.reached.is_set():
        await asyncio.sleep(0.01)
    (run,) = runs.LIVE.values()
    run.interrupt()
    gate.open()


async def by_a_takeover(chat: ChatClient, model: LoopbackAPI) -> None:
    user = await User.objects.aget(username="ann")
    await sync_to_async(make_run)(user, heartbeat_at=LONG_AGO)
    await sync_to_async(takeovers.take_over_others)([])


async def by_the_sweep(chat: ChatClient, model: LoopbackAPI) -> None:
    user = await User.objects.aget(username="ann")
    await sync_to_async(make_run)(user, heartbeat_at=LONG_AGO)
    await sync_to_async(call_command)("chatkit_images_sweep", stdout=io.StringIO())


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [
        (by_an_error, "failed", "bad_request"),
        (by_its_reader, "cancelled", "stopped"),
        (by_the_server, "interrupted", "interrupted"),
        (by_a_takeover, "interrupted", "interrupted"),
        (by_the_sweep, "interrupted", "interrupted"),
    ],
)
async def test_an_end_is_told_by_whatever_door(
    chat: ChatClient,
    model: LoopbackAPI,
    told: list[Run],
    endpoint: Endpoint,
    end: Any,
    status: str,
    reason: str,
) -> None:
    await end(chat, model)
    await until_ended()
    assert await sync_to_async(webhooks.drain)(30)
    (data,) = endpoint.ends
    assert (data["status"], data["reason"]) == (status, reason)
    assert data["thread_id"]
    assert [run.status for run in told] == [status]
    assert not await RunEnd.objects.aexists()


async def test_the_end_of_a_run_is_told_whose_thread_was_deleted_meanwhile(
    chat: ChatClient, model: LoopbackAPI, told: list[Run], endpoint: Endpoint, ann: User
) -> None:
    gate = Gate()
    model.respond_with(Text("Wait."), gate, Text("Done."))
    response = await chat.request_op("threads.create", {"input": user_message("a")})
    stream = read_events(response)
    key = (await anext(stream))["thread"]["id"]
    while not gate.reached.is_set():
        await asyncio.sleep(0.01)
    (live,) = runs.LIVE
    await chat.call("threads.delete", thread_id=key)
    gate.open()
    assert [event async for event in stream]
    await until_ended()
    assert await sync_to_async(webhooks.drain)(30)

    (data,) = endpoint.ends
    assert (data["run_id"], data["thread_id"]) == (str(live), key)
    assert (data["owner"], data["deleted"]) == (f"user:{ann.pk}", True)
    assert data["status"] in ("completed", "failed", "cancelled")
    assert data["created_at"] <= data["finished_at"]
    # There is no row of which the receivers could be told.
    assert told == []
    assert not await RunEnd.objects.aexists()


def test_what_never_was_a_run_has_no_end(ann: User, endpoint: Endpoint) -> None:
    run = make_run(ann)
    assert not releases.release(uuid.uuid4(), "failed")
    assert releases.release(run.pk, "completed")
    # As a run that learns that it was taken over.
    assert not releases.release(run.pk, "failed")
    assert webhooks.drain(30)
    assert [data["run_id"] for data in endpoint.ends] == [str(run.pk)]


def test_a_second_process_that_misses_the_row_tells_nothing_new(ann: User) -> None:
    key = uuid.uuid4()
    day = timezone.now().date()
    UseEntry.objects.create(owner="", run_id=key, kind="run", amount=1, day=day)
    first = run_ends.note_deleted(key, None, "failed", None)
    assert first is not None
    assert first.payload["data"]["deleted"]
    assert run_ends.note_deleted(key, None, "interrupted", None) is None


# A process dies


def test_whoever_is_left_tells_what_a_process_has_not(
    ann: User, told: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = end_untold(ann, monkeypatch)
    heard = []

    def hear(sender: Any, **kwargs: Any) -> None:
        heard.append((translation.get_language(), current_context.get()))

    run_finished.connect(hear)
    try:
        # It may still be about to tell.
        takeovers.take_over_others([])
        assert told == []
        let_time_pass()
        takeovers.take_over_others([])
    finally:
        run_finished.disconnect(hear)
    assert told == [run]
    ((language, context),) = heard
    assert language == "de"
    assert context is not None
    assert context.owner == run.owner
    assert not RunEnd.objects.exists()
    takeovers.take_over_others([])
    assert told == [run]


def test_the_command_tells_what_a_process_has_not(
    ann: User, told: list[Run], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = end_untold(ann, monkeypatch)
    let_time_pass()
    out = io.StringIO()
    call_command("chatkit_images_recover", stdout=out)
    assert out.getvalue().splitlines() == [
        "Ended 0 runs, 0 go on.",
        "Told of 1 ends of runs again.",
    ]
    assert told == [run]
    assert len(endpoint.posts) == 1


def test_an_end_is_claimed_by_one_at_a_time(db: None) -> None:
    for _ in range(3):
        RunEnd.objects.create(run_id=uuid.uuid4(), due_at=LONG_AGO)
    one, other = run_ends.due(10), run_ends.due(10)
    first = next(one)
    second = next(other)
    third = next(other)
    assert len({first.run_id, second.run_id, third.run_id}) == 3
    assert [*one, *other] == []
    assert list(run_ends.due(10)) == []
    assert run_ends.waiting().count() == 0


def test_a_tenant_is_told_of_its_own_ends(
    transactional_db: None, settings: Any, told: list[Run]
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "CONTEXT": "tests.tenancy.TenantContext",
        "CONTEXTS": "tests.tenancy.contexts",
    }
    context = TenantContext(None, "user:1", tenant="acme")
    run = Run.objects.create(
        owner="user:1", context=context.to_row(), heartbeat_at=times.Now()
    )
    RunEnd.objects.create(run_id=run.pk, due_at=LONG_AGO)
    heard = []

    def hear(sender: Any, **kwargs: Any) -> None:
        heard.append(tenancy.selected.name)

    run_finished.connect(hear)
    try:
        takeovers.take_over_others([])
    finally:
        run_finished.disconnect(hear)
    assert told == [run]
    assert heard == ["acme"]


def test_a_receiver_that_raises_has_been_told(
    ann: User, told: list[Run], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(sender: Any, **kwargs: Any) -> None:
        raise RuntimeError("No.")

    run_finished.connect(fail)
    try:
        run = make_run(ann)
        assert releases.release(run.pk, "completed")
    finally:
        run_finished.disconnect(fail)
    assert told == [run]
    assert not RunEnd.objects.exists()


def test_what_cannot_be_noted_is_told_again_and_the_run_has_ended(
    ann: User,
    told: list[Run],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(run_id: uuid.UUID) -> None:
        raise OperationalError("The database is away.")

    run = make_run(ann)
    with monkeypatch.context() as patch:
        patch.setattr(run_ends, "told", fail)
        assert releases.release(run.pk, "completed")
    assert "An end of a run will be told again" in caplog.text
    let_time_pass()
    takeovers.take_over_others([])
    assert told == [run, run]
    assert not RunEnd.objects.exists()


def test_another_tenant_or_a_run_that_cannot_end_keeps_nobody_from_being_told(
    ann: User, told: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = end_untold(ann, monkeypatch)
    let_time_pass()

    def fail(rows: Any) -> int:
        raise OperationalError("It is locked.")

    monkeypatch.setattr(releases, "take_over", fail)
    with pytest.raises(OperationalError):
        takeovers.take_over_others([])
    assert told == [run]


def test_an_end_costs_a_row_that_comes_and_goes(ann: User) -> None:
    run = make_run(ann)
    with CaptureQueriesContext(connection) as queries:
        assert releases.release(run.pk, "completed")
    verbs = [
        query["sql"].split()[0]
        for query in queries
        if "chatkit_images_runend" in query["sql"]
    ]
    assert verbs == ["INSERT", "DELETE"]


# The webhook


def test_no_end_waits_for_the_webhook(
    ann: User, told: list[Run], endpoint: Endpoint
) -> None:
    gate, there = threading.Event(), threading.Event()

    def wait(request: Any) -> None:
        there.set()
        gate.wait(30)

    endpoint.during = wait
    run = make_run(ann)
    assert releases.release(run.pk, "completed")
    assert told == [run]
    assert there.wait(30)
    # While nobody knows whether it takes the end, the end is claimed.
    assert not telling.tell_again()
    assert RunEnd.objects.get().run_id == run.pk
    gate.set()
    assert webhooks.drain(30)
    assert not RunEnd.objects.exists()


def test_the_webhook_is_tried_again_and_the_receivers_are_not_told_again(
    ann: User,
    told: list[Run],
    endpoint: Endpoint,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint.answers = [(500, {}), (503, {"retry-after": "7200"})]
    run = make_run(ann)
    assert releases.release(run.pk, "completed")
    assert webhooks.drain(30)
    end = RunEnd.objects.get()
    assert (end.attempts, end.error) == (1, "It answered 500.")
    assert end.signalled_at is not None
    assert 40 < pause_of(end) < 80
    assert "in try 1 of 8: It answered 500." in caplog.text

    let_time_pass()
    assert telling.tell_again() == 1
    assert webhooks.drain(30)
    end.refresh_from_db()
    assert end.attempts == 2
    assert 7000 < pause_of(end) <= 7210

    let_time_pass()
    assert telling.tell_again() == 1
    assert webhooks.drain(30)
    assert not RunEnd.objects.exists()
    assert told == [run]
    assert {headers["webhook-id"] for headers, _ in endpoint.posts} == {
        f"run_{run.pk.hex}"
    }
    assert len({body for _, body in endpoint.posts}) == 1


def pause_of(end: RunEnd) -> float:
    assert end.due_at is not None
    return (times.of_clock(end.due_at) - timezone.now()).total_seconds()


@pytest.mark.parametrize(("attempts", "code"), [(7, 500), (0, 410)])
def test_what_was_given_up_stays_until_somebody_has_seen_it(
    ann: User,
    endpoint: Endpoint,
    caplog: pytest.LogCaptureFixture,
    attempts: int,
    code: int,
) -> None:
    run = make_run(ann)
    RunEnd.objects.create(run_id=run.pk, attempts=attempts, due_at=LONG_AGO)
    endpoint.answers = [(code, {})]
    assert telling.tell_again() == 1
    assert webhooks.drain(30)
    end = RunEnd.objects.get()
    assert (end.due_at, end.attempts) == (None, attempts + 1)
    (line,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert line.getMessage() == (
        f"The webhook has not taken the end of run {run.pk}: It answered {code}. "
        "It is not told again. There are 1 such ends."
    )
    let_time_pass_for_none()
    assert telling.tell_again() == 0

    out = io.StringIO()
    call_command("chatkit_images_recover", stdout=out)
    assert out.getvalue().splitlines()[1:] == [
        f"The webhook did not take the end of run {run.pk}, of {end.created_at}: "
        f"It answered {code}.",
        "1 ends were given up; see --given-up.",
    ]
    out = io.StringIO()
    call_command("chatkit_images_recover", "--given-up", stdout=out)
    assert out.getvalue().splitlines()[1:] == ["Told of 1 ends of runs again."]
    assert len(endpoint.posts) == 2
    assert not RunEnd.objects.exists()


def let_time_pass_for_none() -> None:
    RunEnd.objects.exclude(due_at=None).update(due_at=LONG_AGO)


def test_ends_for_which_there_is_no_room_wait_in_the_database(
    ann: User, told: list[Run], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "put", lambda post: False)
    run = make_run(ann)
    assert releases.release(run.pk, "completed")
    assert RunEnd.objects.get().signalled_at is not None
    assert endpoint.posts == []
    monkeypatch.undo()
    assert telling.tell_again() == 1
    assert webhooks.drain(30)
    assert len(endpoint.posts) == 1
    assert told == [run]


def test_what_has_waited_too_long_is_left_to_the_next_look(
    ann: User, told: list[Run], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "LATEST", 0)
    run = make_run(ann)
    assert releases.release(run.pk, "completed")
    assert webhooks.drain(30)
    assert endpoint.posts == []
    monkeypatch.undo()
    assert telling.tell_all() == 1
    assert len(endpoint.posts) == 1
    assert told == [run]


async def test_a_server_that_ends_waits_a_moment_for_the_webhook(
    ann: User, endpoint: Endpoint
) -> None:
    gate, there = threading.Event(), threading.Event()

    def wait(request: Any) -> None:
        there.set()
        gate.wait(30)

    endpoint.during = wait
    run = await sync_to_async(make_run)(ann)
    assert await sync_to_async(releases.release)(run.pk, "completed")
    assert await sync_to_async(there.wait)(30)
    asyncio.get_running_loop().call_later(0.3, gate.set)
    await drain.drain(0, asyncio.Event())
    assert webhooks.posting() == 0
    assert not await RunEnd.objects.aexists()


def test_an_end_of_a_webhook_that_was_switched_off_is_forgotten(
    ann: User, told: list[Run]
) -> None:
    run = make_run(ann)
    RunEnd.objects.create(run_id=run.pk, due_at=LONG_AGO, signalled_at=LONG_AGO)
    assert telling.tell_again() == 1
    assert told == []
    assert not RunEnd.objects.exists()
    assert str(RunEnd(run_id=run.pk)) == str(run.pk)
