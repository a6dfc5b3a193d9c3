"""Who may watch a thread by the WebSocket, for how long, and what staff are shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest

from chatkit_images import file_urls
from chatkit_images.admin import ThreadAdmin
from chatkit_images.consumers import ThreadConsumer, staff_frames, websocket
from chatkit_images.context import RequestContext
from chatkit_images.models import (
    Attachment,
    GeneratedImage,
    OwnerBlock,
    Run,
    Thread,
    ThreadItem,
)
from chatkit_images.queries import reviews
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from tests.client import ChatClient, message

HOST = b"testserver"


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "LOOK_SECONDS", 0.05)


@pytest.fixture
async def thread(chat: ChatClient, ann: User) -> Thread:
    return await Thread.objects.acreate(pk="thr_1", owner=f"user:{ann.pk}", user=ann)


async def staff(*permissions: str, name: str = "sue") -> ChatClient:
    user = await User.objects.acreate(username=name, is_staff=True)
    names = Permission.objects.filter(codename__in=permissions)
    await user.user_permissions.aset([each async for each in names])
    return await client_of(user)


async def client_of(user: User) -> ChatClient:
    client = ChatClient()
    await client.aforce_login(user)
    return client


@asynccontextmanager
async def socket(
    client: ChatClient, key: str, **scope: Any
) -> AsyncIterator[ApplicationCommunicator]:
    """Open a WebSocket with the cookies of a client."""
    cookies = "; ".join(f"{k}={v.value}" for k, v in client.cookies.items())
    headers = [
        (b"host", HOST),
        (b"origin", b"http://" + HOST),
        (b"cookie", cookies.encode()),
    ]
    opened = ApplicationCommunicator(
        ThreadConsumer.as_asgi(),
        {"type": "websocket", "path": "/", "query_string": b"", "scheme": "ws"}
        | {"headers": headers, "url_route": {"kwargs": {"thread_id": key}}}
        | scope,
    )
    await opened.send_input({"type": "websocket.connect"})
    try:
        yield opened
    finally:
        await opened.send_input({"type": "websocket.disconnect"})
        await opened.wait(10)


async def opens(client: ChatClient, key: str = "thr_1", **scope: Any) -> bool:
    async with socket(client, key, **scope) as opened:
        answer = await opened.receive_output(10)
    assert answer in (
        {"type": "websocket.accept"},
        {"type": "websocket.close", "code": 4404},
    )
    return answer["type"] == "websocket.accept"


# Who may


async def test_staff_may_watch_what_the_admin_shows_them(thread: Thread) -> None:
    opened = set()
    for permission in await sync_to_async(list)(
        Permission.objects.filter(content_type__app_label="chatkit_images")
    ):
        client = await staff(permission.codename, name=permission.codename)
        page = await client.get(f"/admin/chatkit_images/thread/{thread.pk}/change/")
        opened.add((page.status_code == 200, may := await opens(client)))
        assert may == (permission.codename in ("view_thread", "change_thread"))
    assert opened == {(True, True), (False, False)}


class Narrowed(ThreadAdmin):
    """Shows no thread."""

    narrow = True

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return no rows, while that is to be."""
        rows = super().get_queryset(request)
        return rows.none() if self.narrow else rows


class Picky(ThreadAdmin):
    """Shows no thread of Ann's."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False`` for a thread."""
        return obj is None and super().has_view_permission(request, obj)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Have a class of the project's own for threads; ``None`` for none."""

    def register(page: Any) -> None:
        if page is None:
            monkeypatch.delitem(admin.site._registry, Thread)
        else:
            monkeypatch.setitem(admin.site._registry, Thread, page(Thread, admin.site))

    return register


@pytest.mark.parametrize("page", [Narrowed, Picky, None])
async def test_a_projects_own_admin_is_asked(
    thread: Thread, registered: Callable[[Any], None], page: Any
) -> None:
    client = await staff("view_thread")
    assert await opens(client)
    registered(page)
    assert not await opens(client)
    # Others need no admin.
    assert await opens(await client_of(await User.objects.aget(username="ann")))


