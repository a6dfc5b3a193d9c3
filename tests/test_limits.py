"""What a person may use, and what is refused, by every door."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from channels.sessions import SessionMiddlewareStack
from chatkit.store import AttachmentStore
from chatkit.types import AttachmentCreateParams, FileAttachment
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.conf import settings as own
from chatkit_images.consumers import ChatKitConsumer
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import RequestRefused
from chatkit_images.models import (
    Attachment,
    Brake,
    OwnerBlock,
    Run,
    Thread,
    ThreadItem,
    UseCounter,
    UseEntry,
)
from chatkit_images.protocol import REQUEST
from chatkit_images.runs.claims import claim
from chatkit_images.runs.client_streams import ClientStreams
from chatkit_images.server import get_server
from chatkit_images.testing import LoopbackAPI
from tests.chat import TestServer
from tests.client import ChatClient, ask_asgi, message, read_events, thread_id


def limit(settings: Any, **limits: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"LIMITS": limits}


async def use() -> dict[str, int]:
    """Return what the ledger says of all owners."""
    found: dict[str, int] = {}
    async for entry in UseEntry.objects.all():
        found[entry.kind] = found.get(entry.kind, 0) + entry.amount
    return {kind: amount for kind, amount in found.items() if amount}


async def say(chat: ChatClient, text: str = "hello", **more: Any) -> Any:
    op = "threads.add_user_message" if "thread_id" in more else "threads.create"
    headers = more.pop("headers", {})
    params = {"input": message(text), **more}
    response = await chat.request_op(op, params, headers=headers)
    if response.streaming:
        async for _event in read_events(response):
            pass
    return response


# What is refused


@pytest.mark.parametrize(
    "limits, status, waits, words",
    [
        ({"RUNS_AT_ONCE": 0}, 429, True, "You have 0 answers on their way."),
        ({"RUNS_PER_HOUR": 0}, 429, True, "You have asked too often."),
        ({"IMAGES_PER_DAY": 0}, 429, True, "You have used all 0 images of today."),
        ({"TOKENS_PER_MONTH": 0}, 429, True, "You have used all that you may use"),
        ({"MESSAGE_PARTS": 0}, 413, False, "A message has at most 0 parts."),
        ({"MESSAGE_BYTES": 4}, 413, False, "The message is too long: 5 bytes of"),
        ({"SITE": {"IMAGES_PER_DAY": 0}}, 429, True, "All images of today are made."),
        ({"SITE": {"TOKENS_PER_DAY": 0}}, 429, True, "All answers of today are"),
    ],
)
async def test_a_message_is_refused_before_anything_is_written(
    chat: ChatClient,
    settings: Any,
    limits: dict[str, Any],
    status: int,
    waits: bool,
    words: str,
) -> None:
    limit(settings, **limits)
    response = await say(chat)
    assert response.status_code == status
    assert ("Retry-After" in response) == waits
    error = response.json()["error"]
    (name,) = limits.get("SITE", limits)
    assert (error["code"], error["allow_retry"]) == (name.lower(), waits)
    assert error["message"].startswith(words)
    assert not await Thread.objects.aexists()
    assert not await UseEntry.objects.aexists()


async def test_a_full_thread_takes_no_message(chat: ChatClient, settings: Any) -> None:
    key = thread_id(await chat.say("hello"))
    limit(settings, THREAD_ITEMS=await ThreadItem.objects.acount())
    response = await say(chat, thread_id=key)
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "thread_items"
    limit(settings, THREAD_ITEMS=10**30)
    assert (await say(chat, thread_id=key)).status_code == 200
    assert (await say(chat)).status_code == 200


async def test_staff_stop_everybody_or_one_owner_with_words(
    chat: ChatClient, stranger: ChatClient, ann: User
) -> None:
    block = await OwnerBlock.objects.acreate(owner=f"user:{ann.pk}", words="Goodbye.")
    response = await say(chat)
    assert response.status_code == 403
    assert response.json()["error"]["message"] == "Goodbye."
    upload = {"file": SimpleUploadedFile("a.txt", b"text")}
    assert (await chat.post("/chatkit/attachments/", upload)).status_code == 403
    assert (await say(stranger)).status_code == 200
    await block.adelete()
    brake = await Brake.objects.acreate(words="We repair something.")
    response = await say(chat)
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "generation_stopped"
    assert response.json()["error"]["message"] == "We repair something."
    left = (await chat.get("/chatkit/limits/")).json()
    assert left["stopped"] == "We repair something."
    brake.is_on = False
    await brake.asave()
    assert (await say(chat)).status_code == 200


async def test_a_server_decides_for_each_person(
    chat: ChatClient, stranger: ChatClient, monkeypatch: pytest.MonkeyPatch, ann: User
) -> None:
    async def limits(server: Any, context: RequestContext) -> Any:
        return {"RUNS_PER_HOUR": 0 if context.user == ann else None}

    monkeypatch.setattr(TestServer, "get_limits", limits)
    assert (await say(chat)).status_code == 429
    assert (await say(stranger)).status_code == 200
    monkeypatch.setattr(TestServer, "get_limits", lambda *args: {"RUNS": 1})
    assert (await say(chat)).status_code == 500


# Files


@pytest.mark.parametrize(
    "limits, status",
    [
        ({"ATTACHMENTS_WAITING": 1}, 429),
        ({"BYTES_STORED": 5}, 429),
        ({"UPLOADS_PER_MINUTE": 1}, 429),
    ],
)
async def test_a_file_is_refused_by_both_strategies_before_it_is_stored(
    chat: ChatClient, settings: Any, limits: dict[str, Any], status: int
) -> None:
    (name,) = limits
    limit(settings, **limits)
    announced = {"name": "a.txt", "size": 4, "mime_type": "text/plain"}

    async def send() -> Any:
        upload = {"file": SimpleUploadedFile("a.txt", b"text")}
        return await chat.post("/chatkit/attachments/", upload)

    assert (await send()).status_code == 200
    second = await send()
    assert (second.status_code, second.json()["error"]["code"]) == (
        status,
        name.lower(),
    )
    again = await chat.request_op("attachments.create", announced)
    if name == "UPLOADS_PER_MINUTE":
        url = again.json()["upload_descriptor"]["url"]
        again = await chat.put(url, b"text", content_type="text/plain")
    assert (again.status_code, again.json()["error"]["code"]) == (status, name.lower())
    assert await Attachment.objects.exclude(file="").acount() == 1


@pytest.mark.parametrize(
    "most, outcome", [(0, (429, "uploads_per_minute")), (None, (400, "bad_form"))]
)
async def test_too_many_uploads_are_refused_before_their_forms_are_parsed(
    chat: ChatClient, settings: Any, most: int | None, outcome: tuple[int, str]
) -> None:
    limit(settings, UPLOADS_PER_MINUTE=most)
    chat.handler.enforce_csrf_checks = True
    token = (await chat.get("/chatkit/csrf/")).json()["csrfToken"]
    headers = {"X-CSRFToken": token}
    no_form = {"data": b"no form", "content_type": "multipart/form-data"}
    sent = await chat.post("/chatkit/attachments/", **no_form, headers=headers)
    assert (sent.status_code, sent.json()["error"]["code"]) == outcome
    # A token in the form counts as ever.
    form = {"csrfmiddlewaretoken": token}
    for wrong in ({"X-CSRFToken": "x"}, {}):
        sent = await chat.post("/chatkit/attachments/", form, headers=wrong)
        assert sent.json()["error"]["code"] in ("uploads_per_minute", "no_file")
    sent = await chat.post("/chatkit/attachments/", headers={"X-CSRFToken": "x"})
    assert sent.json()["error"]["code"] == "csrf_failed"


@pytest.mark.parametrize("name", ["RUNS_AT_ONCE", "RUNS_PER_HOUR", "IMAGES_PER_DAY"])
@pytest.mark.parametrize("blocked", [False, True])
def test_who_asks_again_and_again_takes_no_lock(
    transactional_db: None,
    context: RequestContext,
    settings: Any,
    name: str,
    blocked: bool,
) -> None:
    limit(settings, **{name: 0})
    if blocked:
        OwnerBlock.objects.create(owner=context.owner, words="No more.")
    request = {"type": "threads.create", "params": {"input": message("hello")}}
    parsed: Any = REQUEST.validate_python(request)
    with (
        CaptureQueriesContext(connection) as queries,
        pytest.raises(RequestRefused) as refusal,
    ):
        claim(uuid.uuid4(), parsed, context)
    assert refusal.value.code == ("owner_blocked" if blocked else name.lower())
    words = {query["sql"].split()[0].strip("(") for query in queries}
    assert words == {"SELECT"}


async def test_room_is_taken_when_it_is_announced_and_free_if_it_fails(
    chat: ChatClient, settings: Any
) -> None:
    limit(settings, BYTES_STORED=6)
    bad = {"file": SimpleUploadedFile("a.png", b"\x00\x01\x02")}
    assert (await chat.post("/chatkit/attachments/", bad)).status_code == 415
    assert not await Attachment.objects.aexists()
    params = {"name": "a.txt", "size": 4, "mime_type": "text/plain"}
    announced = (await chat.request_op("attachments.create", params)).json()
    assert (await chat.request_op("attachments.create", params)).status_code == 429
    url = announced["upload_descriptor"]["url"]
    # More than was announced needs more room.
    more = await chat.put(url, b"7 bytes", content_type="text/plain")
    assert (more.status_code, more.json()["error"]["code"]) == (429, "bytes_stored")
    fits = await chat.put(url, b"6bytes", content_type="text/plain")
    assert fits.status_code == 200


async def test_an_attachment_store_alone_has_the_limits_of_the_settings(
    context: RequestContext, settings: Any
) -> None:
    limit(settings, ATTACHMENTS_WAITING=0)
    params = AttachmentCreateParams(name="a.txt", size=4, mime_type="text/plain")
    with pytest.raises(RequestRefused) as refusal:
        await DjangoAttachmentStore().create_attachment(params, context)
    assert refusal.value.status == 429


class ForeignStore(AttachmentStore[RequestContext]):
    """A project's own store, whose files go elsewhere."""

    async def create_attachment(
        self, input: AttachmentCreateParams, context: RequestContext
    ) -> FileAttachment:
        key = self.generate_attachment_id(input.mime_type, context)
        return FileAttachment(id=key, name=input.name, mime_type=input.mime_type)

    async def delete_attachment(
        self, attachment_id: str, context: RequestContext
    ) -> None:
        """Nothing is stored."""


