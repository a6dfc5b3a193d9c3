"""What a visitor did goes over to the user who logs in, at once or after a run."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.db import OperationalError
from django.utils import timezone

from chatkit_images import maintenance, signal_handlers
from chatkit_images.context import SESSION_KEY, owner_of
from chatkit_images.models import Attachment, Feedback, Run, Thread, ThreadItem
from chatkit_images.runs import claims

VISITOR = "visitor:1"
EARLIER = timezone.now() - datetime.timedelta(hours=1)
RUNNING, COMPLETED = Run.Status.RUNNING, Run.Status.COMPLETED


@pytest.fixture(autouse=True)
def database(transactional_db: None) -> None:
    """Every test has rows."""


def log_in(user: User, owner: str | None = VISITOR) -> dict[str, Any]:
    """Log a visitor in and return what is left in the session."""
    session = {} if owner is None else {SESSION_KEY: owner}
    user_logged_in.send(User, request=SimpleNamespace(session=session), user=user)
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
    assert (run.owner, run.user) == (VISITOR, ann)
    # The run may be about to send this file.
    assert Attachment.objects.get(pk="atc_unsent").owner == VISITOR

    claims.release(run.pk, COMPLETED)
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
    assert (run.owner, run.user) == (VISITOR, ann)
    assert Attachment.objects.get(pk="atc_sent").owner == VISITOR

    # The run goes on as the visitor.
    make_thread("thr_new")
    attach(run, "thr_new")
    assert of_thread("thr_new") == {VISITOR}
    claims.release(run.pk, COMPLETED)
    assert owners() == everything(owner_of(ann))


def test_a_thread_that_its_run_is_not_linked_to_yet_waits(ann: User) -> None:
    make_thread("thr_old", created_at=EARLIER)
    run = make_run()
    make_thread("thr_new")
    log_in(ann)
    assert of_thread("thr_old") == {owner_of(ann)}
    assert of_thread("thr_new") == {VISITOR}
    attach(run, "thr_new")
    claims.release(run.pk, COMPLETED)
    assert owners() == everything(owner_of(ann))


def test_the_end_of_one_run_leaves_the_thread_of_another_alone(ann: User) -> None:
    first, second = (make_run(make_thread(f"thr_{n}")) for n in range(2))
    log_in(ann)
    claims.release(first.pk, COMPLETED)
    assert of_thread("thr_0") == {owner_of(ann)}
    assert of_thread("thr_1") == {VISITOR}
    claims.release(second.pk, COMPLETED)
    assert owners() == everything(owner_of(ann))


def test_a_run_without_a_login_changes_no_owner(ann: User) -> None:
    run = make_run(make_thread("thr_1"))
    claims.release(run.pk, COMPLETED)
    assert owners() == everything(VISITOR)
    own = Run.objects.create(owner=owner_of(ann), user=ann, thread=None)
    claims.release(own.pk, COMPLETED)
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
        assert claims.release(run.pk, COMPLETED)
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
