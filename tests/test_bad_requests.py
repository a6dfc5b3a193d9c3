"""Requests that are wrong, and projects that raise: always an answer, never a leak."""

from __future__ import annotations

import gzip
import json
import logging
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from channels.db import database_sync_to_async
from chatkit.errors import CustomStreamError
from django.contrib.auth.models import User
from django.core.exceptions import DisallowedHost
from django.db import InterfaceError, OperationalError, connections
from django.test import RequestFactory
from django.urls import reverse

from chatkit_images import models
from chatkit_images.context import RequestContext
from chatkit_images.store import DjangoStore
from chatkit_images.testing import HTTPError, Image, LoopbackAPI, Text
from tests.chat import TestServer
from tests.client import (
    URL,
    ChatClient,
    done_items,
    message,
    of_type,
    read_events,
    thread_id,
)
from tests.servers.rows import dump
from tests.servers.tour import OPERATIONS
from tests.servers.world import build

CANARY = "canary-4f1c"
MISSING = "thr_00000000000000000000000000000000"
ACTION = {"type": "press", "payload": 1}
snapshot = database_sync_to_async(dump)

# Parameters of every operation that names a thread, apart from the thread.
NAMES_A_THREAD: dict[str, dict[str, Any]] = {
    "items.feedback": {"item_ids": ["msg_1"], "kind": "positive"},
    "items.list": {},
    "threads.add_client_tool_output": {"result": 1},
    "threads.add_structured_input": {"item_id": "msg_1", "input": {"answers": {}}},
    "threads.add_user_message": {"input": message("Hello")},
    "threads.custom_action": {"action": ACTION},
    "threads.delete": {},
    "threads.get_by_id": {},
    "threads.retry_after_item": {"item_id": "msg_1"},
    "threads.sync_custom_action": {"action": ACTION},
    "threads.update": {"title": "Fox"},
}
NAMES_AN_ITEM = {
    "items.feedback": "item_ids",
    "items.list": "after",
    "threads.add_structured_input": "item_id",
    "threads.custom_action": "item_id",
    "threads.retry_after_item": "item_id",
    "threads.sync_custom_action": "item_id",
}
UNKNOWN_IDS = [MISSING, "", "\x00", "thr_\x00", "x" * 100_000, "é'\"%;--"]


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def create(text: str, **more: Any) -> bytes:
    """Return a body with JSON put in where a message's text stands."""
    body = {"type": "threads.create", "params": {"input": message("TEXT")}} | more
    return json.dumps(body).replace('"TEXT"', text).encode()


BAD_BODIES = {
    "empty": b"",
    "malformed": b'{"type": "threads.list", "params": {',
    "trailing": b'{"type": "threads.list", "params": {}} {}',
    "not_utf8": b'{"type": "threads.list\xff", "params": {}}',
    "null": b"null",
    "list": b"[]",
    "string": b'"threads.list"',
    "no_type": b'{"params": {}}',
    "unknown_type": b'{"type": "threads.steal", "params": {}}',
    "type_is_a_list": b'{"type": ["threads.list"], "params": {}}',
    "no_params": b'{"type": "threads.list"}',
    "params_null": b'{"type": "threads.list", "params": null}',
    "no_thread": b'{"type": "threads.get_by_id", "params": {}}',
    "thread_is_a_number": b'{"type": "threads.get_by_id", "params": {"thread_id": 1}}',
    "metadata_is_a_list": b'{"type": "threads.list", "params": {}, "metadata": []}',
    "limit_is_text": b'{"type": "threads.list", "params": {"limit": "ten"}}',
    "limit_is_a_fraction": b'{"type": "threads.list", "params": {"limit": 1.5}}',
    "limit_is_endless": b'{"type": "threads.list", "params": {"limit": 1e999}}',
    "order_is_unknown": b'{"type": "threads.list", "params": {"order": "up"}}',
    "after_is_a_number": b'{"type": "threads.list", "params": {"after": 1}}',
    "text_is_a_number": create("5"),
    "lone_surrogate": create(r'"\ud800"'),
    "surrogates_reversed": create(r'"\udc00\ud800"'),
    "empty_text": create('"  "'),
    "deep_metadata": create('"Hello"', metadata="DEEP").replace(
        b'"DEEP"', nested(3000).encode()
    ),
    "deep_output": b'{"type": "threads.add_client_tool_output", "params": '
    b'{"thread_id": "thr_1", "result": ' + nested(3000).encode() + b"}}",
    "kind_is_unknown": b'{"type": "items.feedback", "params": '
    b'{"thread_id": "t", "item_ids": [], "kind": "meh"}}',
    "no_base64": b'{"type": "input.transcribe", "params": '
    b'{"audio_base64": "a", "mime_type": "audio/webm"}}',
    "junk_in_base64": b'{"type": "input.transcribe", "params": '
    b'{"audio_base64": "c2*91bmQ=", "mime_type": "audio/webm"}}',
    "no_sound": b'{"type": "input.transcribe", "params": '
    b'{"audio_base64": "", "mime_type": "audio/webm"}}',
}