@pytest.mark.parametrize("name", ["ATTACHMENTS_WAITING", "UPLOADS_PER_MINUTE"])
async def test_files_of_another_attachment_store_are_counted(
    chat: ChatClient, settings: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(get_server(), "attachment_store", ForeignStore())
    limit(settings, **{name: 1})
    params = {"name": "a.txt", "size": 4, "mime_type": "text/plain"}
    assert (await chat.request_op("attachments.create", params)).status_code == 200
    second = await chat.request_op("attachments.create", params)
    assert (second.status_code, second.json()["error"]["code"]) == (429, name.lower())
    assert await Attachment.objects.acount() == 1


async def test_what_is_dictated_counts_as_an_upload_and_a_block_ends_it(
    chat: ChatClient, model: LoopbackAPI, settings: Any, ann: User
) -> None:
    limit(settings, UPLOADS_PER_MINUTE=1)
    sound = {"audio_base64": "c291bmQ=", "mime_type": "audio/webm"}
    assert (await chat.request_op("input.transcribe", sound)).status_code == 200
    second = await chat.request_op("input.transcribe", sound)
    assert (second.status_code, second.json()["error"]["code"]) == (
        429,
        "uploads_per_minute",
    )
    await OwnerBlock.objects.acreate(owner=f"user:{ann.pk}")
    assert (await chat.request_op("input.transcribe", sound)).status_code == 403


# Visitors and addresses


async def test_visitors_of_one_address_share_its_limits_and_bring_use_along(
    ann: User, model: LoopbackAPI, settings: Any
) -> None:
    limit(settings, ADDRESS={"RUNS_PER_HOUR": 2})
    settings.CHATKIT_IMAGES |= {
        "ALLOW_ANONYMOUS": True,
        "TRUSTED_PROXIES": ["127.0.0.1"],
    }
    here, there = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in (1, 2)]
    visitors = [ChatClient() for _ in range(3)]
    answers = [(await say(each, headers=here)).status_code for each in visitors]
    assert answers == [200, 200, 429]
    assert (await say(ChatClient(), headers=there)).status_code == 200
    # A user is no visitor, whatever the address.
    await visitors[0].aforce_login(ann)
    assert await UseEntry.objects.filter(owner=f"user:{ann.pk}").aexists()
    assert (await say(visitors[0], headers=here)).status_code == 200
    written = [row async for row in UseCounter.objects.values_list("owner", flat=True)]
    assert not any("192.0.2" in owner for owner in written)


