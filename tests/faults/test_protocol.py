"""Requests of a client that means no good, and what every answer has in common."""

from __future__ import annotations

import base64
import gzip
import io
import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pybase64
import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chatkit_images import models, storage, url_tokens, urls
from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.context import RequestContext
from chatkit_images.queries import items, preflight, threads
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text, ToolCall
from tests.chat import TestServer
from tests.client import (
    ChatClient,
    done_items,
    message,
    of_type,
    read_events,
    thread_id,
)
from tests.servers.rows import dump
from tests.servers.world import Ids, build

snapshot = database_sync_to_async(dump)
populate = database_sync_to_async(build)
TOKEN = "a" * 32


@pytest.fixture
def mine(ann: User, png: bytes) -> Ids:
    return build(f"user:{ann.pk}", ann, "mine", png)


@pytest.fixture
def theirs(bob: User, png: bytes) -> Ids:
    return build(f"user:{bob.pk}", bob, "theirs", png)


def addresses(ids: Ids, owner: str) -> dict[str, str]:
    """Return the path of every route."""

    def token(kind: str, key: str) -> str:
        return url_tokens.make(kind, key, "full", owner)

    arguments: dict[str, list[Any]] = {
        "chat": [],
        "stop": [ids.thread],
        "upload-direct": [],
        "upload": [token("upload", ids.upload)],
        "upload-finish": [ids.attachment],
        "image": [token("image", ids.image.hex)],
        "attachment": [token("attachment", ids.attachment)],
        "session-image": [ids.image, "full"],
        "status": [ids.thread],
        "thread-events": [ids.thread],
        "run-events": [ids.run],
        "run-stop": [ids.run],
        "ready": [],
        "limits": [],
        "composer": [],
        "entities": [],
        "lineage": [ids.image],
        "report": [ids.image],
        "entity": [f"img_{ids.image.hex}"],
        "csrf": [],
    }
    assert set(arguments) == {route.name for route in urls.urlpatterns}
    return {
        name: reverse(f"chatkit_images:{name}", args=args)
        for name, args in arguments.items()
    }


@pytest.fixture
def paths(mine: Ids, ann: User) -> dict[str, str]:
    return addresses(mine, f"user:{ann.pk}")


# Pages

GONE = 2
LIMITS = st.none() | st.integers(-(10**12), 10**12)
ORDERS = st.sampled_from(["asc", "desc", "up", ""])
CURSORS = st.sampled_from([None, "first", "gone", "foreign", "nobody's", "\x00"])


@pytest.fixture
def rows(ann: User, context: RequestContext) -> dict[str, list[str]]:
    """The ids of what Ann has, oldest first, with one of each that is deleted."""
    keys = [f"thr_{n}" for n in range(25)]
    for key in keys:
        thread = models.Thread.objects.create(pk=key, owner=context.owner, user=ann)
    payload = {"type": "assistant_message", "content": [{"text": "Hello"}]}
    ids = [f"msg_{n}" for n in range(130)]
    for item in ids:
        thread.items.create(item_id=item, type=payload["type"], payload=payload)
    threads.delete(keys[GONE], context)
    items.delete(keys[-1], ids[GONE], context)
    return {"threads.list": keys, "items.list": ids}


@pytest.mark.row("P03")
@pytest.mark.parametrize("op", ["threads.list", "items.list"])
@given(limit=LIMITS, order=ORDERS, cursor=CURSORS)
@hypothesis_settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_a_page_is_ones_own_whatever_is_asked_for(
    chat: ChatClient,
    rows: dict[str, list[str]],
    theirs: Ids,
    op: str,
    limit: int | None,
    order: str,
    cursor: str | None,
) -> None:
    everything = rows[op]
    foreign = theirs.thread if op == "threads.list" else theirs.message
    names = {"first": everything[0], "gone": everything[GONE], "foreign": foreign}
    after = None if cursor is None else names.get(cursor, cursor)
    params: dict[str, Any] = {"limit": limit, "order": order, "after": after}
    if op == "items.list":
        params["thread_id"] = rows["threads.list"][-1]
    response = await chat.request_op(op, params)
    if order not in ("asc", "desc"):
        assert response.status_code == 400
    elif after is not None and after not in everything:
        assert response.status_code == 404
        assert json.loads(response.content)["error"]["code"] == "not_found"
    else:
        assert response.status_code == 200
        rest = everything if order == "asc" else everything[::-1]
        rest = rest[rest.index(after) + 1 :] if after else rest
        rest = [key for key in rest if key != everything[GONE]]
        page = json.loads(response.content)
        size = max(1, min(limit or 20, 100))
        assert [row["id"] for row in page["data"]] == rest[:size]
        assert page["has_more"] is (len(rest) > size)


