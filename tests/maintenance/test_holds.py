"""Legal holds: what is held is deleted by nobody."""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models import ProtectedError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chatkit_images import doctor, maintenance
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import RequestRefused
from chatkit_images.models import (
    Attachment,
    GeneratedImage,
    LegalHold,
    Run,
    Thread,
    UseEntry,
)
from chatkit_images.queries import attachments, counters, holds, items, use
from chatkit_images.testing import LoopbackAPI, Text
from chatkit_images.transactions import atomic
from tests.client import ChatClient, done_items, thread_id

pytestmark = pytest.mark.django_db(transaction=True)
ACCOUNT = {"reason": "case 7", "by": "counsel"}


def run(*args: str, **options: Any) -> str:
    out = StringIO()
    call_command("chatkit_images_hold", *args, stdout=out, **options)
    return out.getvalue()


async def test_a_person_deletes_nothing_that_is_held(
    chat: ChatClient, ann: User, model: LoopbackAPI
) -> None:
    model.respond_with(Text("Hello."), Text("Hello again."))
    events = await chat.say("Hi")
    key = thread_id(events)
    said = done_items(events, "user_message")[0]
    await Attachment.objects.acreate(pk="atc_1", owner=f"user:{ann.pk}", name="a")
    await LegalHold.objects.acreate(owner=f"user:{ann.pk}")

    async def refusal(op: str, **params: Any) -> tuple[int, str, str]:
        response = await chat.request_op(op, params)
        told = json.loads(response.content)
        return response.status_code, told["error"]["code"], told["message"]

    assert await refusal("threads.delete", thread_id=key) == (
        409,
        "on_hold",
        "This chat is kept and cannot be deleted at the moment.",
    )
    assert await refusal("attachments.delete", attachment_id="atc_1") == (
        409,
        "on_hold",
        "This file is kept and cannot be deleted at the moment.",
    )
    retry = {"thread_id": key, "item_id": said["id"]}
    assert await refusal("threads.retry_after_item", **retry) == (
        409,
        "on_hold",
        "This chat is kept, so no answer of it can be replaced at the moment.",
    )
    # They chat on.
    assert done_items(await chat.say("Again", key), "assistant_message")
    await LegalHold.objects.all().adelete()
    await chat.call("threads.delete", thread_id=key)
    await chat.call("attachments.delete", attachment_id="atc_1")


def test_no_item_of_what_is_held_is_deleted_in_the_midst_of_an_answer() -> None:
    context = RequestContext.for_owner("user:1", None)
    thread = Thread.objects.create(pk="thr_1", owner="user:1")
    for key in ("msg_1", "msg_2"):
        thread.items.create(item_id=key, type="user_message", payload={})
    # The request had begun.
    holds.place(thread_id="thr_1")
    with pytest.raises(RequestRefused, match="no answer of it can be replaced"):
        items.delete_after("thr_1", "msg_1", context)
    # ChatKit does so on its own, and people chat on.
    items.delete("thr_1", "msg_2", context)
    assert thread.items.count() == 2
    holds.release(thread_id="thr_1")
    items.delete("thr_1", "msg_2", context)
    items.delete_after("thr_1", "msg_1", context)
    assert thread.items.count() == 1


@pytest.mark.parametrize("of_thread", [True, False])
def test_a_user_with_something_held_is_not_deleted(ann: User, of_thread: bool) -> None:
    owner = f"user:{ann.pk}"
    Thread.objects.create(pk="thr_1", owner=owner, user=ann)
    hold = {"thread_id": "thr_1"} if of_thread else {"owner": owner}
    LegalHold.objects.create(**hold)
    with pytest.raises(ProtectedError, match="LegalHold: "):
        ann.delete()
    assert Thread.objects.exists()
    holds.release(**hold)
    ann.delete()
    assert not Thread.objects.exists()