async def refusal(response: Any) -> tuple[int, str]:
    """Return status and code of an error, which is JSON and says no more."""
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    body = json.loads(response.content)
    assert set(body) == {"message", "error"}
    assert body["message"] == body["error"]["message"]
    assert set(body["error"]) == {"code", "message", "allow_retry"}
    assert body["error"]["message"]
    for leak in (
        "Traceback",
        "site-packages",
        "Error(",
        CANARY,
        str(Path(__file__).parents[1]),
    ):
        assert leak not in response.content.decode()
    return response.status_code, body["error"]["code"]


async def ask(chat: ChatClient, op: str, **params: Any) -> tuple[int, str]:
    return await refusal(await chat.request_op(op, params))


# Bodies


@pytest.mark.row("P01")
async def test_body_that_makes_no_sense_is_a_400(
    chat: ChatClient, model: LoopbackAPI, caplog: pytest.LogCaptureFixture
) -> None:
    before = await snapshot()
    codes = {}
    for name, body in BAD_BODIES.items():
        # The test client sends no type with an empty body, unless it is told to.
        kind = {} if body else {"headers": {"Content-Type": "application/json"}}
        response = await chat.post(URL, body, content_type="application/json", **kind)
        status, codes[name] = await refusal(response)
        assert status == 400, name
        # One line in the log, without a traceback.
        (line,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert (line.getMessage(), line.exc_info) == ("Bad Request: /chatkit/", None)
        caplog.clear()
    others = {name: code for name, code in codes.items() if code != "invalid_request"}
    assert others == {
        "empty_text": "empty_message",
        "no_base64": "invalid_audio",
        "junk_in_base64": "invalid_audio",
        "no_sound": "invalid_audio",
    }
    assert await snapshot() == before
    assert model.requests == []


@pytest.mark.row("P12")
@pytest.mark.parametrize(
    "mime", ["text/html", "audio/webm\r\nX-Evil: 1", "audio/", "", "image/png"]
)
async def test_dictation_that_is_no_sound_is_refused(
    chat: ChatClient, model: LoopbackAPI, mime: str
) -> None:
    refused = await ask(
        chat, "input.transcribe", audio_base64="c291bmQ=", mime_type=mime
    )
    assert refused == (415, "unsupported_type")


@pytest.mark.row("P08")
@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/plain; charset=application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "",
    ],
)
async def test_content_type_must_be_json(content_type: str) -> None:
    body = b'{"type": "threads.list", "params": {}}'
    response = await ChatClient().generic("POST", URL, body, content_type=content_type)
    assert await refusal(response) == (415, "unsupported_media_type")


