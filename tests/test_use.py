"""The ledger of use: what is reserved, taken and given back."""

from __future__ import annotations

import datetime
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from asgiref.sync import sync_to_async
from chatkit import types
from django.contrib.auth.models import User
from django.db import connections
from django.test.utils import CaptureQueriesContext

from chatkit_images.context import RequestContext
from chatkit_images.exceptions import RequestRefused
from chatkit_images.models import (
    GeneratedImage,
    Run,
    Thread,
    UseCounter,
    UseEntry,
    UseKind,
)
from chatkit_images.periods import Period
from chatkit_images.protocol.dispatch import REQUEST
from chatkit_images.queries import counters, use
from chatkit_images.run_state import RunState, current_run, current_state
from chatkit_images.runs import claims, releases
from chatkit_images.testing import FailedImage, Image, Images, LoopbackAPI, Text, Usage
from tests.client import ChatClient, message, thread_id


def ask(text: str = "hello") -> types.StreamingReq:
    body = {"type": "threads.create", "params": {"input": message(text)}}
    return REQUEST.validate_python(body)  # type: ignore[return-value]


def used(kind: str) -> int:
    entries = UseEntry.objects.filter(kind=kind)
    total = sum(entries.values_list("amount", flat=True))
    # The counters say the same.
    day = UseCounter.objects.filter(kind=kind, period__regex=r"^\d+-\d+-\d+$")
    assert sum(day.values_list("amount", flat=True)) == (total if kind != "run" else 0)
    return total


async def uses(kind: UseKind) -> int:
    return await sync_to_async(used)(kind.value)


@pytest.mark.parametrize(
    "answer, images",
    [
        ([Text("Only words.")], 0),
        ([Image()], 1),
        ([Images(Image(), Image())], 2),
        ([FailedImage()], 0),
        ([Image(), FailedImage(), Image()], 2),
    ],
)
async def test_what_came_to_nothing_is_given_back(
    chat: ChatClient, model: LoopbackAPI, answer: list[Any], images: int
) -> None:
    model.respond_with(*answer)
    await chat.say("draw")
    assert await uses(UseKind.IMAGE) == images
    assert await uses(UseKind.RUN) == 1