def test_staff_delete_nothing_that_is_held(ann: User) -> None:
    root = User.objects.create_superuser("root")
    client = Client()
    client.force_login(root)
    thread = Thread.objects.create(pk="thr_1", owner=f"user:{ann.pk}", user=ann)
    free = Thread.objects.create(pk="thr_2", owner="visitor:1")
    image = GeneratedImage.objects.create(thread=thread, call_id="ig_1")
    LegalHold.objects.create(thread_id=thread.pk)

    def delete(row: Any) -> str:
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}_delete"
        url = reverse(name, args=[str(row.pk).replace("_", "_5F")])
        client.post(url, {"post": "yes"})
        return client.get(url).content.decode()

    for row in (thread, image, ann):
        assert "egal hold" in delete(row)
    # None of a selection goes if one of it is held.
    client.post(
        reverse("admin:chatkit_images_thread_changelist"),
        {
            "action": "delete_selected",
            "_selected_action": [thread.pk, free.pk],
            "post": "yes",
        },
    )
    assert Thread.objects.count() == 2
    assert GeneratedImage.objects.exists()
    assert User.objects.filter(pk=ann.pk).exists()
    delete(free)
    assert not Thread.objects.filter(pk=free.pk).exists()


def test_holds_are_placed_listed_and_released(ann: User) -> None:
    Thread.objects.create(pk="thr_1", owner=f"user:{ann.pk}")
    assert run("place", user="ann", **ACCOUNT) == "Held: 1 threads as of now.\n"
    assert run("place", thread="thr_1", **ACCOUNT) == "Held: 1 threads as of now.\n"
    told = [json.loads(line) for line in run("list", json=True).splitlines()]
    assert [(row["owner"], row["thread"]) for row in told] == [
        (f"user:{ann.pk}", ""),
        ("", "thr_1"),
    ]
    assert {(row["reason"], row["placed_by"]) for row in told} == {
        ("case 7", "counsel")
    }
    assert "thread thr_1: counsel, " in run("list")
    with pytest.raises(CommandError, match="It is held already"):
        run("place", owner=f"user:{ann.pk}", **ACCOUNT)
    assert run("release", user=str(ann.pk)) == "Released.\n"
    with pytest.raises(CommandError, match="There is no such hold"):
        run("release", user="ann")
    assert LegalHold.objects.get().thread_id == "thr_1"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "Say --user or --owner"),
        ({"user": "ann", "owner": "user:1"}, "Say --user or --owner"),
        ({"user": "ann", "thread": "thr_1"}, "--user, --owner or --thread"),
        ({"user": "nobody"}, "There is no user 'nobody'"),
        ({"thread": "thr_9"}, "There is no thread 'thr_9'"),
        ({"user": "ann", "reason": ""}, "Say --reason and --by"),
    ],
)
def test_what_nobody_can_hold_is_told(
    ann: User, options: dict[str, str], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        run("place", **{**ACCOUNT, **options})
    assert not LegalHold.objects.exists()


def test_a_name_that_is_the_key_of_another_user_names_nobody(ann: User) -> None:
    User.objects.create_user(str(ann.pk))
    with pytest.raises(CommandError, match="Say --owner"):
        run("place", user=str(ann.pk), **ACCOUNT)


def test_a_tenant_must_be_named(settings: Any, ann: User) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "CONTEXTS": f"{__name__}.contexts"
    }
    with pytest.raises(CommandError, match="Say --tenant"):
        run("place", user="ann", **ACCOUNT)


def contexts() -> list[Any]:
    from chatkit_images.context import RequestContext

    return [RequestContext(user=None, owner="", tenant=name) for name in ("a", "b")]


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer at a time."
)
def test_a_hold_waits_for_a_deletion_that_has_begun(ann: User) -> None:
    Thread.objects.create(pk="thr_1", owner="user:1")
    done = threading.Event()

    def place() -> None:
        holds.place(owner="user:1")
        done.set()
        connections.close_all()

    other = threading.Thread(target=place)
    with atomic():
        Thread.objects.select_for_update().get(pk="thr_1")
        other.start()
        assert not done.wait(0.3)
        Thread.objects.filter(pk="thr_1").delete()
    other.join(10)
    assert done.is_set()


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer at a time."
)
@pytest.mark.parametrize("of_thread", [True, False])
def test_a_hold_waits_for_whoever_deletes_what_is_in_no_thread(of_thread: bool) -> None:
    Thread.objects.create(pk="thr_1", owner="user:1")
    hold = {"thread_id": "thr_1"} if of_thread else {"owner": "user:1"}
    done = threading.Event()

    def place() -> None:
        holds.place(**hold)
        done.set()
        connections.close_all()

    other = threading.Thread(target=place)
    with atomic():
        use.hold("user:1")
        other.start()
        assert not done.wait(0.3)
    other.join(10)
    assert done.is_set()