async def test_content_type_may_name_its_charset(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    body = b'{"type": "threads.list", "params": {}}'
    kind = "Application/JSON; charset=utf-8"
    response = await chat.generic("POST", URL, body, content_type=kind)
    assert response.status_code == 200


@pytest.mark.row("P04")
async def test_body_may_be_as_large_as_the_setting_says(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    body = b'{"type": "threads.list", "params": {}}'
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MAX_BODY_BYTES": len(body)}
    send = {"content_type": "application/json"}
    assert (await chat.post(URL, body, **send)).status_code == 200
    assert await refusal(await chat.post(URL, body + b" ", **send)) == (
        413,
        "too_large",
    )


@pytest.mark.row("P01")
async def test_endless_list_of_ids_is_refused(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    key = thread_id(await chat.say("Hello"))
    ids = [str(n) for n in range(300_000)]
    for op, params in {
        "items.feedback": {"item_ids": ids, "kind": "positive"},
        "threads.add_user_message": {"input": message("Hello", ids)},
    }.items():
        assert await ask(chat, op, thread_id=key, **params) == (400, "too_many"), op


@pytest.mark.row("P01")
@pytest.mark.parametrize("part", ["1", "{}", '",["'])
async def test_endless_list_of_mistakes_is_refused_before_each_is_looked_at(
    chat: ChatClient, part: str
) -> None:
    """A validator keeps objects for each: gigabytes for a body of ten megabytes."""
    body = json.dumps({"type": "threads.create", "params": {"input": message("Hi")}})
    wrong = body.replace("[]", f"[{f'{part},' * 30_000}1]")
    response = await chat.post(URL, wrong, content_type="application/json")
    assert await refusal(response) == (400, "too_many")


@pytest.mark.row("P01")
async def test_signs_in_a_text_are_no_values(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    await chat.say(',[{"\\,' * 9000)
    assert model.requests


@pytest.mark.row("P01")
async def test_a_refusal_repeats_no_megabytes(chat: ChatClient) -> None:
    body = json.dumps({"type": "x" * 100_000})
    answer = await chat.post(URL, body, content_type="application/json")
    assert answer.status_code == 400 and len(answer.content) < 2000


@pytest.mark.row("P01")
async def test_an_answer_has_no_more_long_messages_than_fit_into_memory(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_images.queries.pages.PAGE_SIZE", 2500)
    key = thread_id(await chat.say("a" * 1000))
    for letter in "bcd":
        await chat.say(letter * (3000 if letter == "c" else 1000), thread_id=key)
    everything = (await chat.call("threads.get_by_id", thread_id=key))["items"]
    pages = [everything]
    while pages[-1]["has_more"]:
        after = pages[-1]["after"]
        page = await chat.call(
            "items.list", thread_id=key, after=after, limit=100, order="asc"
        )
        pages.append(page)
    said = [
        item["content"][0]["text"][0]
        for page in pages
        for item in page["data"]
        if item["type"] == "user_message"
    ]
    assert said == ["a", "b", "c", "d"]
    assert len(pages) > 2
    assert all(len(json.dumps(page)) < 5500 or len(page["data"]) == 1 for page in pages)


@pytest.mark.row("P01")
def test_a_host_longer_than_a_name_is_refused() -> None:
    """Each URL of an answer would have it, and a text may refer to thousands."""
    real, endless = (
        RequestFactory().get(URL, headers={"Host": f"{'a' * length}.example.com"})
        for length in (200, 60_000)
    )
    assert RequestContext.for_owner("a", request=real).base_url.endswith("example.com")
    with pytest.raises(DisallowedHost):
        RequestContext.for_owner("a", request=endless)


# Methods and sites


@pytest.mark.row("P08")
@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete"])
@pytest.mark.parametrize(
    ("route", "args"), [("chat", []), ("stop", ["thr_1"]), ("upload-direct", [])]
)
async def test_other_methods_are_told_what_is_allowed(
    route: str, args: list[str], method: str
) -> None:
    url = reverse(f"chatkit_images:{route}", args=args)
    response = await getattr(ChatClient(), method)(url)
    assert (response.status_code, response["Allow"]) == (405, "POST, OPTIONS")
    if method != "head":
        assert await refusal(response) == (405, "method_not_allowed")


@pytest.mark.row("P08")
@pytest.mark.parametrize("method", ["post", "put", "delete"])
@pytest.mark.parametrize("route", ["image", "attachment", "session-image"])
async def test_bytes_can_only_be_read(route: str, method: str) -> None:
    args = [uuid.UUID(int=0), "full"] if route == "session-image" else ["x"]
    url = reverse(f"chatkit_images:{route}", args=args)
    response = await getattr(ChatClient(), method)(url)
    assert await refusal(response) == (405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.row("P06")
@pytest.mark.parametrize("path", ["", "threads/thr_1/stop/", "attachments/"])
async def test_post_without_csrf_token_is_refused(
    ann: User, model: LoopbackAPI, path: str
) -> None:
    chat = ChatClient(enforce_csrf_checks=True)
    await chat.aforce_login(ann)
    before = await snapshot()
    response = await chat.post(URL + path, {}, content_type="application/json")
    assert await refusal(response) == (403, "csrf_failed")
    assert await snapshot() == before


@pytest.mark.row("P06")
async def test_csrf_token_is_checked_with_the_origin(
    ann: User, model: LoopbackAPI
) -> None:
    chat = ChatClient(enforce_csrf_checks=True)
    await chat.aforce_login(ann)
    chat.cookies["csrftoken"] = token = "a" * 32
    good = {"headers": {"X-CSRFToken": token}}
    response = await chat.request_op("threads.list", {}, **good)
    assert response.status_code == 200
    response = await chat.request_op(
        "threads.create", {"input": message("Hello")}, **good
    )
    assert [event async for event in read_events(response)]
    for headers in (
        {"X-CSRFToken": "b" * 32},
        {"X-CSRFToken": token, "Origin": "https://evil.example"},
        {"X-CSRFToken": token, "Origin": "null"},
    ):
        response = await chat.request_op("threads.list", {}, headers=headers)
        assert await refusal(response) == (403, "csrf_failed")


@pytest.mark.row("P01")
@pytest.mark.row("P06")
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"a"),
        ("multipart/form-data; boundary=x", b"a"),
        ("application/x-www-form-urlencoded", b"a" * (3 * 2**20)),
        ("application/x-www-form-urlencoded", b"a&" * 2000),
    ],
    ids=["no boundary", "cut", "large", "many fields"],
)
async def test_form_that_cannot_be_read_has_no_csrf_token(
    ann: User, model: LoopbackAPI, content_type: str, body: bytes
) -> None:
    chat = ChatClient(enforce_csrf_checks=True)
    await chat.aforce_login(ann)
    chat.cookies["csrftoken"] = "a" * 32
    stop = reverse("chatkit_images:stop", args=["thr_1"])
    response = await chat.generic("POST", stop, body, content_type=content_type)
    assert await refusal(response) in {(400, "bad_form"), (403, "csrf_failed")}


@pytest.mark.row("P06")
async def test_form_of_another_site_is_refused_before_it_is_read(
    ann: User, model: LoopbackAPI
) -> None:
    chat = ChatClient(enforce_csrf_checks=True)
    await chat.aforce_login(ann)
    body = b'{"type": "threads.list", "params": {}, "a": "="}'
    response = await chat.generic("POST", URL, body, content_type="text/plain")
    assert await refusal(response) == (415, "unsupported_media_type")


async def test_nobody_gets_in_without_a_login(
    transactional_db: None, model: LoopbackAPI
) -> None:
    others = {
        "threads.create": {"input": message("Hello")},
        "threads.list": {},
        "attachments.create": {"name": "a", "size": 1, "mime_type": "image/png"},
        "attachments.delete": {"attachment_id": "atc_1"},
        "input.transcribe": {"audio_base64": "c291bmQ=", "mime_type": "audio/webm"},
    }
    rows = others | NAMES_A_THREAD
    assert set(rows) == OPERATIONS
    before = await snapshot()
    for op, params in rows.items():
        refused = await ask(ChatClient(), op, **{"thread_id": MISSING} | params)
        assert refused == (401, "not_authenticated"), op
    assert await snapshot() == before
    assert model.requests == []


# Ids and pages


def test_table_of_operations_with_a_thread_is_complete() -> None:
    rest = {
        "attachments.create",
        "attachments.delete",
        "input.transcribe",
        "threads.create",
        "threads.list",
    }
    assert set(NAMES_A_THREAD) == OPERATIONS - rest


@pytest.mark.row("P02")
async def test_unknown_thread_is_a_404(chat: ChatClient, model: LoopbackAPI) -> None:
    before = await snapshot()
    for op, params in NAMES_A_THREAD.items():
        for key in UNKNOWN_IDS:
            refused = await ask(chat, op, **params, thread_id=key)
            assert refused == (404, "not_found"), (op, key[:20])
    assert await snapshot() == before
    assert model.requests == []


@pytest.mark.row("P02")
async def test_unknown_item_is_a_404(chat: ChatClient, model: LoopbackAPI) -> None:
    key = thread_id(await chat.say("Hello"))
    before = await snapshot()
    for op, field in NAMES_AN_ITEM.items():
        for item in UNKNOWN_IDS:
            if not item and "action" in op:
                continue  # An action without a widget.
            named = {field: [item] if field == "item_ids" else item}
            params = NAMES_A_THREAD[op] | named | {"thread_id": key}
            assert await ask(chat, op, **params) == (404, "not_found"), (op, item[:20])
    assert await snapshot() == before
    assert len(model.requests) == 1


@pytest.mark.row("P02")
async def test_unknown_attachment_and_cursor_are_a_404(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    before = await snapshot()
    for key in UNKNOWN_IDS:
        for op, params in (
            ("attachments.delete", {"attachment_id": key}),
            ("threads.list", {"after": key}),
            ("threads.create", {"input": message("look", [key])}),
        ):
            assert await ask(chat, op, **params) == (404, "not_found"), (op, key[:20])
    assert await snapshot() == before
    assert model.requests == []


@pytest.mark.row("P02")
async def test_stop_of_an_unknown_thread_is_a_404(chat: ChatClient) -> None:
    for path in ("thr_1", "%00", "thr_%00", "%ff", "x" * 5000):
        response = await chat.post(f"/chatkit/threads/{path}/stop/")
        assert await refusal(response) == (404, "not_found"), path[:20]


async def test_stop_of_a_thread_without_a_run_does_nothing(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    key = thread_id(await chat.say("Hello"))
    before = await snapshot()
    response = await chat.post(f"/chatkit/threads/{key}/stop/")
    assert (response.status_code, response.json()) == (200, {"stopped": False})
    assert await snapshot() == before


@pytest.mark.row("P03")
async def test_page_size_is_between_1_and_100(chat: ChatClient, ann: User) -> None:
    owner = f"user:{ann.pk}"
    rows = [models.Thread(pk=f"thr_{n:03}", owner=owner) for n in range(105)]
    await models.Thread.objects.abulk_create(rows)
    item = {"type": "assistant_message", "content": [{"text": "Hello"}]}
    await models.ThreadItem.objects.abulk_create(
        models.ThreadItem(
            thread=rows[0], item_id=f"i{n}", type=item["type"], payload=item
        )
        for n in range(105)
    )
    sizes = {-1: 1, 0: 20, None: 20, 7: 7, 10**9: 100, 10**40: 100}
    for limit, size in sizes.items():
        page = await chat.call("threads.list", limit=limit)
        assert (len(page["data"]), page["has_more"]) == (size, True), limit
        page = await chat.call("items.list", thread_id="thr_000", limit=limit)
        assert (len(page["data"]), page["has_more"]) == (size, True), limit


async def test_variant_that_is_not_there_is_the_image_itself(
    chat: ChatClient, ann: User, png: bytes
) -> None:
    ids = await database_sync_to_async(build)(f"user:{ann.pk}", ann, "x", png)
    for variant in ("partial-" + "9" * 5000, "9" * 5000, "nonsense"):
        url = reverse("chatkit_images:session-image", args=[ids.image, variant])
        response = await chat.get(url)
        assert (response.status_code, response.content) == (200, png), variant[:20]


# Text that not every database takes


@pytest.mark.row("P14")
async def test_nul_in_text_is_replaced_everywhere(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Text("one\x00two"))
    events = await chat.say("a\x00b")
    key = thread_id(events)
    thread = await chat.call("threads.update", thread_id=key, title="c\x00d")
    thread = await chat.call("threads.get_by_id", thread_id=key)
    assert thread["title"] == "c�d"
    texts = [item["content"][0]["text"] for item in thread["items"]["data"]]
    assert texts == ["a�b", "one�two"]
    announced = await chat.call(
        "attachments.create", name="e\x00f", size=3, mime_type="image/png;a=\x00"
    )
    row = await models.Attachment.objects.aget(pk=announced["id"])
    assert (row.name, row.mime_type) == ("e�f", "image/png")


# Exceptions of the project


def raising(error: Exception) -> Callable[..., Any]:
    def method(*args: Any, **kwargs: Any) -> Any:
        raise error

    return method


@pytest.mark.row("P11")
@pytest.mark.parametrize("hook", ["get_agent", "respond", "get_run_config"])
async def test_exception_of_the_project_is_an_error_event(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    hook: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TestServer, hook, raising(RuntimeError(CANARY)))
        response = await chat.request_op("threads.create", {"input": message("Hello")})
        assert response.status_code == 200
        events = [event async for event in read_events(response)]
    assert of_type(events, "error") == [
        {
            "type": "error",
            "code": "custom",
            "message": "This site has a fault that its staff must mend.",
            "allow_retry": False,
        }
    ]
    assert CANARY not in json.dumps(events)
    run = await models.Run.objects.aget()
    assert run.status == "failed"
    # The person can go on.
    events = await chat.say("Hello again", thread_id(events))
    assert done_items(events, "assistant_message")


@pytest.mark.row("P11")
async def test_error_of_the_model_shows_nothing_of_itself(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(HTTPError(401, "invalid_api_key", f"Bad key {CANARY}"))
    events = await chat.say("Hello")
    assert len(of_type(events, "error")) == 1
    assert CANARY not in json.dumps(events)


async def test_refusal_of_the_project_shows_its_message(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = raising(CustomStreamError("Ten images a day.", allow_retry=False))
    monkeypatch.setattr(TestServer, "get_agent", refusal)
    events = await chat.say("Hello")
    assert of_type(events, "error") == [
        {
            "type": "error",
            "code": "custom",
            "message": "Ten images a day.",
            "allow_retry": False,
        }
    ]


@pytest.mark.row("P11")
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError(CANARY), (500, "server_error")),
        (NotImplementedError(CANARY), (501, "not_implemented")),
        (CustomStreamError("Ten images a day."), (409, "refused")),
        (OperationalError(CANARY), (503, "unavailable")),
        (InterfaceError(CANARY), (503, "unavailable")),
    ],
    ids=["bug", "not_implemented", "refusal", "database", "connection"],
)
async def test_exception_before_the_first_event_is_json_with_a_status(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    expected: tuple[int, str],
) -> None:
    async def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    said = {"input": message("Hello")}
    follows = said | {"thread_id": thread_id(await chat.say("Hello"))}
    cases: list[tuple[str, dict[str, Any], Any, str]] = [
        ("threads.create", said, TestServer, "check_request"),
        ("threads.list", {}, TestServer, "check_request"),
        # Deep in the stream, but before it has said anything.
        ("threads.add_user_message", follows, DjangoStore, "load_thread"),
    ]
    for op, params, place, method in cases:
        caplog.clear()
        with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
            patch.setattr(place, method, fail)
            assert await ask(chat, op, **params) == expected, op
        if expected[0] in (500, 503):
            assert "incident" in caplog.text, op
        assert not await models.Run.objects.filter(status="running").aexists(), op


@pytest.mark.row("P11")
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError(CANARY), (500, "server_error")),
        (NotImplementedError(CANARY), (501, "not_implemented")),
    ],
    ids=["bug", "not_implemented"],
)
async def test_exception_of_a_method_that_does_not_stream_is_json(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    expected: tuple[int, str],
) -> None:
    thread = {"thread_id": thread_id(await chat.say("Hello"))}
    sound = {"audio_base64": "c291bmQ=", "mime_type": "audio/webm"}
    liked = {"item_ids": [], "kind": "positive"}

    async def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    for hook, op, params in (
        ("sync_action", "threads.sync_custom_action", {"action": ACTION} | thread),
        ("transcribe", "input.transcribe", sound),
        ("add_feedback", "items.feedback", liked | thread),
    ):
        monkeypatch.setattr(TestServer, hook, fail)
        assert await ask(chat, op, **params) == expected, hook


# Settings of the project


@pytest.mark.row("P10")
async def test_gzip_middleware_leaves_the_stream_alone(
    ann: User, model: LoopbackAPI, settings: Any
) -> None:
    settings.MIDDLEWARE = [
        "django.middleware.gzip.GZipMiddleware",
        *settings.MIDDLEWARE,
    ]
    chat = ChatClient()
    await chat.aforce_login(ann)
    zipped = {"headers": {"Accept-Encoding": "gzip"}}
    params = {"input": message("Hello")}
    response = await chat.request_op("threads.create", params, **zipped)
    assert response["Content-Encoding"] == "identity"
    events = [event async for event in read_events(response)]
    assert done_items(events, "assistant_message")
    # It is at work: a list is compressed.
    params = {"thread_id": thread_id(events)}
    listed = await chat.request_op("items.list", params, **zipped)
    assert listed["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(listed.content))["data"]


async def test_atomic_requests_does_not_hold_a_transaction_over_a_stream(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch, png: bytes
) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    model.respond_with(Text("Here."), Image(data=png), Text("Done."))
    events = await chat.say("a red fox")
    url = done_items(events, "generated_image")[0]["image"]["url"]
    assert (await chat.get(url)).content == png
    key = thread_id(events)
    assert (await chat.post(f"/chatkit/threads/{key}/stop/")).status_code == 200
    assert await chat.call("threads.delete", thread_id=key) == {}
    announced = {"name": "a.png", "size": len(png), "mime_type": "image/png"}
    attachment = await chat.call("attachments.create", **announced)
    url = attachment["upload_descriptor"]["url"]
    sent = await ChatClient().generic("PUT", url, png, content_type="image/png")
    assert sent.status_code == 200
