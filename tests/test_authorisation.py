"""Who may do what: every operation and every address, for every kind of person."""

from __future__ import annotations

import datetime
import io
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from chatkit_images import context, models, url_tokens, urls
from chatkit_images.contexts import context_class
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from tests.client import (
    URL,
    ChatClient,
    done_items,
    message,
    read_events,
    thread_id,
)
from tests.servers.rows import dump
from tests.servers.tour import OPERATIONS
from tests.servers.world import Ids, build, unknown
from tests.test_origins import addresses
from tests.test_watchers import opens

CANARY = "canary-9d2e"
ACTION = {"type": "press", "payload": 1}
snapshot = database_sync_to_async(dump)
populate = database_sync_to_async(build)
Params = Callable[[Ids, Ids], dict[str, Any]]

# For each operation the ways to name something: of the sender's own (``mine``)
# and of somebody else (``theirs``). A way that names nothing takes no ids.
WAYS: dict[str, list[Params]] = {
    "threads.create": [
        lambda mine, theirs: {"input": message("look", [theirs.attachment])},
        lambda mine, theirs: {
            "input": message("look", [mine.attachment, theirs.attachment])
        },
    ],
    "threads.add_user_message": [
        lambda mine, theirs: {"thread_id": theirs.thread, "input": message("Hello")},
        lambda mine, theirs: {
            "thread_id": mine.thread,
            "input": message("look", [theirs.attachment]),
        },
    ],
    "threads.add_client_tool_output": [
        lambda mine, theirs: {"thread_id": theirs.tool_thread, "result": 1},
    ],
    "threads.add_structured_input": [
        lambda mine, theirs: answer(theirs.thread, theirs.question),
        lambda mine, theirs: answer(mine.thread, theirs.question),
    ],
    "threads.retry_after_item": [
        lambda mine, theirs: {"thread_id": theirs.thread, "item_id": theirs.message},
        lambda mine, theirs: {"thread_id": mine.thread, "item_id": theirs.message},
    ],
    "threads.custom_action": [
        lambda mine, theirs: {"thread_id": theirs.thread, "action": ACTION},
        lambda mine, theirs: press(theirs.thread, theirs.widget),
        lambda mine, theirs: press(mine.thread, theirs.widget),
    ],
    "threads.sync_custom_action": [
        lambda mine, theirs: {"thread_id": theirs.thread, "action": ACTION},
        lambda mine, theirs: press(theirs.thread, theirs.widget),
        lambda mine, theirs: press(mine.thread, theirs.widget),
    ],
    "threads.get_by_id": [lambda mine, theirs: {"thread_id": theirs.thread}],
    "threads.list": [lambda mine, theirs: {"after": theirs.thread}],
    "threads.update": [
        lambda mine, theirs: {"thread_id": theirs.thread, "title": "Mine"}
    ],
    "threads.delete": [lambda mine, theirs: {"thread_id": theirs.thread}],
    "items.list": [
        lambda mine, theirs: {"thread_id": theirs.thread},
        lambda mine, theirs: {"thread_id": mine.thread, "after": theirs.message},
    ],
    "items.feedback": [
        lambda mine, theirs: like(theirs.thread, theirs.message),
        lambda mine, theirs: like(mine.thread, theirs.message),
        lambda mine, theirs: like(mine.thread, mine.message, theirs.message),
    ],
    "attachments.delete": [
        lambda mine, theirs: {"attachment_id": theirs.attachment},
        lambda mine, theirs: {"attachment_id": theirs.upload},
    ],
    "attachments.create": [],
    "input.transcribe": [],
}
# Operations that name nothing: they answer everybody, with what is their own.
ALONE: dict[str, dict[str, Any]] = {
    "threads.create": {"input": message("Hello")},
    "threads.list": {},
    "attachments.create": {"name": "a", "size": 1, "mime_type": "image/png"},
    "input.transcribe": {"audio_base64": "c291bmQ=", "mime_type": "audio/webm"},
}


def answer(thread: str, item: str) -> dict[str, Any]:
    return {"thread_id": thread, "item_id": item, "input": {"answers": {}}}


def press(thread: str, item: str) -> dict[str, Any]:
    return {"thread_id": thread, "item_id": item, "action": ACTION}


def like(thread: str, *items: str) -> dict[str, Any]:
    return {"thread_id": thread, "item_ids": items, "kind": "negative"}


