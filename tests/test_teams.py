"""Threads of a team: its members share them, and a member who goes leaves them."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatkit_images import storage
from chatkit_images.exceptions import RequestRefused
from chatkit_images.models import (
    Attachment,
    DeletedFile,
    Feedback,
    GeneratedImage,
    Run,
    Thread,
    ThreadItem,
)
from chatkit_images.queries import sums
from chatkit_images.store import DjangoStore
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from tests.client import ChatClient, done_items, message, read_events, thread_id
from tests.teams import PATH, TeamContext

OWN = {"x-team": "own"}


@pytest.fixture(autouse=True)
def contexts(settings: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"CONTEXT": PATH}


@pytest.fixture
def team(ann: User, bob: User) -> str:
    """The owner of what Ann and Bob share."""
    group = Group.objects.create(name="design")
    group.user_set.add(ann, bob)
    return f"team:{group.pk}"


async def upload(client: ChatClient, png: bytes) -> str:
    file = SimpleUploadedFile("mood.png", png, "image/png")
    response = await client.post("/chatkit/attachments/", {"file": file})
    assert response.status_code == 200, response.content
    return str(response.json()["id"])


async def draw(client: ChatClient, model: LoopbackAPI, png: bytes) -> str:
    """Have an image drawn from an uploaded one, and return the thread's id."""
    sent = await upload(client, png)
    model.respond_with(Image(data=png, partials=1), Text("Here."))
    return thread_id(await client.say("a fox", attachments=[sent]))


async def shown(client: ChatClient, key: str) -> list[dict[str, Any]]:
    """Return a thread's items, once each of its files was opened."""
    thread = await client.call("threads.get_by_id", thread_id=key)
    items: list[dict[str, Any]] = thread["items"]["data"]
    urls = [item["image"]["url"] for item in items if item["type"] == "generated_image"]
    for item in items:
        urls += [each["preview_url"] for each in item.get("attachments", ())]
    for url in urls:
        assert (await client.get(url)).status_code == 200
    return items


async def refused(client: ChatClient, op: str, **params: Any) -> tuple[int, str]:
    response = await client.request_op(op, params)
    return response.status_code, response.json()["error"]["code"]


# What members share


async def test_members_share_their_threads(
    chat: ChatClient, stranger: ChatClient, team: str, model: LoopbackAPI, png: bytes
) -> None:
    key = await draw(chat, model, png)
    assert [each["id"] for each in (await stranger.call("threads.list"))["data"]] == [
        key
    ]
    assert len(await shown(stranger, key)) == len(await shown(chat, key)) == 3

    model.respond_with(Image(data=png, partials=0), Text("And another."))
    sent = await upload(stranger, png)
    await stranger.say("more", key, attachments=[sent])
    await stranger.call("threads.update", thread_id=key, title="Foxes of ours")
    assert (await chat.call("threads.get_by_id", thread_id=key))["title"] == (
        "Foxes of ours"
    )
    assert len(await shown(chat, key)) == 6

    # A member may answer again what another one has asked.
    first = await ThreadItem.objects.filter(type="user_message").afirst()
    assert first is not None
    model.respond_with(Text("Again."))
    await stranger.stream(
        "threads.retry_after_item", thread_id=key, item_id=first.item_id
    )
    assert len(await shown(chat, key)) == 2
    runs = Run.objects.order_by("created_at").values_list("owner", "user__username")
    assert [each async for each in runs] == [
        (team, "ann"),
        (team, "bob"),
        (team, "bob"),
    ]


async def test_each_member_has_a_thumb_of_their_own(
    chat: ChatClient, stranger: ChatClient, team: str, model: LoopbackAPI
) -> None:
    model.respond_with(Text("Hello."))
    events = await chat.say("hello")
    (answer,) = done_items(events, "assistant_message")
    like = {"thread_id": thread_id(events), "item_ids": [answer["id"]]}
    await chat.call("items.feedback", **like, kind="positive")
    await stranger.call("items.feedback", **like, kind="positive")
    await stranger.call("items.feedback", **like, kind="negative")
    rows = Feedback.objects.for_owner(team).order_by("user__username")
    thumbs = rows.values_list("user__username", "kind")
    assert [each async for each in thumbs] == [("ann", "positive"), ("bob", "negative")]


