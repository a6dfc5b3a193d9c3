"""What a visitor did goes over to the user who logs in, at once or after a run."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.utils import timezone

from chatkit_images import maintenance, signal_handlers
from chatkit_images.context import SESSION_KEY, RequestContext, owner_of
from chatkit_images.exceptions import NotFoundError, RequestRefused
from chatkit_images.models import (
    Attachment,
    Feedback,
    LegalHold,
    Run,
    Thread,
    ThreadItem,
    UseCounter,
    UseEntry,
)
from chatkit_images.queries import holds
from chatkit_images.runs import releases
from chatkit_images.testing import LoopbackAPI, Text
from tests.client import ChatClient, done_items, thread_id
from tests.teams import PATH, TeamContext

VISITOR = "visitor:1"
EARLIER = timezone.now() - datetime.timedelta(hours=1)
RUNNING, COMPLETED = Run.Status.RUNNING, Run.Status.COMPLETED


@pytest.fixture(autouse=True)
def database(transactional_db: None) -> None:
    """Every test has rows."""


def log_in(user: User, owner: str | None = VISITOR, **headers: str) -> dict[str, Any]:
    """Log a visitor in and return what is left in the session."""
    session = {} if owner is None else {SESSION_KEY: owner}
    request = SimpleNamespace(session=session, headers=headers)
    user_logged_in.send(User, request=request, user=user)
    return session


def make_thread(pk: str, owner: str = VISITOR, **fields: Any) -> Thread:
    """Make a thread with an ended run, feedback and a file."""
    thread = Thread.objects.create(pk=pk, owner=owner, **fields)
    Run.objects.create(thread=thread, owner=owner, status=COMPLETED)
    item = ThreadItem.objects.create(thread=thread, item_id="msg_1", payload={})
    Feedback.objects.create(thread=thread, item=item, owner=owner, kind="positive")
    Attachment.objects.create(pk=f"atc_{pk}", owner=owner, name="a", thread=thread)
    return thread


def make_run(thread: Thread | None = None, status: str = RUNNING) -> Run:
    return Run.objects.create(thread=thread, owner=VISITOR, status=status)


def owners() -> dict[str, set[str]]:
    """Return who owns rows of each kind."""
    return {
        model.__name__: set(model.objects.values_list("owner", flat=True))
        for model in (Thread, Attachment, Feedback, Run)
    }


def of_thread(pk: str) -> set[str]:
    """Return who owns a thread and what belongs to it."""
    return {
        *Thread.objects.filter(pk=pk).values_list("owner", flat=True),
        *Attachment.objects.filter(thread=pk).values_list("owner", flat=True),
        *Feedback.objects.filter(thread=pk).values_list("owner", flat=True),
        *Run.objects.filter(thread=pk).values_list("owner", flat=True),
    }


def everything(owner: str) -> dict[str, set[str]]:
    return {name: {owner} for name in ("Thread", "Attachment", "Feedback", "Run")}


def test_a_login_hands_everything_over(ann: User) -> None:
    make_thread("thr_1")
    make_run(status=COMPLETED)
    Attachment.objects.create(pk="atc_unsent", owner=VISITOR, name="a")
    assert log_in(ann) == {}
    assert owners() == everything(owner_of(ann))
    for model in (Thread, Attachment, Feedback, Run):
        assert not model.objects.exclude(user=ann).exists()


def test_what_is_another_visitors_stays(ann: User) -> None:
    make_thread("thr_1", "visitor:2")
    log_in(ann)
    log_in(ann, owner=None)
    user_logged_in.send(User, request=None, user=ann)
    assert owners() == everything("visitor:2")


def attach(run: Run, thread_id: str) -> None:
    """Do what a run does when it makes its thread."""
    Run.objects.filter(pk=run.pk).update(thread_id=thread_id)


def test_a_busy_thread_waits_for_the_end_of_its_run(ann: User) -> None:
    run = make_run(make_thread("thr_busy"))
    make_thread("thr_idle")
    Attachment.objects.create(pk="atc_unsent", owner=VISITOR, name="a")
    log_in(ann)
    assert of_thread("thr_busy") == {VISITOR}
    assert of_thread("thr_idle") == {owner_of(ann)}
    run.refresh_from_db()
    assert (run.owner, run.user_id) == (VISITOR, ann.pk)
    # The run may be about to send this file.
    assert Attachment.objects.get(pk="atc_unsent").owner == VISITOR

    releases.release(run.pk, COMPLETED)
    assert owners() == everything(owner_of(ann))


def test_a_first_message_is_not_lost_when_its_thread_comes_after_the_login(
    ann: User,
) -> None:
    make_thread("thr_old", created_at=EARLIER)
    Attachment.objects.create(pk="atc_sent", owner=VISITOR, name="a")
    run = make_run()
    log_in(ann)
    assert of_thread("thr_old") == {owner_of(ann)}
    run.refresh_from_db()
    assert (run.owner, run.user_id) == (VISITOR, ann.pk)
    assert Attachment.objects.get(pk="atc_sent").owner == VISITOR

    # The run goes on as the visitor.
    make_thread("thr_new")
    attach(run, "thr_new")
    assert of_thread("thr_new") == {VISITOR}
    releases.release(run.pk, COMPLETED)
    assert owners() == everything(owner_of(ann))


def test_a_thread_that_its_run_is_not_linked_to_yet_waits(ann: User) -> None:
    make_thread("thr_old", created_at=EARLIER)
    run = make_run()
    make_thread("thr_new")
    log_in(ann)
    assert of_thread("thr_old") == {owner_of(ann)}
    assert of_thread("thr_new") == {VISITOR}
    attach(run, "thr_new")
    releases.release(run.pk, COMPLETED)
    assert owners() == everything(owner_of(ann))


def test_the_end_of_one_run_leaves_the_thread_of_another_alone(ann: User) -> None:
    first, second = (make_run(make_thread(f"thr_{n}")) for n in range(2))
    log_in(ann)
    releases.release(first.pk, COMPLETED)
    assert of_thread("thr_0") == {owner_of(ann)}
    assert of_thread("thr_1") == {VISITOR}
    releases.release(second.pk, COMPLETED)
    assert owners() == everything(owner_of(ann))


def test_a_run_without_a_login_changes_no_owner(ann: User) -> None:
    run = make_run(make_thread("thr_1"))
    releases.release(run.pk, COMPLETED)
    assert owners() == everything(VISITOR)
    own = Run.objects.create(owner=owner_of(ann), user=ann, thread=None)
    releases.release(own.pk, COMPLETED)
    assert owners() == everything(VISITOR) | {"Run": {VISITOR, owner_of(ann)}}


def test_what_could_not_be_handed_over_is_at_the_next_sweep(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = Thread.objects.create(pk="thr_1", owner=VISITOR)
    run = make_run(thread)
    log_in(ann)
    assert of_thread("thr_1") == {VISITOR}

    def away(*args: Any) -> None:
        raise OperationalError("the database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(signal_handlers, "move_to_user", away)
        assert releases.release(run.pk, COMPLETED)
    assert maintenance.sweep(dry_run=True)["rows of visitors who logged in"] == 1
    assert of_thread("thr_1") == {VISITOR}
    assert maintenance.sweep()["rows of visitors who logged in"] == 1
    assert of_thread("thr_1") == {owner_of(ann)}
    assert maintenance.sweep()["rows of visitors who logged in"] == 0


def test_the_same_request_of_the_visitor_and_the_user_keeps_nobody_out(
    ann: User,
) -> None:
    for owner in (owner_of(ann), VISITOR):
        Run.objects.create(owner=owner, status=COMPLETED, idempotency_key="click")
    Run.objects.filter(owner=owner_of(ann)).update(user=ann)
    log_in(ann)
    assert set(Run.objects.values_list("owner", flat=True)) == {owner_of(ann)}
    keys = Run.objects.exclude(idempotency_key=None)
    assert [run.idempotency_key for run in keys] == ["click"]


def test_a_hold_of_a_visitor_goes_along(ann: User) -> None:
    make_thread("thr_1")
    account = {"reason": "case 7", "placed_by": "counsel"}
    holds.place(owner=VISITOR, **account)
    log_in(ann)
    assert holds.held_threads(["thr_1"]) == {"thr_1"}
    hold = LegalHold.objects.get(owner=owner_of(ann))
    assert (hold.reason, hold.placed_by) == ("case 7", "counsel")
    # What a run of before the login has made follows later, and is held, too.
    run = make_run(make_thread("thr_2"))
    log_in(ann)
    releases.release(run.pk, COMPLETED)
    assert of_thread("thr_2") == {owner_of(ann)}
    assert holds.held_threads(["thr_2"]) == {"thr_2"}


# A user whose threads belong to a team


@pytest.fixture
def teams(ann: User, bob: User, settings: Any) -> list[str]:
    """The owners of two teams of Ann's; Bob is in the first."""
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "CONTEXT": PATH,
        "ALLOW_ANONYMOUS": True,
    }
    first, second = (Group.objects.create(name=name) for name in ("first", "second"))
    first.user_set.add(ann, bob)
    second.user_set.add(ann)
    return [f"team:{first.pk}", f"team:{second.pk}"]