@dataclass
class Person:
    """Somebody who sends requests."""

    name: str
    chat: ChatClient
    mine: Ids
    owner: str
    refusal: int = 404


@pytest.fixture
def contexts(request: pytest.FixtureRequest, settings: Any) -> str | None:
    """The project's class of contexts, if it has one."""
    path: str | None = getattr(request, "param", None)
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"CONTEXT": path}
    return path


both = pytest.mark.parametrize(
    "contexts", [None, "tests.teams.TeamContext"], indirect=True, ids=["users", "teams"]
)


PEOPLE = ["other user", "anonymous", "other visitor", "staff", "superuser"]
# Who is no user is in no team, and staff are between the two others.
strangers = pytest.mark.parametrize(
    ("contexts", "person"),
    [
        *((None, name) for name in PEOPLE),
        ("tests.teams.TeamContext", "other user"),
        ("tests.teams.TeamContext", "superuser"),
    ],
    indirect=True,
    ids=[f"{name}-users" for name in PEOPLE] + ["other user-teams", "superuser-teams"],
)


def owner_of(user: User) -> str:
    """Return the owner of a user's rows, who may be the user's team."""
    if context_class() is not context.RequestContext:
        user.groups.add(Group.objects.create(name=f"{user.username}'s"))
    return context_class().get_owner(user)


@pytest.fixture
def theirs(contexts: str | None, ann: User, png: bytes) -> Ids:
    """What Ann or her team has, full of canaries."""
    return build(owner_of(ann), ann, CANARY, png)


@pytest.fixture
def person(
    request: pytest.FixtureRequest,
    model: LoopbackAPI,
    theirs: Ids,
    settings: Any,
    png: bytes,
) -> Person:
    """Somebody who is not Ann, with rows of their own."""
    chat, name = ChatClient(), request.param
    if name == "anonymous":
        return Person(name, chat, unknown(), "visitor:0", refusal=401)
    if name == "other visitor":
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"ALLOW_ANONYMOUS": True}
        session = chat.session
        owner = session[context.SESSION_KEY] = "visitor:other"
        session.save()
        return Person(name, chat, build(owner, None, "other", png), owner)
    user = User.objects.create_user(
        name, is_staff=name != "other user", is_superuser=name == "superuser"
    )
    if name == "staff":
        # The permissions of another app open nothing here.
        user.user_permissions.set(
            Permission.objects.exclude(content_type__app_label="chatkit_images")
        )
    chat.force_login(user)
    owner = owner_of(user)
    return Person(name, chat, build(owner, user, "other", png), owner)


async def body_of(response: Any) -> bytes:
    if response.streaming:
        return b"".join([chunk async for chunk in response.streaming_content])
    return bytes(response.content)