async def test_a_visitor_has_no_more_than_a_user(settings: Any) -> None:
    limit(settings, IMAGES_PER_DAY=5, RUNS_PER_HOUR=None)
    assert own.limits_of(visitor=True)["IMAGES_PER_DAY"] == 5
    assert own.limits_of(visitor=True)["RUNS_PER_HOUR"] is None
    limit(settings, IMAGES_PER_DAY=5, VISITORS={"IMAGES_PER_DAY": 9})
    assert own.limits_of(visitor=True)["IMAGES_PER_DAY"] == 9
    limit(settings, VISITORS=None)
    assert own.limits_of(visitor=True) == own.limits_of(visitor=False)
    settings.CHATKIT_IMAGES |= {"LIMITS": None}
    limits = own.limits_of(visitor=True), own.limits_of_address(), own.limits_of_site()
    assert all(most is None for group in limits for most in group.values())


async def test_the_consumer_asks_the_same(
    transactional_db: None, settings: Any
) -> None:
    limit(settings, RUNS_PER_HOUR=0)
    settings.CHATKIT_IMAGES |= {"ALLOW_ANONYMOUS": True}
    application = SessionMiddlewareStack(ChatKitConsumer.as_asgi())
    browser = await ask_asgi(application, "threads.create", {"input": message("hi")})
    start, body = await browser.receive_output(30), await browser.receive_output(30)
    assert start["status"] == 429
    assert b"retry-after" in {name.lower() for name, _value in start["headers"]}
    assert json.loads(body["body"])["error"]["code"] == "runs_per_hour"


