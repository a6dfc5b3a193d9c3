"""A visitor's session begins with the first thing that they make, by every door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from channels.sessions import SessionMiddlewareStack
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from chatkit_images import urls
from chatkit_images.consumers import ChatKitConsumer
from chatkit_images.models import Attachment, Thread
from chatkit_images.testing import LoopbackAPI, Text
from chatkit_images.views import ChatKitView
from tests.client import ChatClient, ask_asgi, message, read_events
from tests.servers.tour import OPERATIONS

CREATE = {"input": message("Hello")}
SOUND = {"audio_base64": "c291bmQ=", "mime_type": "audio/webm"}
FILE = {"name": "a", "size": 1, "mime_type": "image/png"}
BEGINNINGS = {
    "threads.create": CREATE,
    "attachments.create": FILE,
    "input.transcribe": SOUND,
}


@pytest.fixture(autouse=True)
def visitors(transactional_db: None, settings: Any) -> None:
    settings.CHATKIT_IMAGES |= {"ALLOW_ANONYMOUS": True}


async def ask(
    application: Any, op: str, params: Any, cookie: bytes = b""
) -> tuple[int, bytes, bytes]:
    """Return status, session cookie and body of the answer to a request."""
    browser = await ask_asgi(application, op, params, cookie)
    start = await browser.receive_output(30)
    body, more = b"", True
    while more:
        part = await browser.receive_output(30)
        body, more = body + part.get("body", b""), part.get("more_body", False)
    cookies = [v for k, v in start["headers"] if k.lower() == b"set-cookie"]
    named = [c.partition(b";")[0] for c in cookies if c.startswith(b"sessionid=")]
    return start["status"], (named or [b""])[0], body


@pytest.mark.parametrize("stack", [SessionMiddlewareStack, lambda inner: inner])
async def test_a_visitor_has_one_session(
    model: LoopbackAPI, stack: Callable[[Any], Any]
) -> None:
    application = stack(ChatKitConsumer.as_asgi(ChatKitView))
    status, cookie, _ = await ask(application, "threads.list", {})
    assert (status, cookie) == (200, b"")
    assert not await Session.objects.aexists()
    model.respond_with(Text("Hello."))
    status, cookie, _ = await ask(application, "threads.create", CREATE)
    assert (status, bool(cookie)) == (200, True)
    # Once it has it, nothing changes.
    thread = await Thread.objects.aget()
    status, again, body = await ask(application, "threads.list", {}, cookie)
    assert (status, again) == (200, b"")
    assert thread.pk.encode() in body
    assert await Session.objects.acount() == 1


async def test_who_only_looks_gets_no_session() -> None:
    chat, key = ChatClient(), str(uuid4())
    params = {"thread_id": "thr_x", "item_id": "msg_x", "item_ids": ["msg_x"]}
    params |= {"attachment_id": "atc_x", "title": "x", "kind": "positive"}
    params |= {"input": message("Hello"), "result": 1}
    params |= {"action": {"type": "press", "payload": 1}}
    for op in sorted(OPERATIONS - set(BEGINNINGS)):
        await chat.request_op(op, params)
    # What begins something begins nothing if it is refused.
    refused = {"threads.create": {"input": message(" ")}}
    refused["attachments.create"] = FILE | {"mime_type": "image/x"}
    refused["input.transcribe"] = SOUND | {"mime_type": "video/mp4"}
    for op, wrong in refused.items():
        assert (await chat.request_op(op, wrong)).status_code >= 400
    values = {"token": "x", "variant": "full", "thread_id": "thr_x"}
    values |= {"key": key, "run_id": key, "entity_id": "img_x"}
    values["attachment_id"] = "atc_x"
    for route in urls.urlpatterns:
        if route.name == "csrf":
            continue
        named = {name: values[name] for name in route.pattern.converters}
        url = reverse(f"chatkit_images:{route.name}", kwargs=named)
        for method in ("get", "head", "options", "post", "put", "delete"):
            await getattr(chat, method)(url)
    bad = {"file": SimpleUploadedFile("a.bin", b"\0")}
    await chat.post(reverse("chatkit_images:upload-direct"), bad)
    assert not await Session.objects.aexists()
    assert "sessionid" not in chat.cookies


@pytest.mark.parametrize("op", [*BEGINNINGS, "upload"])
async def test_a_session_begins_with_what_is_begun(model: LoopbackAPI, op: str) -> None:
    chat = ChatClient()
    model.respond_with(Text("Hello."))
    if op == "upload":
        file = {"file": SimpleUploadedFile("a.txt", b"text")}
        response = await chat.post(reverse("chatkit_images:upload-direct"), file)
    else:
        response = await chat.request_op(op, BEGINNINGS[op])
        if op == "threads.create":
            async for _ in read_events(response):
                pass
    assert response.status_code == 200
    owner = (await Session.objects.aget()).get_decoded()["chatkit_images_owner"]
    for model_class in (Thread, Attachment):
        async for row in model_class.objects.all():
            assert row.owner == owner