def delete_user(ann: User) -> None:
    with pytest.raises(ProtectedError, match="A legal hold keeps"):
        ann.delete()


def delete_file(ann: User) -> None:
    context = RequestContext.for_owner(f"user:{ann.pk}", ann)
    with pytest.raises(RequestRefused, match="This file is kept"):
        attachments.delete("atc_1", context)


def delete_in_the_admin(ann: User) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    name = "admin:chatkit_images_attachment"
    gone = {"post": "yes", "action": "delete_selected", "_selected_action": ["atc_1"]}
    url = reverse(f"{name}_delete", args=["atc_5F1"])
    assert client.post(url, {"post": "yes"}).status_code == 403
    assert client.post(reverse(f"{name}_changelist"), gone).status_code == 403


def mend(ann: User) -> None:
    assert doctor.fix(["unsent-attachments"]).left == 1


def erase(ann: User) -> None:
    receipt = maintenance.erase(f"user:{ann.pk}", user=ann)
    assert (receipt.held, receipt.rows) == (True, {})
    assert "all that is left" in {each.what for each in receipt.remains}


@pytest.mark.parametrize(
    "delete",
    [
        delete_user,
        delete_file,
        delete_in_the_admin,
        mend,
        erase,
        lambda ann: maintenance.sweep(),
        lambda ann: maintenance.apply_retention(),
    ],
)
def test_whoever_waits_for_a_lock_asks_for_holds_behind_it(
    settings: Any,
    ann: User,
    monkeypatch: pytest.MonkeyPatch,
    delete: Callable[[User], Any],
) -> None:
    owner, old = f"user:{ann.pk}", timezone.now() - datetime.timedelta(days=3)
    keys = {"USE_ENTRIES": 1, "RUNS": 1}
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"RETENTION": keys}
    Attachment.objects.create(
        pk="atc_1", owner=owner, name="a", user=ann, created_at=old
    )
    Run.objects.create(owner=owner, status="failed", created_at=old, finished_at=old)
    UseEntry.objects.create(
        owner=owner, day=old.date(), kind="image", amount=1, created_at=old
    )
    lock, placed = counters.lock, []

    def lock_late(holders: Any) -> None:
        placed.append(LegalHold.objects.get_or_create(owner=owner))
        lock(holders)

    monkeypatch.setattr(counters, "lock", lock_late)
    delete(ann)
    assert placed
    for model in (Attachment, Run, UseEntry):
        assert model._default_manager.filter(owner=owner).exists(), model
    assert User.objects.filter(pk=ann.pk).exists()


def test_a_file_that_a_message_takes_meanwhile_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = timezone.now() - datetime.timedelta(days=3)
    Thread.objects.create(pk="thr_1", owner="user:1")
    Attachment.objects.create(pk="atc_1", owner="user:1", name="a", created_at=old)
    lock = counters.lock

    def lock_late(holders: Any) -> None:
        Attachment.objects.update(thread="thr_1")
        lock(holders)

    monkeypatch.setattr(counters, "lock", lock_late)
    assert maintenance.sweep()["unsent attachments"] == 0
    assert Attachment.objects.get().thread_id == "thr_1"


def test_a_page_takes_an_owner_or_a_thread(ann: User) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    url = reverse("admin:chatkit_images_legalhold_add")
    Thread.objects.create(pk="thr_1", owner="user:1")
    for values in (
        {"owner": "", "thread_id": ""},
        {"owner": "user:1", "thread_id": "thr_1"},
        {"owner": "", "thread_id": "thr_9"},
    ):
        assert client.post(url, {**values, "reason": "case 7"}).status_code == 200
    # Whoever reads it in a year wants to know why.
    unsaid = {"owner": "user:1", "thread_id": "", "reason": " "}
    assert client.post(url, unsaid).status_code == 200
    assert not LegalHold.objects.exists()
    with pytest.MonkeyPatch.context() as patch:
        locked: list[str] = []
        patch.setattr(counters, "lock", locked.extend)
        client.post(url, {"owner": "", "thread_id": "thr_1", "reason": "case 7"})
    # It has waited for deletions.
    assert locked == ["user:1"]
    hold = LegalHold.objects.get()
    assert (hold.thread_id, hold.placed_by) == ("thr_1", "root")
    html = client.get(reverse("admin:chatkit_images_legalhold_changelist")).content
    assert b"/thread/thr_5F1/change/" in html
