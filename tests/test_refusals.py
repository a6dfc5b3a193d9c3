"""Refusals as clients can read them: by their status, in JSON, or as a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from chatkit_images.exceptions import RequestRefused
from chatkit_images.models import Run, Thread
from chatkit_images.runs import drain
from chatkit_images.views import errors
from tests.asking import DOORS, JSON, Answer, ask, ask_op, door, form
from tests.client import TOKEN, URL, ChatClient, message

pytestmark = pytest.mark.django_db(transaction=True)
STREAM = {"Accept": "text/event-stream"}
HELLO = {"input": message("hello")}
LOCKED = "Closed for stocktaking."


@pytest.fixture(params=DOORS)
def application(request: pytest.FixtureRequest) -> Any:
    return door(request.param)


@pytest.fixture
def person(chat: ChatClient) -> dict[str, str]:
    token = TOKEN.decode()
    sent = {n: m.value for n, m in chat.cookies.items()} | {"csrftoken": token}
    cookie = "; ".join(f"{name}={value}" for name, value in sent.items())
    return {"Cookie": cookie, "X-CSRFToken": token}


@pytest.fixture
async def locked(ann: User) -> str:
    """A thread that takes no messages, and says why."""
    owner = f"user:{ann.pk}"
    thread = await Thread.objects.acreate(
        pk="thr_1", owner=owner, user=ann, status="locked", status_reason=LOCKED
    )
    return str(thread.pk)


def readable(answer: Answer) -> None:
    """Check that a refusal says why where a program and where ChatKit.js looks."""
    told = answer.json
    assert answer.status >= 400
    assert answer.headers["content-type"] == "application/json"
    assert set(told) == {"message", "error"}
    assert set(told["error"]) == {"code", "message", "allow_retry"}
    assert told["message"] == told["error"]["message"] != ""


async def test_every_refusal_has_its_message_where_chatkit_js_looks(
    application: Any, person: dict[str, str], locked: str
) -> None:
    upload, file = form("a.exe", b"MZ\x90\x00")
    large = {"Content-Length": str(10**10)}
    posts: list[tuple[int, str, Any, bytes]] = [
        (400, URL, person | JSON, b"{"),
        (400, URL, person | JSON, b'{"type": "unknown"}'),
        (401, URL, {"X-CSRFToken": "b" * 32, "Cookie": "csrftoken=" + "b" * 32}, b""),
        (403, URL, {"Cookie": person["Cookie"]} | JSON, b"{}"),
        (413, URL, person | JSON, b" " * (11 * 2**20)),
        (415, URL, person, b"{}"),
        (413, f"{URL}attachments/", person | upload | large, file),
        (415, f"{URL}attachments/", person | upload, file),
        (400, f"{URL}attachments/", person | form("a", b"")[0], b"junk"),
        (404, f"{URL}uploads/junk/", upload, file),
        (404, f"{URL}threads/thr_unknown/stop/", person, b""),
    ]
    for status, address, headers, body in posts:
        if status == 401:
            headers, body = headers | JSON, b'{"type":"threads.list","params":{}}'
        answer = await ask(application, "POST", address, headers, body)
        assert answer.status == status, (address, answer.body)
        readable(answer)
    for status, address in (
        (404, f"{URL}images/junk/"),
        (404, f"{URL}attachments/junk/"),
        (404, f"{URL}runs/{Run().pk}/events/"),
        (405, URL),
    ):
        answer = await ask(application, "GET", address, person)
        assert answer.status == status, address
        readable(answer)
    params = HELLO | {"thread_id": locked}
    refused = await ask_op(application, "threads.add_user_message", params, person)
    assert (refused.status, refused.json["message"]) == (409, LOCKED)
    readable(refused)


async def test_who_takes_nothing_but_a_stream_reads_why_in_it(
    application: Any,
    person: dict[str, str],
    locked: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def told(params: Any, headers: dict[str, str]) -> Answer:
        op = "threads.add_user_message" if "thread_id" in params else "threads.create"
        return await ask_op(application, op, params, headers)

    params = HELLO | {"thread_id": locked}
    answer = await told(params, person | STREAM)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache, no-transform"
    assert answer.events == [
        {"type": "error", "code": "custom", "message": LOCKED, "allow_retry": False}
    ]
    # Who reads bodies gets statuses: it says so, or takes JSON too.
    for reads in (
        {},
        STREAM | {"ChatKit-Resume": "1"},
        {"Accept": "text/event-stream, application/json"},
        {"Accept": "text/event-stream, */*;q=0.1"},
    ):
        refused = await told(params, person | reads)
        assert (refused.status, refused.code) == (409, "thread_locked")

    for headers, text in (
        (
            {"Cookie": person["Cookie"]},
            "This page is too old, or it may keep no cookies. Reload it.",
        ),
        (
            {"X-CSRFToken": "b" * 32, "Cookie": "csrftoken=" + "b" * 32},
            "Log in to chat.",
        ),
    ):
        (event,) = (await told(HELLO, headers | STREAM)).events
        assert event["message"] == text
    too_much = {"input": message("x" * 11 * 2**20)}
    (event,) = (await told(too_much, person | STREAM)).events
    assert event["message"] == "The request is too large."
    monkeypatch.setattr(drain._drain, "begun", True)
    drained = await told(HELLO, person | STREAM)
    assert drained.events[0]["allow_retry"] is True
    assert "restarted" in drained.events[0]["message"]
    # An EventSource would ask for ever.
    gone = await ask(
        application, "GET", f"{URL}runs/{Run().pk}/events/", person | STREAM
    )
    assert gone.status == 404


async def test_a_refusal_in_a_stream_keeps_what_else_was_said(
    application: Any, person: dict[str, str]
) -> None:
    page = {"Origin": "https://shop.example"}
    with override_settings(CHATKIT_IMAGES={"ORIGINS": ["https://shop.example"]}):
        answer = await ask_op(application, "threads.create", HELLO, page | STREAM)
    assert answer.events[0]["type"] == "error"
    assert answer.shared["access-control-allow-origin"] == "https://shop.example"


async def test_who_is_refused_for_a_while_learns_for_how_long(
    application: Any, person: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain._drain, "begun", True)
    waits = set()
    for _ in range(30):
        answer = await ask_op(application, "threads.create", HELLO, person)
        assert answer.status == 503
        waits.add(int(answer.headers["retry-after"]))
    assert len(waits) > 1
    assert waits <= set(range(1, errors.SPREAD_SECONDS + 1))
    ready = await ask(application, "GET", f"{URL}ready/")
    assert (ready.status, "retry-after" in ready.headers) == (503, True)


def test_a_wait_that_is_known_is_told() -> None:
    limit = RequestRefused("limit", "Enough.", status=429, retry_after=1.2)
    assert errors.from_exception(limit)["Retry-After"] == "2"
    busy = RequestRefused("busy", "Wait.", status=503, retry_after=30)
    assert 31 <= int(errors.from_exception(busy)["Retry-After"]) <= 45
    plain = errors.from_exception(RequestRefused("locked", "No."))
    assert "Retry-After" not in plain
    assert json.loads(plain.content)["message"] == "No."
