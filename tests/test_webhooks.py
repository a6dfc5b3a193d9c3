"""Posts to the webhook: what they are signed with, and what their answers mean."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler
from typing import Any

import openai
import pytest

from chatkit_images import webhooks
from chatkit_images.webhooks import Answer, Post, poster, sending
from tests.webhook import SECRET, Endpoint, webhook

OTHER = "whsec_" + "A" * 32


@pytest.fixture
def endpoint(settings: Any) -> Iterator[Endpoint]:
    with webhook() as found:
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
            "WEBHOOK_URL": found.url,
            "WEBHOOK_SECRET": SECRET,
        }
        yield found


def send(body: bytes = b"{}") -> Answer:
    return asyncio.run(webhooks.send("run_1", body))


def test_a_signature_is_that_of_the_specification() -> None:
    body = b'{"test": 2432232314}'
    headers = webhooks.headers_of(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, [SECRET]
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (None, "begins with whsec_"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins with whsec_"),
        ("whsec_not base64", "base64 after whsec_"),
        ("whsec_c2hvcnQ=", "24 to 64 bytes, not 5"),
        ("whsec_" + "A" * 88, "24 to 64 bytes, not 66"),
    ],
)
def test_what_is_no_secret_is_not_shown(secret: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        webhooks.key_of(secret)
    assert not secret or secret.removeprefix("whsec_") not in str(caught.value)


def test_each_secret_signs_so_that_a_receiver_may_have_the_old_or_the_new(
    endpoint: Endpoint, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "WEBHOOK_SECRET": [SECRET, OTHER]
    }
    assert send(b'{"type": "run.finished"}') == Answer()
    ((headers, body),) = endpoint.posts
    assert (headers["webhook-id"], body) == ("run_1", b'{"type": "run.finished"}')
    assert headers["content-type"] == "application/json"
    # OpenAI's own webhooks are signed in the same way.
    verify = openai.OpenAI(api_key="none").webhooks.verify_signature
    for secret in (SECRET, OTHER):
        verify(body, headers, secret=secret)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        verify(body + b" ", headers, secret=SECRET)


@pytest.mark.parametrize(
    ("status", "headers", "answer"),
    [
        (200, {}, Answer()),
        (299, {}, Answer()),
        (302, {"location": "/elsewhere/"}, Answer("It answered 302.")),
        (410, {}, Answer("It answered 410.", gone=True)),
        (500, {}, Answer("It answered 500.")),
        (429, {"retry-after": "90"}, Answer("It answered 429.", pause=90)),
        (503, {"retry-after": "soon"}, Answer("It answered 503.")),
    ],
)
def test_what_an_answer_means(
    endpoint: Endpoint, status: int, headers: dict[str, str], answer: Answer
) -> None:
    endpoint.answers = [(status, headers)]
    assert send() == answer
    assert len(endpoint.posts) == 1


def test_an_endpoint_that_is_away_is_named_without_its_url(settings: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "WEBHOOK_URL": "http://127.0.0.1:1/secret-key/",
        "WEBHOOK_SECRET": SECRET,
    }
    assert send() == Answer("It cannot be reached: ConnectError.")


def test_a_silent_endpoint_is_left_in_time(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "ALL", 0.2)
    silent = threading.Event()
    endpoint.during = lambda request: silent.wait(30)
    assert send() == Answer("It took more than 0 seconds.")
    silent.set()


def test_the_body_of_an_answer_may_have_no_end(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "BODY", 0.1)
    left = threading.Event()

    def flood(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        with pytest.raises(OSError):
            while not left.is_set():
                request.wfile.write(b"x" * 10_000)
        left.set()

    endpoint.during = flood
    assert send() == Answer()
    assert left.wait(30)

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(500)
        request.end_headers()
        request.wfile.write(b"x")
        request.wfile.flush()
        gone.wait(30)

    gone = threading.Event()
    endpoint.during = drip
    assert send() == Answer("It answered 500.")
    gone.set()


def test_few_are_posted_at_once_and_few_wait(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poster, "AT_ONCE", 2)
    monkeypatch.setattr(poster, "MOST", 5)
    poster._poster.cache_clear()
    gate, lock = threading.Event(), threading.Lock()
    both, now, most = threading.Event(), [0], [0]

    def count(request: BaseHTTPRequestHandler) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            if now[0] == 2:
                both.set()
        gate.wait(30)
        with lock:
            now[0] -= 1

    endpoint.during = count
    answers: list[Answer | None] = []

    def take(answer: Answer | None) -> Future[None]:
        answers.append(answer)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def post(number: int, until: float) -> bool:
        return webhooks.put(Post(f"run_{number}", b"{}", until, take))

    try:
        later = time.monotonic() + 60
        assert [post(n, later) for n in range(4)] == [True] * 4
        # It is too late for this one once it is its turn.
        assert post(4, 0)
        assert not post(5, later)
        assert (webhooks.posting(), webhooks.room()) == (5, 0)
        assert not webhooks.drain(0)
        assert both.wait(30)
        gate.set()
        assert webhooks.drain(30)
        assert most == [2]
        assert sorted(h["webhook-id"] for h, _ in endpoint.posts) == [
            f"run_{n}" for n in range(4)
        ]
        assert answers.count(Answer()) == 4
        assert answers.count(None) == 1
        assert webhooks.room() == 5
    finally:
        gate.set()
        poster._poster.cache_clear()


def test_an_answer_that_cannot_be_noted_costs_a_line(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(answer: Answer | None) -> Future[None]:
        done: Future[None] = Future()
        done.set_exception(OSError("The database is away."))
        return done

    assert webhooks.put(Post("run_1", b"{}", time.monotonic() + 60, fail))
    assert webhooks.drain(30)
    assert "whether the webhook took run_1" in caplog.text