async def test_somebody_in_no_team_and_a_team_of_others_have_nothing_of_it(
    chat: ChatClient, stranger: ChatClient, team: str, bob: User, model: LoopbackAPI
) -> None:
    model.respond_with(Text("Hello."))
    key = thread_id(await chat.say("hello"))
    await database_sync_to_async(bob.groups.clear)()
    for op in ("threads.get_by_id", "threads.delete", "items.list"):
        assert await refused(stranger, op, thread_id=key) == (404, "not_found")
    assert (await stranger.call("threads.list"))["data"] == []
    # Nor has a header the authority.
    asked = await stranger.request_op("threads.list", {}, headers={"x-team": "design"})
    assert asked.status_code == 401


async def test_a_person_has_threads_of_their_own_beside_those_of_the_team(
    chat: ChatClient, team: str, ann: User, model: LoopbackAPI
) -> None:
    model.respond_with(Text("Hello."), Text("Title"))
    key = thread_id(await chat.say("hello"))
    model.respond_with(Text("Hello."), Text("Title"))
    params = {"input": message("mine")}
    response = await chat.request_op("threads.create", params, headers=OWN)
    assert response.status_code == 200
    assert b"".join([part async for part in response.streaming_content])
    owners = Thread.objects.order_by("created_at").values_list("owner", flat=True)
    assert [each async for each in owners] == [team, f"user:{ann.pk}"]
    listed = (await chat.call("threads.list"))["data"]
    assert [each["id"] for each in listed] == [key]
    mine = await database_sync_to_async(Thread.objects.for_user)(ann)
    assert [each.pk async for each in mine] == [key]


# Who may delete


async def test_only_who_may_deletes_a_thread(
    chat: ChatClient, stranger: ChatClient, team: str, bob: User, model: LoopbackAPI
) -> None:
    model.respond_with(Text("Hello."))
    key = thread_id(await chat.say("hello"))
    response = await stranger.request_op("threads.delete", {"thread_id": key})
    assert response.status_code == 403
    assert response.json()["error"] == {
        "code": "not_allowed",
        "message": "You may not delete this chat.",
        "allow_retry": False,
    }
    assert await Thread.objects.filter(pk=key).aexists()
    await User.objects.filter(pk=bob.pk).aupdate(is_staff=True)
    assert await stranger.call("threads.delete", thread_id=key) == {}
    assert not await Thread.objects.aexists()
    assert await refused(stranger, "threads.delete", thread_id=key) == (
        404,
        "not_found",
    )