# Other sites

ORIGINS = [
    "https://evil.example",
    "http://testserver.evil.example",
    "http://eviltestserver",
    "https://testserver",
    "http://testserver:81",
    "http://testserver@evil.example",
    "http://sub.testserver",
    "null",
    "file://",
    "http://127.0.0.1",
    "*",
    "",
]
TYPES = ["application/json", "text/plain", "application/x-www-form-urlencoded"]


@pytest.mark.row("P06")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
@pytest.mark.parametrize("kind", [*TYPES, "multipart/form-data"])
@pytest.mark.parametrize("token", ["", TOKEN], ids=["no token", "token"])
async def test_another_site_sends_nothing_in_ones_name(
    ann: User,
    paths: dict[str, str],
    model: LoopbackAPI,
    kind: str,
    origin: str | None,
    token: str,
) -> None:
    chat = ChatClient(enforce_csrf_checks=True)
    await chat.aforce_login(ann)
    chat.cookies["csrftoken"] = TOKEN
    headers = {} if origin is None else {"Origin": origin}
    # A site that has the token somehow is given away by its origin.
    headers |= {"X-CSRFToken": token} if token else {}
    body = {"type": "threads.create", "params": {"input": message("Hello")}}
    before = await snapshot()
    for route in ("chat", "stop", "upload-direct"):
        data: Any = json.dumps(body)
        if kind == "multipart/form-data" and route == "upload-direct":
            data = {"file": SimpleUploadedFile("a.txt", b"text")}
            response = await chat.post(paths[route], data, headers=headers)
        else:
            response = await chat.generic(
                "POST", paths[route], data, content_type=kind, headers=headers
            )
        if token and origin is None:
            # That is what the page itself sends.
            assert response.status_code in (200, 400, 415), route
            continue
        code = response.json()["error"]["code"]
        assert (response.status_code, code) in {
            (403, "csrf_failed"),
            (415, "unsupported_media_type"),
            (400, "bad_form"),
        }, route
    if not token or origin is not None:
        assert await snapshot() == before
        assert model.requests == []


@pytest.mark.row("P06")
async def test_over_https_a_request_names_its_page(
    ann: User, paths: dict[str, str], model: LoopbackAPI
) -> None:
    chat = ChatClient(enforce_csrf_checks=True)
    await chat.aforce_login(ann)
    chat.cookies["csrftoken"] = TOKEN
    for headers, status in (
        ({}, 403),
        ({"Referer": "https://evil.example/"}, 403),
        ({"Referer": "https://testserver.evil.example/"}, 403),
        ({"Referer": "https://testserver/chat/"}, 200),
        ({"Origin": "https://testserver"}, 200),
        ({"Origin": "http://testserver"}, 403),
    ):
        sent = {"X-CSRFToken": TOKEN} | headers
        response = await chat.request_op("threads.list", {}, headers=sent, secure=True)
        assert response.status_code == status, headers


@pytest.mark.row("P07")
@pytest.mark.parametrize("origin", ORIGINS)
async def test_no_origin_is_ever_let_in_with_its_cookies(
    chat: ChatClient, paths: dict[str, str], origin: str
) -> None:
    asking = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "X-CSRFToken",
    }
    for (route, path), method in itertools.product(
        paths.items(), ("GET", "POST", "OPTIONS")
    ):
        response = await chat.generic(method, path, headers=asking)
        shared = {
            name: value
            for name, value in response.headers.items()
            if name.lower().startswith("access-control-")
        }
        # Signed URLs are for everybody who has them, without a cookie.
        everybody = route in ("image", "attachment", "upload")
        assert shared.pop("Access-Control-Allow-Origin", "*") == "*"
        if shared:
            assert (route, method) == ("upload", "OPTIONS")
            assert shared["Access-Control-Allow-Headers"] == "Content-Type"
        assert "Access-Control-Allow-Credentials" not in shared
        if not everybody:
            assert "Access-Control-Allow-Origin" not in response.headers, route