# Streams


async def test_one_stream_too_many_is_refused_until_another_is_closed(
    context: RequestContext, foreign: RequestContext
) -> None:
    streams, limits = ClientStreams(), {"OPEN_STREAMS": 2}
    first = streams.open(Run().pk, context)
    second = streams.open(Run().pk, context)
    with pytest.raises(RequestRefused) as refusal:
        streams.check(context, limits)
    assert (refusal.value.status, refusal.value.code) == (429, "open_streams")
    streams.check(foreign, limits)
    streams.check(replace(context, tenant="other"), limits)
    streams.close(first)
    streams.check(context, limits)
    assert second.context is context


async def test_resuming_is_not_refused_by_what_is_used_up(
    chat: ChatClient, settings: Any
) -> None:
    await chat.say("hello")
    run = await Run.objects.aget()
    limit(settings, RUNS_PER_HOUR=0, IMAGES_PER_DAY=0)
    assert (await chat.get(f"/chatkit/runs/{run.pk}/events/")).status_code == 200
    stop = await chat.post(f"/chatkit/runs/{run.pk}/stop/")
    assert stop.status_code == 200
    limit(settings, OPEN_STREAMS=0)
    refused = await chat.get(f"/chatkit/runs/{run.pk}/events/")
    assert refused.status_code == 429


# What is left


async def test_limits_says_what_is_left(chat: ChatClient, settings: Any) -> None:
    limit(settings, IMAGES_PER_DAY=3, RUNS_PER_HOUR=None, MESSAGE_BYTES=1000)
    await chat.say("draw a fox")
    told = (await chat.get("/chatkit/limits/")).json()
    images = told["limits"]["IMAGES_PER_DAY"]
    assert 0 < images.pop("renewed_in") <= 25 * 3600
    assert images == {"limit": 3, "used": 1, "left": 2}
    assert told["limits"]["MESSAGE_BYTES"] == {"limit": 1000}
    assert "RUNS_PER_HOUR" not in told["limits"]
    assert told["stopped"] is None
    assert (await ChatClient().get("/chatkit/limits/")).status_code == 401