async def test_what_a_visitor_did_is_the_teams_after_the_login(
    teams: list[str], ann: User, stranger: ChatClient, model: LoopbackAPI
) -> None:
    visitor = ChatClient()
    model.respond_with(Text("Hello."))
    events = await visitor.say("hello")
    key = thread_id(events)
    (answer,) = done_items(events, "assistant_message")
    like = {"thread_id": key, "item_ids": [answer["id"]], "kind": "positive"}
    await visitor.call("items.feedback", **like)
    await visitor.aforce_login(ann)
    for client in (visitor, stranger):
        listed = (await client.call("threads.list"))["data"]
        assert [each["id"] for each in listed] == [key]
    found = await database_sync_to_async(owners)()
    assert found == everything(teams[0]) | {"Attachment": set()} | {
        "Feedback": {owner_of(ann)}
    }
    # Her thumb is still hers, and Bob has one of his own.
    await visitor.call("items.feedback", **like | {"kind": "negative"})
    await stranger.call("items.feedback", **like)
    rows = Feedback.objects.for_owner(teams[0]).values_list("owner", "kind")
    assert {each async for each in rows} == {
        (owner_of(ann), "negative"),
        (owner_of(await User.objects.aget(username="bob")), "positive"),
    }


def test_a_busy_thread_goes_to_the_team_that_the_login_has_named(
    teams: list[str], ann: User
) -> None:
    run = make_run(make_thread("thr_busy"))
    make_thread("thr_idle")
    log_in(ann, **{"X-Team": "second"})
    assert Thread.objects.get(pk="thr_idle").owner == teams[1]
    assert of_thread("thr_busy") == {VISITOR}
    # It still works for the visitor, and the note takes no place in its context.
    run.refresh_from_db()
    assert (run.to_context().owner, run.to_context().user) == (VISITOR, ann)
    releases.release(run.pk, COMPLETED)
    assert owners() == everything(teams[1]) | {"Feedback": {owner_of(ann)}}