# Methods

ALLOWED = {
    "chat": "POST, OPTIONS",
    "stop": "POST, OPTIONS",
    "upload-direct": "POST, OPTIONS",
    "upload": "POST, PUT, OPTIONS",
    "upload-finish": "POST, OPTIONS",
    "image": "GET, HEAD, OPTIONS",
    "attachment": "GET, HEAD, OPTIONS",
    "session-image": "GET, HEAD, OPTIONS",
    "lineage": "GET, HEAD, OPTIONS",
    "report": "POST, OPTIONS",
    "status": "GET, HEAD, OPTIONS",
    "thread-events": "GET, HEAD, OPTIONS",
    "run-events": "GET, HEAD, OPTIONS",
    "run-stop": "POST, OPTIONS",
    "ready": "GET, HEAD, OPTIONS",
    "limits": "GET, HEAD, OPTIONS",
    "composer": "GET, HEAD, OPTIONS",
    "entities": "GET, HEAD, OPTIONS",
    "entity": "GET, HEAD, OPTIONS",
    "csrf": "GET, HEAD, OPTIONS",
}
METHODS = ["PROPFIND", "TRACE", "PATCH", "DELETE", "OPTIONS"]
METHODS += ["GET", "HEAD", "POST", "PUT"]


@pytest.mark.row("P08")
@pytest.mark.parametrize("method", METHODS)
async def test_a_route_takes_its_methods_only(
    chat: ChatClient, paths: dict[str, str], method: str
) -> None:
    before = await snapshot()
    for route, path in paths.items():
        response = await chat.generic(method, path)
        if method in ALLOWED[route].split(", "):
            assert response.status_code != 405, route
            continue
        assert (response.status_code, response["Allow"]) == (405, ALLOWED[route])
        if method != "HEAD":
            assert response.json()["error"]["code"] == "method_not_allowed"
        # It is not sent back, as TRACE would have it.
        assert path not in response.content.decode()
    assert await snapshot() == before


# Images

RANGES = [
    "bytes=0-0",
    "bytes=5-2",
    "bytes=-1",
    "bytes=0-,0-,0-",
    "bytes=" + ",".join(f"{n}-{n + 9}" for n in range(1000)),
    "bytes=" + "0-," * 10**6 + "0-",
    "bytes=0-" + "9" * 10**5,
    "pixels=0-9",
    "",
]


ONE_RANGE = {"bytes=0-0": slice(0, 1), "bytes=-1": slice(-1, None)}


@pytest.mark.row("P09")
@pytest.mark.parametrize("ranges", RANGES, ids=lambda text: text[:16])
async def test_an_image_comes_whole_unless_one_range_of_it_is_asked_for(
    chat: ChatClient, paths: dict[str, str], png: bytes, ranges: str
) -> None:
    part = ONE_RANGE.get(ranges)
    for route in ("image", "attachment", "session-image"):
        began = time.monotonic()
        response = await chat.get(paths[route], headers={"Range": ranges})
        assert time.monotonic() - began < 10
        expected = (206, png[part]) if part else (200, png)
        assert (response.status_code, response.content) == expected
        assert ("Content-Range" in response.headers) == bool(part)