def requests_for(person: Person, ids: Ids) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield a name and a request for all that can name what is in ``ids``."""
    chat, mine = person.chat, person.mine
    for op, ways in WAYS.items():
        for number, way in enumerate(ways):
            params = way(mine, ids)
            yield f"{op} #{number}", lambda op=op, p=params: chat.request_op(op, p)
    for variant in ("full", "thumbnail", "partial-0", "partial-7", "other"):
        url = reverse("chatkit_images:session-image", args=[ids.image, variant])
        yield f"session-image {variant}", lambda url=url: chat.get(url)
        # A token for the image, but made for somebody else.
        token = url_tokens.make("image", ids.image.hex, variant, person.owner)
        url = reverse("chatkit_images:image", args=[token])
        yield f"image {variant}", lambda url=url: chat.get(url)
    url = reverse("chatkit_images:report", args=[ids.image])
    yield "report", lambda url=url: chat.post(url, {}, "application/json")
    url = reverse("chatkit_images:entity", args=[f"img_{ids.image.hex}"])
    yield "entity", lambda url=url: chat.get(url)
    # Staff see there what the admin shows: tests/test_lineage.py.
    if person.name != "superuser":
        url = reverse("chatkit_images:lineage", args=[ids.image])
        yield "lineage", lambda url=url: chat.get(url)
    for variant in ("full", "thumbnail"):
        token = url_tokens.make("attachment", ids.attachment, variant, person.owner)
        url = reverse("chatkit_images:attachment", args=[token])
        yield f"attachment {variant}", lambda url=url: chat.get(url)
    for method in ("post", "put"):
        for key in (ids.upload, ids.attachment):
            token = url_tokens.make("upload", key, "full", person.owner)
            url = reverse("chatkit_images:upload", args=[token])
            send = getattr(chat, method)
            yield (
                f"upload {method}",
                lambda send=send, url=url: send(url, b"x", content_type="text/plain"),
            )
    for key in (ids.upload, ids.attachment):
        url = reverse("chatkit_images:upload-finish", args=[key])
        yield "upload-finish", lambda url=url: chat.post(url)
    for name in ("stop", "status", "thread-events", "run-stop", "run-events"):
        key = ids.run if name.startswith("run-") else ids.thread
        url = reverse(f"chatkit_images:{name}", args=[key])
        send = chat.post if name.endswith("stop") else chat.get
        yield name, lambda send=send, url=url: send(url)


# What the tables must have


def test_every_operation_of_the_sdk_has_a_row() -> None:
    assert set(WAYS) == OPERATIONS
    assert set(ALONE) == {
        op for op in OPERATIONS if not WAYS[op] or op.endswith((".create", "s.list"))
    } - {"items.list"}


def test_every_route_has_a_row() -> None:
    tested = {"session-image", "image", "attachment", "upload", "stop"}
    tested |= {"status", "thread-events", "run-stop", "run-events"}
    tested |= {"entities", "entity", "lineage", "upload-finish", "report"}
    others = {"chat", "upload-direct", "ready", "csrf", "limits", "composer"}
    assert {route.name for route in urls.urlpatterns} == tested | others


# Strangers


@strangers
@pytest.mark.sweep(4)
async def test_strangers_get_nothing_and_see_only_their_own(
    person: Person,
    theirs: Ids,
    chat: ChatClient,
    model: LoopbackAPI,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await watches_what_it_may(person, theirs, chat)
    sent = await gets_nothing_and_changes_nothing(person, theirs, model)
    await sees_only_its_own_where_nothing_is_named(person)
    with capsys.disabled():
        print(f"\n{person.name}: {sent} cells", end=" ")


async def watches_what_it_may(person: Person, theirs: Ids, chat: ChatClient) -> None:
    assert await opens(person.chat, theirs.thread) == (person.name == "superuser")
    assert await opens(person.chat, person.mine.thread) == (person.name != "anonymous")
    assert await opens(chat, theirs.thread)
    assert not await opens(chat, unknown().thread)


async def gets_nothing_and_changes_nothing(
    person: Person, theirs: Ids, model: LoopbackAPI
) -> int:
    """Send all that can name something, and return how much that was."""
    nothing = [request for _, request in requests_for(person, unknown())]
    cells = list(requests_for(person, theirs))
    before = await snapshot()
    problems = []
    for (name, request), same_of_nothing in zip(cells, nothing, strict=True):
        expected = person.refusal
        if name.startswith(("image", "attachment ", "upload ")):
            expected = 404  # The token is the authority, whoever has it.
        answers = []
        for send in (request, same_of_nothing):
            response = await send()
            answers.append((response.status_code, await body_of(response)))
        if answers[0][0] != expected:
            problems.append(f"{name}: {answers[0]}")
        if answers[0] != answers[1]:
            problems.append(f"{name}: {answers[1]} for what does not exist")
        if CANARY.encode() in answers[0][1]:
            problems.append(f"{name}: leak")
    assert problems == []
    assert await snapshot() == before
    assert model.requests == []
    return 2 * len(cells)


async def sees_only_its_own_where_nothing_is_named(person: Person) -> None:
    before = await snapshot()
    for op, params in ALONE.items():
        response = await person.chat.request_op(op, params)
        body = await body_of(response)
        expected = 401 if person.refusal == 401 else 200
        assert (op, response.status_code) == (op, expected), body
        assert CANARY.encode() not in body
    url = reverse("chatkit_images:entities")
    for query in ("", CANARY):
        response = await person.chat.get(url, {"q": query})
        assert response.status_code == expected
        assert CANARY.encode() not in response.content
    file = {"file": SimpleUploadedFile("a.txt", b"text")}
    response = await person.chat.post(reverse("chatkit_images:upload-direct"), file)
    assert response.status_code == expected
    # Rows came, but none that was there is another now.
    after = await snapshot()
    for name, rows in before.items():
        # What they use is counted, for themselves.
        kept = [row for row in rows if row.get("owner") != person.owner]
        assert [row for row in kept if row not in after[name]] == [], name
    owners = {row["owner"] for row in after["Thread"]} - {person.owner}
    assert len(owners) == 1


# The owner


@both
@pytest.mark.sweep(1)
async def test_owner_may_do_all_of_it(
    chat: ChatClient, theirs: Ids, ann: User, model: LoopbackAPI, png: bytes
) -> None:
    owner = (await models.Thread.objects.aget(pk=theirs.thread)).owner
    for op, ways in WAYS.items():
        for number, way in enumerate(ways):
            # What was deleted or answered before is there again.
            ids = await populate(owner, ann, f"{op} {number}", png)
            response = await chat.request_op(op, way(ids, ids))
            body = await body_of(response)
            assert response.status_code == 200, (op, number, body)
            assert b'"error"' not in body, (op, number)


async def test_owner_sees_the_canaries(chat: ChatClient, theirs: Ids) -> None:
    thread = await chat.call("threads.get_by_id", thread_id=theirs.thread)
    shown = json.dumps(thread)
    for text in ("title", "message", "quote", "widget", "ask"):
        assert f"{text} {CANARY}" in shown
    for text in ("metadata", "hidden", "prompt"):
        assert f"{text} {CANARY}" not in shown


async def test_owner_sees_the_images(
    chat: ChatClient, theirs: Ids, ann: User, png: bytes
) -> None:
    addresses = []
    for variant in ("full", "thumbnail", "partial-0"):
        session = reverse("chatkit_images:session-image", args=[theirs.image, variant])
        token = url_tokens.make("image", theirs.image.hex, variant, f"user:{ann.pk}")
        signed = reverse("chatkit_images:image", args=[token])
        addresses += [(session, 401), (signed, 200)]
        for client, url in ((chat, session), (ChatClient(), signed)):
            response = await client.get(url)
            assert (response.status_code, response.content) == (200, png), variant
    await chat.alogout()
    for url, status in addresses:
        assert (await chat.get(url)).status_code == status, url


async def test_item_of_my_other_thread_is_a_404(
    chat: ChatClient, theirs: Ids, ann: User, png: bytes, model: LoopbackAPI
) -> None:
    other = await populate(f"user:{ann.pk}", ann, "second", png)
    more = {"action": ACTION, "input": {"answers": {}}, "kind": "positive"}
    before = await snapshot()
    for op, item in {
        "threads.retry_after_item": other.message,
        "threads.add_structured_input": other.question,
        "threads.custom_action": other.widget,
        "threads.sync_custom_action": other.widget,
        "items.feedback": other.message,
        "items.list": other.message,
    }.items():
        named = {"item_id": item, "item_ids": [item], "after": item}
        params = {"thread_id": theirs.thread} | named | more
        assert (await chat.request_op(op, params)).status_code == 404, op
    assert await snapshot() == before
    assert model.requests == []


# Threads that staff have locked or closed

CHANGES = [
    "threads.add_user_message",
    "threads.add_client_tool_output",
    "threads.add_structured_input",
    "threads.retry_after_item",
    "threads.custom_action",
    "threads.sync_custom_action",
    "threads.update",
    "threads.delete",
    "items.feedback",
]
READS = ["threads.get_by_id", "threads.list", "items.list"]


def test_operations_that_change_and_that_read_are_all() -> None:
    assert {*CHANGES, *READS} == {
        op for op in OPERATIONS if op.startswith(("threads.", "items."))
    } - {"threads.create"}


@pytest.mark.parametrize("status", ["locked", "closed"])
@pytest.mark.sweep(1)
async def test_locked_and_closed_threads_take_no_change(
    chat: ChatClient, theirs: Ids, model: LoopbackAPI, status: str
) -> None:
    file = await models.Attachment.objects.exclude(thread=None).afirst()
    for words in (None, "Under review."):
        await models.Thread.objects.aupdate(status=status, status_reason=words)
        before = await snapshot()
        for op in CHANGES:
            for way in WAYS[op]:
                response = await chat.request_op(op, way(theirs, theirs))
                assert response.status_code == 409, (op, await body_of(response))
                error = json.loads(await body_of(response))["error"]
                assert error["code"] == f"thread_{status}"
                assert error["message"] == (words or f"This chat is {status}.")
        if file is not None:
            params = {"attachment_id": file.pk}
            response = await chat.request_op("attachments.delete", params)
            assert response.status_code == 409
        assert await snapshot() == before
        assert model.requests == []
    for op in READS:
        response = await chat.request_op(op, WAYS[op][0](theirs, theirs))
        assert response.status_code == 200


# Runs


async def test_stranger_cannot_stop_or_join_a_run(
    chat: ChatClient, stranger: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(Text("Once."), gate, Text("Twice."))
    response = await chat.request_op("threads.create", {"input": message("Hello")})
    events = read_events(response)
    key = (await anext(events))["thread"]["id"]
    assert await sync_to_async(gate.reached.wait, thread_sensitive=False)(10)
    stop = reverse("chatkit_images:stop", args=[key])
    assert (await stranger.post(stop)).status_code == 404
    for op in ("threads.add_user_message", "threads.delete"):
        params = {"thread_id": key, "input": message("Hello")}
        assert (await stranger.request_op(op, params)).status_code == 404
    gate.open()
    rest = [event async for event in events]
    said = [
        item["content"][0]["text"] for item in done_items(rest, "assistant_message")
    ]
    assert said == ["Once.", "Twice."]
    assert (await models.Run.objects.aget()).status == "completed"
    assert len(model.requests) == 1


# Signed URLs


@pytest.mark.row("O05")
async def test_signed_url_lives_to_its_last_second(
    theirs: Ids, ann: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "URL_MAX_AGE": 60,
        "TUNING": {"URL_WINDOW": 10},
    }
    start = now = 1_700_000_000
    monkeypatch.setattr(time, "time", lambda: now)
    owner = f"user:{ann.pk}"
    tokens = {
        "image": token("image", theirs.image.hex, owner),
        "attachment": token("attachment", theirs.attachment, owner),
    }
    chat = ChatClient()
    for kind, made in tokens.items():
        said = url_tokens.read(made, expired_ok=True)
        assert said is not None
        last = said.expires
        assert start + 60 < last <= start + 70
        path = reverse(f"chatkit_images:{kind}", args=[made])
        for second, status in (
            (start, 200),
            (last - 1, 200),
            (last, 200),
            (last + 1, 404),
        ):
            now = second
            response = await chat.get(path)
            assert response.status_code == status, now - start
            if status == 200:
                kept = "private" if now < last else "no-store"
                assert response["Cache-Control"].startswith(kept)
                assert response["Referrer-Policy"] == "no-referrer"


async def test_no_route_leads_to_the_login_of_a_project_that_asks_for_one(
    transactional_db: None, settings: Any
) -> None:
    path = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, path]
    client = ChatClient()
    for name, address in addresses().items():
        for ask in (client.get, client.post):
            response = await ask(address)
            assert response.status_code not in (301, 302), name


def token(kind: str, key: str, owner: str, variant: str = "full") -> str:
    return url_tokens.make(kind, key, variant, owner)


async def test_no_character_of_a_token_can_be_changed(
    theirs: Ids, ann: User, png: bytes
) -> None:
    good = token("image", theirs.image.hex, f"user:{ann.pk}")
    chat = ChatClient()

    async def status(value: str) -> int:
        response = await chat.get(f"{URL}images/{value}/")
        assert png not in response.content
        return int(response.status_code)

    for place, old in enumerate(good):
        others = [old.swapcase()] if old.isalpha() else []
        others.append("A" if old != "A" else "B")
        for new in others:
            changed = good[:place] + new + good[place + 1 :]
            assert await status(changed) == 404, (place, new)
    for value in (good[:-1], good + "A", good[1:], good.replace("~", "."), good * 2):
        assert await status(value) == 404


async def test_token_is_good_for_one_kind_key_variant_and_owner(
    theirs: Ids, ann: User, bob: User, png: bytes
) -> None:
    owner, chat = f"user:{ann.pk}", ChatClient()
    second = await populate(owner, ann, "second", png)
    routes = {
        "image": theirs.image.hex,
        "attachment": theirs.attachment,
        "upload": theirs.upload,
    }
    for (kind, key), route in itertools.product(routes.items(), routes):
        if kind == route:
            continue
        url = reverse(f"chatkit_images:{route}", args=[token(kind, key, owner)])
        send = chat.put if route == "upload" else chat.get
        assert (await send(url)).status_code == 404, (kind, route)
    # The parts cannot be moved: each is signed with its place.
    one = token("image", theirs.image.hex, owner)
    body, _, signature = one.partition("~")
    for old, new in (
        (theirs.image.hex, second.image.hex),
        ("full", "thumbnail"),
        (url_tokens.digest(owner), url_tokens.digest(f"user:{bob.pk}")),
        ("image.", "upload."),
        (body.rpartition(".")[2], "ffffffff"),
    ):
        assert url_tokens.read(f"{body.replace(old, new)}~{signature}") is None
        assert url_tokens.read(one) is not None


async def test_signed_url_dies_with_its_row_and_its_owner(
    theirs: Ids, ann: User, bob: User, png: bytes
) -> None:
    owner, chat = f"user:{ann.pk}", ChatClient()
    image = reverse(
        "chatkit_images:image", args=[token("image", theirs.image.hex, owner)]
    )
    file = reverse(
        "chatkit_images:attachment",
        args=[token("attachment", theirs.attachment, owner)],
    )
    upload = reverse(
        "chatkit_images:upload", args=[token("upload", theirs.upload, owner)]
    )
    assert [(await chat.get(url)).status_code for url in (image, file)] == [200, 200]
    await models.Thread.objects.filter(owner=owner).aupdate(owner=f"user:{bob.pk}")
    await models.Attachment.objects.filter(owner=owner).aupdate(owner=f"user:{bob.pk}")
    gone = [(await chat.get(url)).status_code for url in (image, file)]
    gone.append((await chat.post(upload, {"file": io.BytesIO(png)})).status_code)
    assert gone == [404, 404, 404]
    await models.Thread.objects.aupdate(owner=owner)
    await models.Attachment.objects.aupdate(owner=owner)
    assert [(await chat.get(url)).status_code for url in (image, file)] == [200, 200]
    await sync_to_async(models.GeneratedImage.objects.all().delete)()
    await sync_to_async(models.Attachment.objects.all().delete)()
    assert [(await chat.get(url)).status_code for url in (image, file)] == [404, 404]


async def test_signed_url_survives_a_new_secret_key_only_as_a_fallback(
    theirs: Ids, ann: User, settings: Any
) -> None:
    url = reverse(
        "chatkit_images:image",
        args=[token("image", theirs.image.hex, f"user:{ann.pk}")],
    )
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another"
    assert (await ChatClient().get(url)).status_code == 404
    settings.SECRET_KEY_FALLBACKS = [old]
    assert (await ChatClient().get(url)).status_code == 200


@pytest.mark.row("P10")
async def test_shared_cache_keeps_no_image_for_the_next_person(
    theirs: Ids, ann: User, bob: User, settings: Any, png: bytes
) -> None:
    settings.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    url = reverse("chatkit_images:session-image", args=[theirs.image, "full"])
    for user, status in ((ann, 200), (bob, 404), (ann, 200)):
        chat = ChatClient()
        await chat.aforce_login(user)
        assert (await chat.get(url)).status_code == status


# Visitors


@pytest.fixture
def visitors(settings: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"ALLOW_ANONYMOUS": True}


async def test_two_visitors_do_not_see_each_other(
    transactional_db: None, visitors: None, model: LoopbackAPI
) -> None:
    one, two = ChatClient(), ChatClient()
    mine = thread_id(await one.say("Hello"))
    other = thread_id(await two.say("Hello"))
    for chat, key, foreign in ((one, mine, other), (two, other, mine)):
        page = await chat.call("threads.list")
        assert [thread["id"] for thread in page["data"]] == [key]
        params = {"thread_id": foreign}
        assert (await chat.request_op("threads.get_by_id", params)).status_code == 404
    assert await models.Thread.objects.filter(user=None).acount() == 2
    owners = [row.owner async for row in models.Thread.objects.all()]
    for chat in (one, two):
        assert not any(chat.session.session_key in owner for owner in owners)


async def test_login_takes_the_threads_of_the_session_along(
    bob: User, visitors: None, model: LoopbackAPI, png: bytes
) -> None:
    chat = ChatClient()
    model.respond_with(Image(data=png), Text("Done."))
    events = await chat.say("a fox")
    key = thread_id(events)
    url = done_items(events, "generated_image")[0]["image"]["url"]
    assert await chat.alogin(username="bob", password="bob") is True
    thread = await chat.call("threads.get_by_id", thread_id=key)
    (item,) = [i for i in thread["items"]["data"] if i["type"] == "generated_image"]
    assert (await ChatClient().get(item["image"]["url"])).content == png
    # The visitor's own URL dies: it was made for somebody who is no more.
    assert (await ChatClient().get(url)).status_code == 404
    row = await models.Thread.objects.aget()
    assert (row.owner, row.user_id) == (f"user:{bob.pk}", bob.pk)
    # The next person at this browser is a new visitor.
    await chat.alogout()
    assert (await chat.call("threads.list"))["data"] == []
    response = await chat.request_op("threads.get_by_id", {"thread_id": key})
    assert response.status_code == 404
    await chat.say("Hello")
    await chat.alogin(username="bob", password="bob")
    assert len((await chat.call("threads.list"))["data"]) == 2


async def test_login_of_one_person_leaves_what_another_had(
    ann: User, bob: User, chat: ChatClient, model: LoopbackAPI
) -> None:
    key = thread_id(await chat.say("Hello"))
    await chat.alogin(username="bob", password="bob")
    assert (await chat.call("threads.list"))["data"] == []
    assert (await models.Thread.objects.aget(pk=key)).user_id == ann.pk


@pytest.mark.parametrize("op", ["threads.get_by_id", "threads.add_user_message"])
async def test_identity_is_never_taken_from_the_request(
    stranger: ChatClient, ann: User, theirs: Ids, model: LoopbackAPI, op: str
) -> None:
    before = await snapshot()
    headers = {
        "X-User-Id": str(ann.pk),
        "X-User": "ann",
        "Remote-User": "ann",
        "X-Forwarded-User": "ann",
        "Daphne-Root-Path": "/chatkit",
        "X-Owner": f"user:{ann.pk}",
    }
    body = {
        "type": op,
        "params": {"thread_id": theirs.thread, "input": message("Hello")}
        | {"user": ann.pk, "owner": f"user:{ann.pk}"},
        "metadata": {"user_id": ann.pk, "owner": f"user:{ann.pk}"},
        "owner": f"user:{ann.pk}",
    }
    response = await stranger.post(
        f"{URL}?user={ann.pk}",
        json.dumps(body),
        content_type="application/json",
        headers=headers,
    )
    assert response.status_code == 404
    assert await snapshot() == before
    assert model.requests == []


# The admin


def admin_urls(rows: dict[type, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and path of every page of this app's admin, on Ann's rows."""
    for model, page in list(admin.site._registry.items()):
        if model._meta.app_label != "chatkit_images":
            continue
        for route in page.get_urls():
            parts = route.pattern.converters
            known = {
                "object_id": [quote(rows[model].pk)],
                "variant": ["full", "thumbnail", "partial-0"],
                "operation": ["zip", "delete", "hide"],
                "table": ["days", "models", "persons"],
            }
            assert set(parts) <= set(known), f"{route} needs a value in this table"
            for values in itertools.product(*(known[part] for part in parts)):
                arguments = dict(zip(parts, values, strict=True))
                name = f"{model.__name__} {route.name or route.pattern}"
                if route.name is None:
                    # Django's old address of a change page.
                    app, lower = model._meta.app_label, model._meta.model_name
                    yield name, f"/admin/{app}/{lower}/{values[0]}/"
                else:
                    yield name, reverse(f"admin:{route.name}", kwargs=arguments)