async def test_what_has_begun_is_not_refused_and_deleting_gives_nothing_back(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES |= {"LIMITS": {"IMAGES_PER_DAY": 1}}
    model.respond_with(Images(Image(), Image(), Image()))
    key = thread_id(await chat.say("draw three"))
    done = GeneratedImage.objects.filter(status=GeneratedImage.Status.COMPLETED)
    assert await done.acount() == 3
    await chat.call("threads.delete", thread_id=key)
    assert not await Run.objects.aexists()
    assert await uses(UseKind.IMAGE) == 3
    again = await chat.request_op("threads.create", {"input": message("one more")})
    assert again.status_code == 429


async def test_tokens_are_counted_and_those_on_their_way_estimated(
    chat: ChatClient, model: LoopbackAPI, settings: Any, ann: User
) -> None:
    model.respond_with(Text("Yes."), Usage(input_tokens=600, output_tokens=400))
    await chat.say("hello")
    spent = await uses(UseKind.TOKENS)
    assert spent == 1000
    settings.CHATKIT_IMAGES |= {"LIMITS": {"TOKENS_PER_MONTH": 2 * spent}}
    # What a running run will use is its owner's average, so there is room for one.
    running = await Run.objects.acreate(owner=f"user:{ann.pk}", user=ann)
    response = await chat.request_op("threads.create", {"input": message("hello")})
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "tokens_per_month"
    await running.adelete()
    assert (await chat.say("hello"))[-1]["type"] != "error"


async def test_settling_again_changes_nothing_and_a_late_image_counts(
    context: RequestContext,
) -> None:
    @sync_to_async
    def check() -> None:
        thread = Thread.objects.create(owner=context.owner)
        run = claims.claim(uuid.uuid4(), ask(), context)
        Run.objects.filter(pk=run.pk).update(thread=thread)
        assert used("image") == 1
        releases.release(run.pk, Run.Status.COMPLETED)
        assert used("image") == 0
        rows = thread.images.create(run=run, call_id="call_1", identity="1")
        GeneratedImage.objects.filter(pk=rows.pk).update(file="a.png")
        for _ in range(2):
            use.settle(run.pk, ended=True)
            assert used("image") == 1
        # It counts for the day on which the run began.
        assert UseEntry.objects.values("day").distinct().count() == 1

    await check()


async def test_what_a_deleted_user_has_used_stays_without_a_name(
    chat: ChatClient, model: LoopbackAPI, ann: User
) -> None:
    model.respond_with(Image())
    await chat.say("draw")
    before = await UseEntry.objects.acount()
    await ann.adelete()
    rows = [row async for row in UseEntry.objects.values_list("owner", "address")]
    assert rows == [("", "")] * before
    assert not await UseCounter.objects.filter(owner=f"user:{ann.pk}").aexists()


@pytest.mark.django_db
def test_the_use_of_a_user_is_locked_before_anything_of_theirs_is_deleted(
    ann: User,
) -> None:
    claims.claim(uuid.uuid4(), ask(), RequestContext.for_user(ann))
    with CaptureQueriesContext(connections["default"]) as queries:
        ann.delete()
    writes = [q["sql"] for q in queries if q["sql"].startswith(("UPDATE", "DELETE"))]
    # Claims lock it before they make rows that point at the user.
    assert "chatkit_images_usecounter" in writes[0]


@pytest.mark.django_db
def test_a_run_is_settled_with_the_locks_of_the_user_whom_its_visitor_has_become(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = RequestContext(user=None, owner="visitor:1")
    run = claims.claim(uuid.uuid4(), ask(), context)
    new, locked, lock = f"user:{ann.pk}", list[list[str]](), counters.lock

    def move_first(owners: Any) -> None:
        locked.append(list(owners))
        lock(owners)
        if len(locked) == 1:
            use.move(context.owner, new)

    monkeypatch.setattr(counters, "lock", move_first)
    use.settle(run.pk, ended=True)
    assert locked[0] == [context.owner] and locked[-1] == [new]
    assert used("image") == 0


@pytest.mark.django_db
def test_an_image_that_is_saved_while_its_run_is_counted_counts(
    ann: User,
) -> None:
    run = claims.claim(uuid.uuid4(), ask(), RequestContext.for_user(ann))
    thread = Thread.objects.create(owner=run.owner)
    Run.objects.filter(pk=run.pk).update(thread=thread)
    for name in "ab":
        thread.images.create(run=run, call_id=name, identity=name, key=name)

    def save_first(execute: Any, sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if "COUNT" in sql and GeneratedImage._meta.db_table in sql:
            rows = GeneratedImage.objects.filter(call_id="a", file="")
            rows.update(file="a.png", status="completed")
        return result

    with connections["default"].execute_wrapper(save_first):
        use.settle(run.pk, ended=False)
    assert used("image") == 2


@pytest.mark.django_db
def test_a_run_whose_thread_is_deleted_has_used_its_tokens(ann: User) -> None:
    run = claims.claim(uuid.uuid4(), ask(), RequestContext.for_user(ann))
    Run.objects.filter(pk=run.pk).delete()
    state = RunState(usage={"usage": {"total_tokens": 7}})
    tokens = current_run.set(run.pk), current_state.set(state)
    try:
        releases.release(run.pk, Run.Status.CANCELLED)
    finally:
        current_run.reset(tokens[0])
        current_state.reset(tokens[1])
    assert (used("tokens"), used("image")) == (7, 1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "usage, tokens",
    [
        ({"total_tokens": 10**30}, 10**12),
        ({"input_tokens": 5, "output_tokens": 2}, 7),
        ({"total_tokens": "many", "input_tokens": 3, "output_tokens": -9}, 3),
    ],
)
def test_a_run_ends_whatever_a_gateway_says_of_its_tokens(
    ann: User, usage: dict[str, Any], tokens: int
) -> None:
    run = claims.claim(uuid.uuid4(), ask(), RequestContext.for_user(ann))
    Run.objects.filter(pk=run.pk).update(usage=usage)
    assert releases.release(run.pk, Run.Status.COMPLETED)
    assert used("tokens") == tokens
    # Its process may not know yet that another one has ended it.
    use.settle(run.pk, ended=False)
    assert used("image") == 0


@pytest.mark.django_db(transaction=True)
def test_as_many_are_granted_at_once_as_are_left(ann: User) -> None:
    context = RequestContext.for_user(ann)
    limits = {"RUNS_AT_ONCE": 2, "IMAGES_PER_DAY": 100}

    def claim(number: int) -> str:
        try:
            claims.claim(uuid.uuid4(), ask(), context, limits=limits)
        except RequestRefused as refusal:
            return refusal.code
        finally:
            connections.close_all()
        return "granted"

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(claim, range(16)))
    assert sorted(told) == ["granted"] * 2 + ["runs_at_once"] * 14
    assert used("image") == 2


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_process_has_died_takes_nobodys_place(ann: User) -> None:
    context = RequestContext.for_user(ann)
    limits = {"RUNS_AT_ONCE": 1}
    dead = claims.claim(uuid.uuid4(), ask(), context, limits=limits)
    long_ago = dead.created_at - datetime.timedelta(days=1)
    Run.objects.filter(pk=dead.pk).update(heartbeat_at=long_ago)
    claims.claim(uuid.uuid4(), ask(), context, limits=limits)
    assert Run.objects.running().count() == 1
    assert used("image") == 1


@pytest.mark.parametrize(
    "period, name, left",
    [
        (Period.MONTH, "2026-12", 24 * 3600 * 31 - 86399),
        (Period.DAY, "2026-12-01", 1),
        (Period.HOUR, "2026-12-01T23", 1),
        (Period.MINUTE, "2026-12-01T23:59", 1),
    ],
)
def test_a_period_ends_by_the_calendar(period: Period, name: str, left: int) -> None:
    now = datetime.datetime(2026, 12, 1, 23, 59, 59, tzinfo=datetime.UTC)
    assert period.name_at(now) == name
    assert period.seconds_left(now) == left


def test_a_minute_is_no_shorter_when_the_clock_is_set_back() -> None:
    zone = ZoneInfo("Europe/Berlin")
    now = datetime.datetime(2026, 10, 25, 2, 14, 10, tzinfo=zone, fold=1)
    assert Period.MINUTE.seconds_left(now) == 50
