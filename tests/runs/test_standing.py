"""Who may chat no longer: their runs and their streams end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.urls import reverse

from chatkit_images import runs
from chatkit_images.models import OwnerBlock, Run
from chatkit_images.runs import client_streams, following
from chatkit_images.runs.registry import LiveRuns
from chatkit_images.testing import Gate, LoopbackAPI, Text
from tests.client import ChatClient, message, read_events
from tests.teams import PATH

WORDS = "Please write to the shop."
DEFAULT = "The staff of this site ended the answer."


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["chatkit_images.runs.supervisor"]
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(client_streams, "GRACE_SECONDS", 0.2)


async def begin(chat: ChatClient, gate: Gate) -> tuple[str, AsyncIterator[Any]]:
    """Return the thread of a run that goes on until its gate opens, and its events."""
    response = await chat.request_op("threads.create", {"input": message("Hello")})
    events = read_events(response)
    key = (await anext(events))["thread"]["id"]
    assert await sync_to_async(gate.reached.wait, thread_sensitive=False)(10)
    return key, events


async def rest(events: AsyncIterator[Any]) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        return [event async for event in events]


async def end_of(run: Any = None) -> Run:
    async with asyncio.timeout(20):
        while await Run.objects.running().aexists():
            await asyncio.sleep(0.01)
    return await Run.objects.aget()


def texts(events: list[dict[str, Any]]) -> str:
    return repr(events)


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        ("switched off", DEFAULT),
        ("blocked", WORDS),
        ("blocked, no words", DEFAULT),
        ("stopped", WORDS),
        ("stopped, no words", DEFAULT),
    ],
)
async def test_a_run_ends_when_staff_say_so(
    chat: ChatClient, ann: User, model: LoopbackAPI, decision: str, words: str
) -> None:
    gate = Gate()
    model.respond_with(Text("Once upon"), gate, Text(" a time."))
    _key, events = await begin(chat, gate)
    if decision == "switched off":
        await User.objects.filter(pk=ann.pk).aupdate(is_active=False)
    elif "stopped" in decision:
        said = "" if "no words" in decision else WORDS
        await sync_to_async(runs.stop_by_staff)(Run.objects.all(), said)
    else:
        said = "" if "no words" in decision else WORDS
        await OwnerBlock.objects.acreate(owner=f"user:{ann.pk}", words=said)
    seen = await rest(events)
    run = await end_of()
    gate.open()
    assert (run.status, run.reason) == ("cancelled", "stopped_by_staff")
    # The stream says why.
    assert words in texts(seen)
    assert "a time" not in texts(seen)


async def test_a_stop_that_comes_too_late_leaves_no_reason(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs.supervisor(), "_act", lambda *args: None)
    gate = Gate()
    model.respond_with(Text("Once upon"), gate, Text(" a time."))
    _key, events = await begin(chat, gate)
    await sync_to_async(runs.stop_by_staff)(Run.objects.all(), WORDS)
    gate.open()
    assert "a time" in texts(await rest(events))
    run = await end_of()
    assert (run.status, run.reason, run.error) == ("completed", "", "")
    assert not run.failure


async def test_who_is_admitted_although_switched_off_is_not_ended(
    chat: ChatClient, ann: User, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chatkit_images.context import RequestContext

    await User.objects.filter(pk=ann.pk).aupdate(is_active=False)

    @classmethod  # type: ignore[misc]
    def admit(cls: Any, request: Any) -> RequestContext:
        user = User.objects.get(pk=ann.pk)
        return RequestContext.for_owner(f"user:{ann.pk}", user, request)

    monkeypatch.setattr(RequestContext, "from_request", admit)
    gate = Gate()
    model.respond_with(Text("Once upon"), gate, Text(" a time."))
    _key, events = await begin(chat, gate)
    polls = runs.supervisor()
    looked = asyncio.Event()
    act = polls._act

    def and_tell(*args: Any) -> None:
        act(*args)
        looked.set()

    monkeypatch.setattr(polls, "_act", and_tell)
    for _ in range(3):
        looked.clear()
        await asyncio.wait_for(looked.wait(), 10)
    gate.open()
    assert "a time" in texts(await rest(events))
    assert (await end_of()).status == "completed"


@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize("decision", ["switched off", "deleted", "blocked"])
@pytest.mark.sweep(3)
async def test_a_member_who_goes_reads_no_further_and_the_team_goes_on(
    chat: ChatClient,
    ann: User,
    bob: User,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    decision: str,
    where: str,
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"CONTEXT": PATH}
    team = await Group.objects.acreate(name="design")
    for user in (ann, bob):
        await user.groups.aadd(team)
    gate = Gate()
    model.respond_with(Text("Once upon"), gate, Text(" a time."))
    key, events = await begin(chat, gate)
    other = ChatClient()
    await other.aforce_login(bob)
    if where == "elsewhere":
        monkeypatch.setattr(following, "LIVE", LiveRuns())
    url = reverse("chatkit_images:thread-events", args=[key])
    watched = read_events(await other.get(url))
    assert (await anext(watched))["type"] == "thread.created"
    if decision == "switched off":
        await User.objects.filter(pk=bob.pk).aupdate(is_active=False)
    elif decision == "deleted":
        await sync_to_async(bob.delete)()
    else:
        await OwnerBlock.objects.acreate(owner=f"user:{bob.pk}", words=WORDS)
    seen = await rest(watched)
    last = {"type": "error", "code": "custom", "allow_retry": False}
    words = WORDS if decision == "blocked" else DEFAULT
    assert seen[-1] == last | {"message": words}
    gate.open()
    assert "a time" in texts(await rest(events))
    assert (await end_of()).status == "completed"


async def test_a_members_own_run_ends_with_the_member(
    chat: ChatClient, ann: User, bob: User, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"CONTEXT": PATH}
    team = await Group.objects.acreate(name="design")
    await ann.groups.aadd(team)
    gate = Gate()
    model.respond_with(Text("Once upon"), gate, Text(" a time."))
    _key, events = await begin(chat, gate)
    await sync_to_async(ann.delete)()
    assert DEFAULT in texts(await rest(events))
    run = await end_of()
    gate.open()
    assert (run.status, run.owner) == ("cancelled", f"team:{team.pk}")