@pytest.mark.row("P09")
@pytest.mark.parametrize("route", ["image", "attachment", "session-image"])
async def test_nobody_learns_that_an_image_has_not_changed_but_its_owner(
    chat: ChatClient,
    stranger: ChatClient,
    mine: Ids,
    bob: User,
    paths: dict[str, str],
    settings: Any,
    route: str,
) -> None:
    settings.MIDDLEWARE = [
        "django.middleware.http.ConditionalGetMiddleware",
        *settings.MIDDLEWARE,
    ]
    tag = (await chat.get(paths[route]))["ETag"]
    for value in (tag, "*", f'"x", {tag}', f"W/{tag}"):
        response = await chat.get(paths[route], headers={"If-None-Match": value})
        assert (response.status_code, response.content) == (304, b"")
    same = {"If-None-Match": tag}
    others = addresses(mine, f"user:{bob.pk}")
    for nobody, statuses in ((stranger, {404}), (ChatClient(), {401, 404})):
        response = await nobody.get(others[route], headers=same)
        assert response.status_code in statuses
    await models.Thread.objects.all().adelete()
    await models.Attachment.objects.all().adelete()
    response = await chat.get(paths[route], headers=same)
    assert response.status_code == 404


# Middleware


@pytest.mark.row("P10")
async def test_a_stream_passes_every_middleware_as_it_comes(
    ann: User, model: LoopbackAPI, settings: Any
) -> None:
    settings.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        *settings.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    chat = ChatClient(headers={"Accept-Encoding": "gzip"})
    await chat.aforce_login(ann)
    keys = set()
    for words in ("One.", "Two."):
        gate = Gate()
        model.respond_with(gate, Text(words))
        response = await chat.request_op(
            "threads.create", {"input": message("The same.")}
        )
        assert response["X-Accel-Buffering"] == "no"
        assert response["Content-Encoding"] == "identity"
        cached = response["Cache-Control"]
        assert "no-transform" in cached
        assert "no-cache" in cached or "no-store" in cached
        assert not {"ETag", "Expires", "Content-Length"} & set(response.headers)
        events = read_events(response)
        # The model says nothing until the first event has come through.
        keys.add((await anext(events))["thread"]["id"])
        assert not gate.opened.is_set()
        gate.open()
        rest = [event async for event in events]
        (said,) = done_items(rest, "assistant_message")
        assert said["content"][0]["text"] == words
    assert len(keys) == 2
    # Nor is what is listed the page of a moment ago.
    for count in (2, 1):
        page = await chat.request_op("threads.list", {})
        assert page["Cache-Control"] == "no-store"
        body = gzip.decompress(page.content) if is_zipped(page) else page.content
        assert len(json.loads(body)["data"]) == count
        await chat.request_op("threads.delete", {"thread_id": keys.pop()})


def is_zipped(response: Any) -> bool:
    return bool(response.headers.get("Content-Encoding") == "gzip")


# Exceptions with secrets in them

SECRET = "sk-proj-4f1c"
TROUBLES = [
    OperationalError(f'relation "{SECRET}" LINE 1: SELECT "{SECRET}" FROM'),
    PermissionError(13, "Permission denied", f"/srv/{SECRET}/media/a.png"),
    RuntimeError(f"Incorrect API key provided: {SECRET}."),
    ExceptionGroup(SECRET, [ValueError(SECRET)]),
]


def failing(error: Exception, met: list[Any] | None = None) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        if met is not None:
            met.append(args)
        raise error

    return fail