async def test_without_an_admin_staff_see_nothing(
    thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await staff("view_thread")
    installed = apps.is_installed
    monkeypatch.setattr(
        apps,
        "is_installed",
        lambda name: name != "django.contrib.admin" and installed(name),
    )
    assert not await opens(client)


# For how long


async def log_out(client: ChatClient, user: User) -> None:
    await client.alogout()


async def switch_off(client: ChatClient, user: User) -> None:
    await User.objects.filter(pk=user.pk).aupdate(is_active=False)


async def delete_user(client: ChatClient, user: User) -> None:
    await sync_to_async(user.delete)()


async def delete_thread(client: ChatClient, user: User) -> None:
    await sync_to_async(Thread.objects.all().delete)()


async def block(client: ChatClient, user: User) -> None:
    await OwnerBlock.objects.acreate(owner=f"user:{user.pk}", words="No more.")


async def take_permission(client: ChatClient, user: User) -> None:
    await user.user_permissions.aclear()


async def narrow(client: ChatClient, user: User) -> None:
    admin.site._registry[Thread].narrow = True  # type: ignore[attr-defined]


Change = Callable[[ChatClient, User], Awaitable[None]]


@pytest.mark.parametrize(
    ("who", "change", "code"),
    [
        ("owner", log_out, 4401),
        ("owner", switch_off, 4401),
        ("owner", delete_user, 4401),
        ("owner", delete_thread, 4404),
        ("owner", block, 4403),
        ("staff", log_out, 4401),
        ("staff", switch_off, 4401),
        ("staff", delete_user, 4401),
        ("staff", delete_thread, 4404),
        ("staff", take_permission, 4404),
        ("staff", narrow, 4404),
    ],
)
async def test_a_watch_ends_with_the_right_to_it(
    thread: Thread,
    ann: User,
    registered: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
    who: str,
    change: Change,
    code: int,
) -> None:
    monkeypatch.setattr(Narrowed, "narrow", False)
    registered(Narrowed)
    client = await client_of(ann) if who == "owner" else await staff("view_thread")
    user = ann if who == "owner" else await User.objects.aget(username="sue")
    async with socket(client, thread.pk) as opened:
        assert await opened.receive_output(10) == {"type": "websocket.accept"}
        assert await opened.receive_nothing(0.3)
        await change(client, user)
        closed = await opened.receive_output(10)
    # The user may be read in the moment before their threads are gone with them.
    moment = (who, change) == ("owner", delete_user) and closed["code"] == 4404
    assert closed["type"] == "websocket.close" and (closed["code"] == code or moment)
    assert closed.get("reason", "") == ("No more." if change is block else "")


@pytest.mark.parametrize("kind", ["session", "token"])
async def test_what_channels_has_put_into_the_scope_is_read_again(
    thread: Thread, ann: User, kind: str
) -> None:
    client = await client_of(ann)
    scope: dict[str, Any] = {"user": await User.objects.aget(pk=ann.pk)}
    if kind == "session":
        scope["session"] = client.session
    async with socket(ChatClient(), thread.pk, **scope) as opened:
        assert await opened.receive_output(10) == {"type": "websocket.accept"}
        assert await opened.receive_nothing(0.3)
        await (log_out if kind == "session" else switch_off)(client, ann)
        assert (await opened.receive_output(10))["code"] == 4401


# What staff see


async def frames_of(opened: ApplicationCommunicator) -> list[dict[str, Any]]:
    """Return the events of one run."""
    events = []
    while True:
        answer = await opened.receive_output(20)
        assert answer["type"] == "websocket.send", answer
        frame = json.loads(answer["text"])
        if "event" in frame:
            events.append(frame["event"])
        elif frame["status"] != "running":
            return events


@pytest.mark.parametrize(
    "permissions",
    [
        ["view_thread"],
        ["view_thread", "view_generatedimage"],
        ["view_thread", "view_attachment"],
    ],
    ids=lambda names: "-".join(name.removeprefix("view_") for name in names),
)
async def test_staff_get_the_admins_urls_and_never_the_owners(
    chat: ChatClient,
    ann: User,
    model: LoopbackAPI,
    png: bytes,
    permissions: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = RequestContext.for_user(ann, base_url="http://testserver")
    thread = await Thread.objects.acreate(pk="thr_1", owner=owner.owner, user=ann)
    image = await GeneratedImage.objects.acreate(
        thread=thread, call_id="ig_0", status="completed", file="images/ab/0.png"
    )
    file = await Attachment.objects.acreate(
        pk="atc_1", owner=owner.owner, kind="image", name="a.png", file="a/b.png"
    )
    url = file_urls.image_url(image, owner)
    gate = Gate()
    model.respond_with(
        gate,
        Text(f"Look at ![it]({url}) and more.", chunk=7),
        Image(data=png, partials=1),
    )
    client = await staff(*permissions)
    async with socket(client, thread.pk) as opened:
        assert await opened.receive_output(10) == {"type": "websocket.accept"}
        asked = chat.stream(
            "threads.add_user_message",
            thread_id=thread.pk,
            input=message("a fox", [file.pk]),
        )
        task = asyncio.create_task(asked)
        assert await sync_to_async(gate.reached.wait, thread_sensitive=False)(10)
        frames = asyncio.create_task(frames_of(opened))
        gate.open()
        mine, seen = await task, await frames
    signed = "/chatkit/"
    assert signed in json.dumps(mine)
    assert signed not in json.dumps(seen)
    # Nor does anything that they got in pieces amount to one.
    pieces = "".join(
        event["update"].get("delta", "")
        for event in seen
        if event["type"] == "thread.item.updated"
    )
    assert signed not in pieces
    assert pieces.startswith("Look at ![it](")
    route = "/admin/chatkit_images/generatedimage/"
    assert (f"http://testserver{route}{image.pk}/image/full/" in pieces) == (
        "view_generatedimage" in permissions
    )
    shown = [
        event["item"]["image"]["url"]
        for event in seen
        if event["type"] == "thread.item.done"
        and event["item"]["type"] == "generated_image"
    ]
    made = await GeneratedImage.objects.exclude(pk=image.pk).aget()
    expected = f"http://testserver{route}{made.pk}/image/full/"
    assert shown == [expected if "view_generatedimage" in permissions else ""]
    (sent,) = [
        event["item"]["attachments"]
        for event in seen
        if event["type"] == "thread.item.done"
        and event["item"]["type"] == "user_message"
    ]
    assert [each["id"] for each in sent] == (
        [file.pk] if "view_attachment" in permissions else []
    )
    if "view_generatedimage" in permissions:
        path = expected.removeprefix("http://testserver")
        assert (await client.get(path)).content == png


async def test_staff_see_hidden_context_as_in_the_transcript(
    thread: Thread, ann: User
) -> None:
    run = await Run.objects.acreate(
        thread=thread, owner=thread.owner, operation="o", status="completed"
    )
    await ThreadItem.objects.acreate(
        thread=thread,
        item_id="shcx_1",
        type="hidden_context_item",
        payload={"type": "hidden_context_item", "content": "secret"},
    )
    context = RequestContext.for_user(ann)
    (event,) = await sync_to_async(websocket.hidden_events)(run, context)
    assert event["item"]["content"] == "secret"


def test_a_word_is_held_back_until_it_is_complete() -> None:
    frames = staff_frames.StaffFrames()
    item = {"id": "m", "type": "assistant_message", "content": [{"text": "see ht"}]}
    shown = [frames.held_back({"type": "thread.item.added", "item": item})]
    update = {"type": "assistant_message.content_part.text_delta", "content_index": 0}
    for delta in ("tp://a/", "image.x", " b", "c"):
        event = {"type": "thread.item.updated", "item_id": "m"}
        shown.append(frames.held_back(event | {"update": update | {"delta": delta}}))
    assert shown[0]["item"]["content"][0]["text"] == "see "
    deltas = [each["update"]["delta"] for each in shown[1:]]
    assert deltas == ["", "", "http://a/image.x ", ""]


# What staff hide


@pytest.mark.parametrize("who", ["owner", "staff"])
async def test_watchers_are_told_when_an_image_is_hidden(
    chat: ChatClient, model: LoopbackAPI, ann: User, png: bytes, who: str
) -> None:
    owner = await client_of(ann)
    model.respond_with(Image("a fox", partials=0), Text("Done."))
    await owner.say("a fox")
    image = await GeneratedImage.objects.select_related("item").aget()
    rights = ("view_thread", "view_generatedimage")
    client = owner if who == "owner" else await staff(*rights)

    async with socket(client, image.thread_id) as opened:
        assert (await opened.receive_output(10))["type"] == "websocket.accept"
        await sync_to_async(reviews.hide)([image.pk], "sue", words="Ask us.")
        frame = json.loads((await opened.receive_output(10))["text"])

    assert frame["run"] is None
    item = frame["event"]["item"]
    assert frame["event"]["type"] == "thread.item.replaced"
    assert item["id"] == image.item.item_id
    assert item["content"][0]["text"] == "Ask us."