def pages_of(ids: Ids) -> list[tuple[str, str]]:
    models.OwnerBlock.objects.create(owner="nobody", words=f"block {CANARY}")
    models.LegalHold.objects.create(owner="nobody", reason=f"hold {CANARY}")
    models.Brake.objects.create(is_on=False, words=f"brake {CANARY}")
    models.Decision.objects.create(image_id=ids.image, reason=f"why {CANARY}")
    models.UseEntry.objects.create(
        owner=CANARY, day=datetime.date.today(), kind="run", amount=1
    )
    models.UseSummary.objects.create(
        period="day", start=datetime.date.today(), owner=CANARY, model=CANARY
    )
    rows = {model: model._default_manager.first() for model in admin.site._registry}
    rows[models.Thread] = models.Thread.objects.get(pk=ids.thread)
    rows[models.GeneratedImage] = models.GeneratedImage.objects.get(pk=ids.image)
    rows[models.Attachment] = models.Attachment.objects.get(pk=ids.attachment)
    return list(admin_urls(rows))


@pytest.mark.parametrize("name", ["other user", "anonymous", "staff"])
@pytest.mark.sweep(2)
async def test_admin_shows_nothing_without_its_permission(
    transactional_db: None,
    theirs: Ids,
    png: bytes,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chat = ChatClient()
    if name != "anonymous":
        user = await User.objects.acreate(username=name, is_staff=name == "staff")
        others = Permission.objects.exclude(content_type__app_label="chatkit_images")
        await user.user_permissions.aset([row async for row in others])
        await chat.aforce_login(user)
    pages = await database_sync_to_async(pages_of)(theirs)
    assert len(pages) >= 30
    before, problems, cells = await snapshot(), [], 0
    forged = {
        "post": "yes",
        "action": "delete_selected",
        "_selected_action": [theirs.thread, str(theirs.image)],
        "title": "Mine",
        "status": "closed",
    }
    for (page, path), method in itertools.product(pages, ("get", "post")):
        cells += 1
        response = await getattr(chat, method)(path, forged)
        content = await body_of(response)
        turned_away = response.status_code in (403, 404, 405)
        if name != "staff":
            place = response.headers.get("Location", "")
            turned_away = place.startswith("/admin/login/")
        elif response.status_code in (301, 302):
            # The address without a page of its own leads on, to one that refuses.
            place = response["Location"]
            turned_away = (await chat.get(place)).status_code == 403
        if not turned_away or CANARY.encode() in content or png in content:
            problems.append(f"{method} {page}: {response.status_code}")
    assert problems == []
    assert await snapshot() == before
    with capsys.disabled():
        print(f"\nadmin, {name}: {cells} cells", end=" ")


@pytest.mark.parametrize("rows", ["all", "narrowed"])
async def test_staff_see_what_each_permission_opens_and_nothing_else(
    transactional_db: None,
    theirs: Ids,
    png: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rows: str,
) -> None:
    pages = await database_sync_to_async(pages_of)(theirs)
    # Rows themselves, and bytes; the matrices around have all pages.
    pages = [
        (page, path) for page, path in pages if re.search("_(change|image)$", page)
    ]
    views = [f"view_{page.split()[0].lower()}" for page, _ in pages]
    grants = [[name] for name in dict.fromkeys([*views, "change_thread", "add_thread"])]
    if rows == "narrowed":
        grants = [list(dict.fromkeys(views))]
        for model, page in admin.site._registry.items():
            if model._meta.app_label == "chatkit_images":
                nothing = model._default_manager.none
                monkeypatch.setattr(page, "get_queryset", lambda _, n=nothing: n())
    user = await User.objects.acreate(username="staff", is_staff=True)
    chat, cells, problems = ChatClient(), 0, []
    await chat.aforce_login(user)
    for granted in grants:
        named = Permission.objects.filter(codename__in=granted)
        await user.user_permissions.aset([each async for each in named])
        watches = rows == "all" and granted[0] in ("view_thread", "change_thread")
        if await opens(chat, theirs.thread) != watches:
            problems.append(f"{granted}: the WebSocket")
        for page, path in pages:
            cells += 1
            content = await body_of(await chat.get(path))
            name = page.split()[0].lower()
            may = {f"view_{name}", f"change_{name}"} & {*granted} and rows == "all"
            if (CANARY.encode() in content or content == png) and not may:
                problems.append(f"{granted}: {page}")
    assert problems == []
    with capsys.disabled():
        print(f"\n{rows}: {cells} cells", end=" ")


async def test_admin_shows_the_canaries_to_a_superuser(
    admin_user: User, theirs: Ids, png: bytes
) -> None:
    chat = ChatClient()
    await chat.aforce_login(admin_user)
    leaks, images = set(), 0
    for page, path in await database_sync_to_async(pages_of)(theirs):
        response = await chat.get(path)
        content = await body_of(response)
        # Nothing can be added, and only images have previews.
        assert response.status_code in (200, 302, 403, 404, 405), path
        images += content == png
        if CANARY.encode() in content:
            leaks.add(page.split()[0])
    # The matrix above would see a leak of each of these.
    assert leaks >= {
        "Thread",
        "GeneratedImage",
        "Attachment",
        "Run",
        "RefusedInput",
        "DeletedFile",
        "OwnerBlock",
        "Brake",
        "UseEntry",
        "UseSummary",
    }
    assert images >= 5