def test_of_a_team_only_what_a_held_visitor_had_is_held(
    teams: list[str], ann: User
) -> None:
    make_thread("thr_team", owner=teams[0])
    make_thread("thr_1")
    run = make_run(make_thread("thr_busy"))
    Attachment.objects.create(pk="atc_unsent", owner=VISITOR, name="a")
    lone = make_run()
    UseEntry.objects.create(owner=VISITOR, day=EARLIER, kind="image", amount=1)
    UseCounter.objects.create(owner=VISITOR, kind="image", period="2030-01", amount=1)
    holds.place(owner=VISITOR, reason="case 7")
    log_in(ann)
    releases.release(run.pk, COMPLETED)
    releases.release(lone.pk, COMPLETED)
    keys = ["thr_1", "thr_busy", "thr_team"]
    assert of_thread("thr_1") == of_thread("thr_busy") == {teams[0], owner_of(ann)}
    assert holds.held_threads(keys) == {"thr_1", "thr_busy"}
    assert not holds.of(teams[0])
    # No hold of a thread keeps these, so they stay with who is held.
    assert Attachment.objects.get(pk="atc_unsent").owner == VISITOR
    for model in (UseEntry, UseCounter):
        assert model.objects.exclude(owner=teams[0]).filter(owner=VISITOR).exists()
    lone.refresh_from_db()
    assert (lone.owner, lone.user) == (VISITOR, None)
    assert signal_handlers.move_again() == 0


def test_who_may_log_in_but_not_chat_is_logged_in(teams: list[str], ann: User) -> None:
    make_thread("thr_1")
    assert log_in(ann, **{"X-Team": "third"}) == {SESSION_KEY: VISITOR}
    assert owners() == everything(VISITOR)
    assert log_in(ann) == {}
    assert owners() == everything(teams[0]) | {"Feedback": {owner_of(ann)}}


@pytest.mark.parametrize(
    "refusal", [PermissionDenied(), RequestRefused("closed", "Closed.", status=403)]
)
def test_a_refusal_to_chat_is_none_to_log_in(
    ann: User, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    def get_owner(*args: Any) -> str:
        raise refusal

    make_thread("thr_1")
    monkeypatch.setattr(RequestContext, "get_owner", get_owner)
    assert log_in(ann) == {SESSION_KEY: VISITOR}
    assert owners() == everything(VISITOR)
    # What a version before has left behind keeps no sweep from the rest.
    Run.objects.update(user=ann)
    assert signal_handlers.move_again() == 1
    assert owners() == everything(VISITOR)


def test_the_same_request_of_a_visitor_and_of_a_member_keeps_nobody_out(
    teams: list[str], ann: User, bob: User
) -> None:
    for owner, user in ((teams[0], bob), (VISITOR, None)):
        Run.objects.create(
            owner=owner, user=user, status=COMPLETED, idempotency_key="click"
        )
    log_in(ann)
    keys = Run.objects.exclude(idempotency_key=None)
    assert [(run.owner, run.user) for run in keys] == [(teams[0], bob)]
    assert set(Run.objects.values_list("owner", flat=True)) == {teams[0]}


def test_the_rows_of_a_user_are_those_of_the_team(teams: list[str], ann: User) -> None:
    make_thread("thr_1", owner=teams[0])
    make_thread("thr_2", owner=owner_of(ann))
    for model in (Thread, Run, Attachment, Feedback, ThreadItem):
        assert len(model.objects.for_user(ann)) == 1, model


@pytest.mark.parametrize(
    "refusal",
    [
        PermissionDenied("Not you."),
        RequestRefused("no_team", "Ask for a team.", status=403),
        NotFoundError("No such team"),
    ],
    ids=repr,
)
def test_who_may_not_chat_is_logged_in_all_the_same(
    ann: User, settings: Any, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    def refuse(cls: type[TeamContext], user: Any, request: Any = None) -> str:
        raise refusal

    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"CONTEXT": PATH}
    monkeypatch.setattr(TeamContext, "get_owner", classmethod(refuse))
    assert log_in(ann) == {SESSION_KEY: VISITOR}