async def test_only_who_may_deletes_a_file(
    chat: ChatClient,
    stranger: ChatClient,
    team: str,
    png: bytes,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = await upload(chat, png)
    row = await Attachment.objects.aget(pk=key)
    asked = []
    monkeypatch.setattr(
        "chatkit_images.attachment_store.DjangoAttachmentStore.delete_attachment",
        lambda *args: asked.append(args),
    )
    response = await stranger.request_op("attachments.delete", {"attachment_id": key})
    assert (response.status_code, response.json()["error"]["message"]) == (
        403,
        "You may not delete this file.",
    )
    # An attachment store of a project's own deletes the bytes when it is asked.
    assert asked == []
    monkeypatch.undo()
    assert storage.read(str(row.file.name)) == png
    assert await chat.call("attachments.delete", attachment_id=key) == {}
    assert not await Attachment.objects.aexists()


async def test_the_store_by_itself_asks_too(
    chat: ChatClient, team: str, bob: User, png: bytes, model: LoopbackAPI
) -> None:
    key = await upload(chat, png)
    context = await database_sync_to_async(TeamContext.for_user)(bob)
    with pytest.raises(RequestRefused, match="You may not delete this file"):
        await DjangoStore().delete_attachment(key, context)
    assert await Attachment.objects.filter(pk=key).aexists()


class Asynchronous(TeamContext):
    """A mistake: nobody awaits the answer, which Python takes for a yes."""

    async def may_delete(self, row: Any) -> bool:  # type: ignore[override]
        return False


async def test_what_nobody_awaits_lets_nobody_delete(
    chat: ChatClient,
    team: str,
    png: bytes,
    model: LoopbackAPI,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = f"{__name__}.Asynchronous"
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"CONTEXT": path}
    model.respond_with(Text("Hello."))
    key, file = thread_id(await chat.say("hello")), await upload(chat, png)
    for op, params in (
        ("threads.delete", {"thread_id": key}),
        ("attachments.delete", {"attachment_id": file}),
    ):
        response = await chat.request_op(op, params)
        assert response.status_code == 500, op
    assert "Asynchronous.may_delete() must not be asynchronous." in caplog.text
    assert await Thread.objects.filter(pk=key).aexists()
    assert await Attachment.objects.filter(pk=file).aexists()


# A member who goes


def delete_by_itself(user: User) -> None:
    user.delete()


def delete_with_others(user: User) -> None:
    other = User.objects.create_user("carl")
    User.objects.filter(pk__in=[user.pk, other.pk]).delete()


def delete_in_the_admin(user: User) -> None:
    root = Client()
    root.force_login(User.objects.create_superuser("root"))
    page = f"/admin/auth/user/{user.pk}/delete/"
    asked = root.get(page).content.decode()
    # The page of confirmation names what goes, and nothing that stays.
    assert "Of mine" in asked
    assert "Of ours" not in asked
    assert root.post(page, {"post": "yes"}).status_code == 302


DELETIONS = [delete_by_itself, delete_with_others, delete_in_the_admin]


@pytest.mark.parametrize("delete", DELETIONS, ids=lambda each: each.__name__)
@pytest.mark.sweep(1)
async def test_a_member_who_goes_takes_what_is_theirs_alone(
    chat: ChatClient,
    stranger: ChatClient,
    team: str,
    ann: User,
    bob: User,
    model: LoopbackAPI,
    png: bytes,
    delete: Callable[[User], None],
) -> None:
    ours = await draw(chat, model, png)
    answer = await ThreadItem.objects.aget(type="assistant_message")
    like = {"thread_id": ours, "item_ids": [answer.item_id], "kind": "positive"}
    await chat.call("items.feedback", **like)
    await Thread.objects.filter(pk=ours).aupdate(title="Of ours")
    before = await shown(stranger, ours)

    # The same of her own.
    await ann.groups.aclear()
    mine = await draw(chat, model, png)
    await Thread.objects.filter(pk=mine).aupdate(title="Of mine")
    item = await ThreadItem.objects.aget(thread=mine, type="assistant_message")
    like = {"thread_id": mine, "item_ids": [item.item_id], "kind": "positive"}
    await chat.call("items.feedback", **like)
    image = await GeneratedImage.objects.aget(thread=mine)
    files = [str(image.file.name), str(image.thumbnail.name)]
    assert set(files) <= set(await sync_to_async(storage_names)())

    await database_sync_to_async(delete)(ann)
    await sync_to_async(storage.drain)()

    assert not set(files) & set(await sync_to_async(storage_names)())
    assert not await DeletedFile.objects.aexists()
    for rows in (
        Thread.objects.values_list("pk", "owner", "user"),
        Attachment.objects.values_list("thread", "owner", "user"),
        Run.objects.values_list("thread", "owner", "user"),
    ):
        assert [each async for each in rows] == [(ours, team, None)]
    assert [
        each async for each in Feedback.objects.values_list("thread", "user", "kind")
    ] == [(ours, None, "positive")]

    # The others work on in it.
    assert await shown(stranger, ours) == before
    model.respond_with(Image(data=png, partials=0), Text("More."))
    await stranger.say("more", ours)
    assert len(await shown(stranger, ours)) == 6
    first = await ThreadItem.objects.filter(type="user_message").afirst()
    assert first is not None
    model.respond_with(Text("Again."))
    await stranger.stream(
        "threads.retry_after_item", thread_id=ours, item_id=first.item_id
    )
    assert len(await shown(stranger, ours)) == 2
    # She is nobody who may delete it any more, and staff may.
    assert await refused(stranger, "threads.delete", thread_id=ours) == (
        403,
        "not_allowed",
    )
    await database_sync_to_async(look)(ours)


def storage_names() -> list[str]:
    return [name for name, _ in storage.listing()]


def test_staff_see_whose_team_it_is(ann: User) -> None:
    Thread.objects.create(pk="thr_1", owner="team:1", user=ann)
    root = Client()
    root.force_login(User.objects.create_superuser("staff"))
    page = root.get("/admin/chatkit_images/thread/").content
    assert b"ann (team:1)" in page
    Thread.objects.update(owner=f"user:{ann.pk}")
    assert b"ann (" not in root.get("/admin/chatkit_images/thread/").content


def look(key: str) -> None:
    """Open the pages of the staff that show a thread without a user."""
    root = Client()
    root.force_login(User.objects.create_superuser("staff"))
    for page in (
        f"thread/{quote(key)}/change/",
        "thread/",
        "run/",
        "feedback/",
        "attachment/",
        "generatedimage/",
    ):
        response = root.get(f"/admin/chatkit_images/{page}")
        assert response.status_code == 200, page


async def test_a_run_of_a_member_who_went_is_taken_over(
    chat: ChatClient, stranger: ChatClient, team: str, ann: User, model: LoopbackAPI
) -> None:
    model.respond_with(Text("Hello."))
    key = thread_id(await chat.say("hello"))
    run = await Run.objects.acreate(
        thread_id=key,
        owner=team,
        user=ann,
        operation="threads.add_user_message",
        heartbeat_at=timezone.now() - datetime.timedelta(hours=1),
        context={"owner": team, "user": str(ann.pk), "locale": "en"},
    )
    await GeneratedImage.objects.acreate(thread_id=key, run=run, call_id="ig_1")
    await ann.adelete()
    model.respond_with(Text("I am here."))
    await stranger.say("Is anybody there?", key)
    await run.arefresh_from_db()
    assert (run.status, run.user) == ("interrupted", None)
    said = [item["type"] for item in await shown(stranger, key)]
    assert said.count("user_message") == 2
    image = await GeneratedImage.objects.aget()
    assert (
        (image.status, image.owner_of_thread) == ("interrupted", team)
        if hasattr(image, "owner_of_thread")
        else image.status == "interrupted"
    )


async def test_an_answer_goes_on_although_who_asked_has_gone(
    chat: ChatClient,
    stranger: ChatClient,
    team: str,
    ann: User,
    model: LoopbackAPI,
    png: bytes,
) -> None:
    gate = Gate()
    model.respond_with(Text("One moment."), gate, Image(data=png, partials=1))
    params = {"input": message("a fox")}
    response = await chat.request_op("threads.create", params)
    stream = read_events(response)
    key = (await anext(stream))["thread"]["id"]
    await ann.adelete()
    gate.open()
    events = [event async for event in stream]
    assert len(done_items(events, "generated_image")) == 1
    run = await Run.objects.aget()
    assert (run.status, run.owner, run.user) == ("completed", team, None)
    kinds = [item["type"] for item in await shown(stranger, key)]
    assert kinds == ["user_message", "assistant_message", "generated_image"]


def test_what_is_another_users_own_stays(ann: User, bob: User) -> None:
    moved = {"owner": f"user:{bob.pk}", "user": ann}
    thread = Thread.objects.create(pk="thr_moved", **moved)
    Run.objects.create(thread=thread, **moved)
    Attachment.objects.create(pk="atc_moved", name="a", **moved)
    ann.delete()
    for model in (Thread, Run, Attachment):
        (row,) = model.objects.all()
        assert (row.owner, row.user) == (f"user:{bob.pk}", None)


def rows_of(user: User, team: str, count: int) -> None:
    """Make so many threads of a user's and of the team's."""
    for owner in (team, f"user:{user.pk}"):
        owned = {"owner": owner, "user": user}
        keys = [f"{owner}-{number}" for number in range(count)]
        made = Thread.objects.bulk_create(Thread(pk=key, **owned) for key in keys)
        items = ThreadItem.objects.bulk_create(
            ThreadItem(thread=each, item_id="msg_1", payload={}) for each in made
        )
        Feedback.objects.bulk_create(
            Feedback(item=each, thread=each.thread, kind="positive", **owned)
            for each in items
        )
        Run.objects.bulk_create(Run(thread=each, **owned) for each in made)
        Attachment.objects.bulk_create(
            Attachment(pk=each.pk, name="a", thread=each, **owned) for each in made
        )


def test_how_many_rows_there_are_changes_no_number_of_statements(
    ann: User, bob: User, team: str
) -> None:
    taken = []
    with transaction.atomic():
        sums.lock()  # Its row is made once.
    for user, count in ((ann, 1), (bob, 40)):
        Thread.objects.all().delete()
        rows_of(user, team, count)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            user.delete()
        taken.append(len(queries))
        assert {each.owner for each in Thread.objects.all()} == {team}
        assert Thread.objects.count() == Attachment.objects.count() == count
    assert taken[0] == taken[1]