@pytest.mark.row("P11")
@pytest.mark.parametrize("error", TROUBLES, ids=lambda error: type(error).__name__)
async def test_no_answer_says_what_an_exception_says(
    chat: ChatClient,
    paths: dict[str, str],
    model: LoopbackAPI,
    png: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    chat.raise_request_exception = False
    fail = failing(error)
    expected = (500, "server_error")
    if isinstance(error, OperationalError):
        expected = (503, "unavailable")
    # Waits would be long, and the answer the same.
    monkeypatch.setattr("chatkit_images.database.PAUSES", ())
    monkeypatch.setattr(storage, "open_reader", fail)
    for owner, name in (
        (threads, "get"),
        (threads, "load_page"),
        (DjangoAttachmentStore, "upload"),
        (DjangoAttachmentStore, "finish"),
        (preflight, "check"),
    ):
        monkeypatch.setattr(owner, name, fail)
    answers = {
        "list": await chat.request_op("threads.list", {}),
        "create": await chat.request_op("threads.create", {"input": message("Hello")}),
        "stop": await chat.post(paths["stop"]),
        "upload-direct": await chat.post(
            paths["upload-direct"], {"file": io.BytesIO(png)}
        ),
        "upload-finish": await chat.post(paths["upload-finish"]),
        "upload": await chat.put(paths["upload"], png, content_type="image/png"),
    }
    for name, response in answers.items():
        said = response.json()["error"]
        assert (response.status_code, said["code"]) == expected, name
        assert said["allow_retry"] == (expected[0] == 503), name
        # What the person can tell and staff can look for.
        (incident,) = re.findall(r"\(([0-9a-f]{8})\)", said["message"])
        assert f"incident {incident}" in caplog.text
    for route in ("image", "attachment", "session-image"):
        answers[route] = await chat.get(paths[route])
        assert answers[route].status_code == 503
    monkeypatch.setattr(url_tokens, "read", fail)
    for route in ("image", "attachment"):
        answers[f"{route}, early"] = await chat.get(paths[route])
        assert answers[f"{route}, early"].status_code == 500
    for name, response in answers.items():
        whole = response.serialize_headers() + response.content
        assert SECRET.encode() not in whole, name
        assert b"Traceback" not in whole, name
        assert type(error).__name__.encode() not in whole, name


@pytest.mark.row("P11")
@pytest.mark.parametrize("error", TROUBLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("stage", ["get_agent", "in the answer", "image", "text"])
async def test_no_stream_says_what_an_exception_says(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    stage: str,
) -> None:
    met: list[Any] = []
    fail = failing(error, met)
    monkeypatch.setattr("chatkit_images.database.PAUSES", ())
    model.respond_with(Image(partials=1), Text("Done."))
    if stage == "get_agent":
        monkeypatch.setattr(TestServer, "get_agent", fail)
    elif stage == "in the answer":
        monkeypatch.setattr(TestServer, "get_response_stream_converter", fail)
    elif stage == "image":
        monkeypatch.setattr("chatkit_images.queries.images.begin", fail)
    else:
        save = items.save

        def save_questions(*given: Any, **options: Any) -> None:
            if given[1].type == "assistant_message":
                fail()
            save(*given, **options)

        monkeypatch.setattr(items, "save", save_questions)
    events = await chat.say("a red fox")
    assert met, "Nothing met the trouble."
    assert len(of_type(events, "error")) == 1
    assert SECRET not in json.dumps(events)
    thread = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    assert SECRET not in json.dumps(thread)


# Dictation


@pytest.mark.row("P12")
@pytest.mark.parametrize(
    ("audio", "expected"),
    [
        ("a" * (10 * 2**20), (413, "too_large")),
        ("====", (400, "invalid_audio")),
        ("c291bmQ", (400, "invalid_audio")),
        ("c291\nbmQ=", (400, "invalid_audio")),
        ("c2-1_mQ=", (400, "invalid_audio")),
        ("data:audio/webm;base64,c291bmQ=", (400, "invalid_audio")),
        ("сound===", (400, "invalid_audio")),
    ],
    ids=[
        "huge",
        "padding",
        "unpadded",
        "broken line",
        "of URLs",
        "data URL",
        "Cyrillic",
    ],
)
async def test_sound_is_strict_base64_within_the_limit(
    chat: ChatClient, model: LoopbackAPI, audio: str, expected: tuple[int, str]
) -> None:
    params = {"audio_base64": audio, "mime_type": "audio/webm"}
    response = await chat.request_op("input.transcribe", params)
    code = response.json()["error"]["code"]
    assert (response.status_code, code) == expected
    assert model.requests == []


@pytest.mark.row("P12")
async def test_sound_is_checked_off_the_event_loop(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[threading.Thread] = []
    decode = pybase64.b64decode

    def note(*args: Any, **kwargs: Any) -> bytes:
        seen.append(threading.current_thread())
        return decode(*args, **kwargs)

    monkeypatch.setattr(preflight.pybase64, "b64decode", note)
    sound = base64.b64encode(b"sound" * 10**6).decode()
    params = {"audio_base64": sound, "mime_type": "audio/webm"}
    heard = await chat.call("input.transcribe", **params)
    assert heard == {"text": model.transcript}
    assert seen and threading.current_thread() not in seen


# NUL

NUL = "a\x00b\u0000"
KEPT = "a\ufffdb\ufffd"


@pytest.mark.row("P14")
async def test_nul_is_no_end_of_a_conversation(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    announced = {"name": f"{NUL}.png", "size": len(png), "mime_type": "image/png"}
    attachment = await chat.call("attachments.create", **announced)
    assert attachment["name"] == f"{KEPT}.png"
    url = attachment["upload_descriptor"]["url"]
    sent = await ChatClient().put(url, png, content_type="image/png")
    assert sent.status_code == 200

    model.respond_with(
        Text(f"1{NUL}"), Image(revised_prompt=f"2{NUL}", prompt=f"3{NUL}")
    )
    said = message(f"4{NUL}", [attachment["id"]]) | {"quoted_text": f"5{NUL}"}
    events = await chat.stream("threads.create", input=said)
    key = thread_id(events)
    streams = [events]
    for tool, arguments in (
        ("show_card", {"text": f"6{NUL}"}),
        ("whisper", {"text": f"7{NUL}"}),
        ("pick_colour", {"hint": f"8{NUL}"}),
    ):
        model.respond_with(ToolCall(tool, arguments))
        streams.append(await chat.say(NUL, key))
    here = {"thread_id": key}
    model.respond_with(ToolCall("ask", {"question": f"9{NUL}"}))
    result = {"a": [{f"key{NUL}": f"10{NUL}"}]}
    streams.append(
        await chat.stream("threads.add_client_tool_output", **here, result=result)
    )
    (asked,) = done_items(streams[-1], "structured_input")
    model.respond_with(Text("Done."))
    answers = {"q1": {"values": [f"11{NUL}"]}}
    answer = {"status": "answered", "answers": answers}
    streams.append(
        await chat.stream(
            "threads.add_structured_input", **here, item_id=asked["id"], input=answer
        )
    )
    action = {"type": f"12{NUL}", "payload": {NUL: NUL}}
    streams.append(await chat.stream("threads.custom_action", **here, action=action))
    title = f"13{NUL}"
    assert (await chat.call("threads.update", **here, title=title))["title"] == (
        f"13{KEPT}"
    )
    for events in streams:
        assert of_type(events, "error") == []

    # Everything is there after a reload, and the same for the model.
    page = await chat.call("items.list", **here, order="asc", limit=100)
    shown = json.dumps(page, ensure_ascii=False)
    thread = await chat.call("threads.get_by_id", **here)
    assert thread["title"] == f"13{KEPT}"
    for number in (1, 4, 5, 6, 8, 9, 11, 12):
        assert f"{number}{KEPT}" in shown, number
    (call,) = [item for item in page["data"] if item["type"] == "client_tool_call"]
    assert call["output"] == {"a": [{f"key{KEPT}": f"10{KEPT}"}]}
    assert "\\u0000" not in json.dumps(page)
    row = await models.Thread.objects.aget(pk=key)
    assert row.metadata == {"secret": f"7{KEPT}"}
    image = await models.GeneratedImage.objects.aget()
    assert image.revised_prompt == f"2{KEPT}"
    assert image.status == "completed"
    assert image.prompt.startswith(f"4{KEPT}")
    model.respond_with(Text("Done."))
    again = await chat.say("And now?", key)
    assert of_type(again, "error") == []


@pytest.mark.row("P14")
@pytest.mark.parametrize("place", ["id", "call"])
async def test_nul_in_what_names_things_finds_nothing(
    chat: ChatClient, model: LoopbackAPI, paths: dict[str, str], place: str
) -> None:
    if place == "call":
        model.respond_with(Image(call_id=f"ig_{NUL}"), Text("Done."))
        events = await chat.say("a red fox")
        assert of_type(events, "error") == []
        (item,) = done_items(events, "generated_image")
        assert (await chat.get(item["image"]["url"])).status_code == 200
        return
    for route in ("stop", "image", "attachment", "upload"):
        path = re.sub(r"[^/]+/(stop/)?$", r"a%00b/\1", paths[route])
        method = "POST" if route in ("stop", "upload") else "GET"
        response = await chat.generic(method, path)
        assert response.status_code == 404, path
