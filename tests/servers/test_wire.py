"""Bytes that no browser sends, at Daphne and at uvicorn: refused, and all goes on."""

from __future__ import annotations

import json
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from chatkit_images import models
from chatkit_images.testing import LoopbackAPI
from tests.client import URL, message, thread_id
from tests.docs.pages import ROOT
from tests.test_bad_requests import BAD_BODIES, NAMES_A_THREAD

from .browsing import Browser
from .conftest import Server
from .rows import dump
from .tour import STREAMING
from .wire import KIND, LISTING, Answer, ask, connection, head, length

MIB = 2**20
# The default of MAX_BODY_BYTES.
LIMIT = 10 * MIB
# What is answered at once has come by then, however busy the machine is.
SOON = 15


def well(server: Server, browser: Browser) -> None:
    """See that a server still answers, and does not wait for something else first."""
    began = time.monotonic()
    browser.call("threads.list")
    assert time.monotonic() - began < SOON


# Bodies


@pytest.mark.row("P01")
def test_bodies_that_make_no_sense_leave_the_worker_well(
    server: Server, browser: Browser
) -> None:
    before = dump()
    start = len(server.log.read_text())
    for name, body in BAD_BODIES.items():
        answer = ask(
            server,
            head(browser, f"POST {URL} HTTP/1.1", KIND, length(body)) + b"\r\n" + body,
        )
        assert answer.status == 400, name
        assert set(json.loads(answer.body)) == {"message", "error"}, name
    assert dump() == before
    line = {
        "daphne": "Bad Request: /chatkit/",
        "uvicorn": '"POST /chatkit/ HTTP/1.1" 400',
    }[server.name]
    # Not a word more: the fixture sees that there is no traceback.
    assert server.log.read_text()[start:].count(line) == len(BAD_BODIES)
    well(server, browser)


# Streams


PARAMS: dict[str, Any] = {"threads.create": {"input": message("Hello")}} | {
    op: params | {"thread_id": "thr_unknown"} for op, params in NAMES_A_THREAD.items()
}


def streamed(server: Server, browser: Browser, op: str, **params: Any) -> Answer:
    body = json.dumps({"type": op, "params": params}).encode()
    return ask(
        server,
        head(browser, f"POST {URL} HTTP/1.1", KIND, length(body)) + b"\r\n" + body,
    )


@pytest.mark.row("P02")
@pytest.mark.parametrize("op", sorted(STREAMING - {"threads.create"}))
def test_what_is_unknown_is_told_before_the_stream_begins(
    server: Server, browser: Browser, op: str
) -> None:
    began = time.monotonic()
    answer = streamed(server, browser, op, **PARAMS[op])
    assert time.monotonic() - began < SOON
    assert answer.status == 404
    # The whole answer: nobody waits for more of it.
    assert json.loads(answer.body)["error"]["code"] == "not_found"
    assert b"text/event-stream" not in answer.head


@pytest.mark.row("P02")
def test_an_unknown_attachment_is_told_before_the_stream_begins(
    server: Server, browser: Browser
) -> None:
    params = {"input": message("look", ["atc_unknown"])}
    answer = streamed(server, browser, "threads.create", **params)
    assert answer.status == 404
    assert json.loads(answer.body)["error"]["code"] == "not_found"


@pytest.mark.row("P02")
def test_a_stream_with_an_error_ends_with_its_last_chunk(
    server: Server, browser: Browser, model: LoopbackAPI
) -> None:
    key = thread_id(browser.call("threads.create", **PARAMS["threads.create"]))
    action = {"type": "refuse", "payload": 1}
    began = time.monotonic()
    answer = streamed(
        server, browser, "threads.custom_action", thread_id=key, action=action
    )
    assert time.monotonic() - began < SOON
    assert answer.status == 200
    assert b"transfer-encoding: chunked" in answer.head.lower()
    kinds = [event["type"] for event in answer.events]
    assert kinds[-2:] == ["thread.item.done", "error"]
    assert answer.events[-1]["message"] == "No more of that."
    assert answer.body.endswith(b"\r\n0\r\n\r\n")
    well(server, browser)


# Sizes


def chunked(body: bytes) -> bytes:
    step = MIB
    parts = [body[at : at + step] for at in range(0, len(body), step)]
    return (
        b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    )


def framed(browser: Browser, framing: str, body: bytes) -> bytes:
    """Return a request whose body's end is told in one of three ways."""
    line = f"POST {URL} HTTP/1.1"
    if framing == "chunked":
        start = head(browser, line, KIND, "Transfer-Encoding: chunked")
        return start + b"\r\n" + chunked(body)
    # One that lies has more to say than it tells.
    told = body[: LIMIT + 1] if framing == "too short" else body
    return head(browser, line, KIND, length(told)) + b"\r\n" + body


@pytest.mark.row("P04")
@pytest.mark.parametrize("framing", ["length", "chunked", "too short"])
@pytest.mark.parametrize("size", [LIMIT + 1, 16 * MIB, 64 * MIB])
def test_a_body_above_the_limit_is_refused_however_it_is_framed(
    server: Server, browser: Browser, framing: str, size: int
) -> None:
    before = dump()
    start = server.memory()
    answer = ask(server, framed(browser, framing, LISTING.ljust(size)))
    if framing == "too short":
        # uvicorn may see first that the rest is no request.
        assert answer.status in (400, 413)
    else:
        assert answer.status == 413
        assert json.loads(answer.body)["error"]["code"] == "too_large"
    assert dump() == before
    if server.name == "uvicorn":
        # Daphne collects a body in its memory; see "Proxies" in docs/operations.md.
        assert server.memory() - start < 48 * MIB
    well(server, browser)


@pytest.mark.row("P04")
def test_a_body_that_is_longer_than_it_says_is_cut(
    server: Server, browser: Browser
) -> None:
    """What is left over is never taken for a request."""
    before = dump()
    # Within the rest is a whole request, as a smuggler would have it.
    body = {"type": "threads.create", "params": {"input": message("smuggled")}}
    inner = json.dumps(body).encode()
    smuggled = head(browser, f"POST {URL} HTTP/1.1", KIND, length(inner))
    answer = ask(
        server,
        head(browser, f"POST {URL} HTTP/1.1", KIND, "Content-Length: 5")
        + b"\r\n"
        + LISTING
        + smuggled
        + b"\r\n"
        + inner,
    )
    assert answer.status == 400
    assert answer.body.count(b"HTTP/1.1") == 0
    assert dump() == before


@pytest.mark.row("P04")
def test_a_body_that_is_shorter_than_it_says_does_nothing(
    server: Server, browser: Browser, model: LoopbackAPI
) -> None:
    before = dump()
    body = {"type": "threads.create", "params": {"input": message("Hello")}}
    data = json.dumps(body).encode()
    start = head(
        browser, f"POST {URL} HTTP/1.1", KIND, f"Content-Length: {len(data) + 9}"
    )
    answer = ask(server, start + b"\r\n" + data, hang_up=True)
    assert answer.status in (0, 400)
    assert dump() == before
    assert model.requests == []
    well(server, browser)


@pytest.mark.row("P04")
def test_an_upload_has_a_limit_of_its_own(
    server: Server, browser: Browser, settings: Any
) -> None:
    line = f"POST {URL}attachments/ HTTP/1.1"
    kind = "Content-Type: text/plain"
    # More than a request may have, less than a file; then more than a file.
    for size, status in ((LIMIT + 1, 200), (20 * MIB + 1, 413)):
        body = b"a" * size
        chunks = head(browser, line, kind, "Transfer-Encoding: chunked")
        answer = ask(server, chunks + b"\r\n" + chunked(body))
        assert answer.status == status, size
    assert models.Attachment.objects.count() == 1


# Slow ones


@pytest.mark.row("P05")
def test_those_who_send_slowly_hold_nobody_up(server: Server, browser: Browser) -> None:
    start = head(browser)
    with ExitStack() as stack:
        slow = [stack.enter_context(connection(server)) for _ in range(500)]
        seconds = []
        for place in range(8):
            for wire in slow:
                wire.sendall(start[place : place + 1])
            began = time.monotonic()
            browser.call("threads.list")
            seconds.append(time.monotonic() - began)
    assert statistics.median(seconds) < 5
    assert max(seconds) < SOON


PAGE = " ".join((ROOT / "docs" / "operations.md").read_text().split())


@pytest.mark.row("P04")
def test_what_bounds_the_memory_of_daphne_is_documented() -> None:
    assert "Daphne collects a body in its memory first" in PAGE
    assert "Only `client_max_body_size` bounds that" in PAGE


@pytest.mark.row("P05")
@pytest.mark.parametrize(
    "name", ["client_header_timeout", "client_body_timeout", "--limit-concurrency"]
)
def test_what_keeps_slow_requests_away_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE


# Junk


def junk(browser: Browser) -> Iterator[tuple[str, bytes, set[int]]]:
    """Yield a name, a request, and how it may be answered; 0 is not at all."""
    line = f"POST {URL} HTTP/1.1"
    told = length(LISTING)

    def post(*headers: str, line: str = line) -> bytes:
        return head(browser, line, KIND, *headers) + b"\r\n" + LISTING

    refused = {400}
    yield "nul in a header", post("X-A: a\x00b", told), refused
    yield "nul in the path", post(told, line=f"POST {URL}\x00 HTTP/1.1"), refused
    yield "path in Latin-1", post(told, line=f"POST {URL}\xe9 HTTP/1.1"), refused
    yield "space in a name", post("X A: a", told), refused
    yield "no colon", post("X-A", told), refused
    yield "two lengths", post(told, "Content-Length: 5"), refused
    yield "a negative length", post("Content-Length: -1"), refused
    yield "a length with an underscore", post("Content-Length: 3_8"), refused
    # uvicorn goes by the chunks, as it may, and by nothing else.
    both = head(browser, line, KIND, told, "Transfer-Encoding: chunked")
    yield "a length and chunks", both + b"\r\n" + chunked(LISTING), refused | {200}
    yield "an unknown encoding", post("Transfer-Encoding: xchunked"), refused | {501}
    yield (
        "chunks of no size",
        post("Transfer-Encoding: chunked") + b"\r\n0\r\n\r\n",
        refused,
    )
    yield "no request", b"hello\r\n\r\n", refused
    yield "another protocol", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refused | {404}
    # Daphne hangs up on a long header, uvicorn takes it.
    yield "16 KB in a header", post("X-A: " + "a" * 16384, told), {0, 200, 400, 431}
    yield "128 KB in a header", post("X-A: " + "a" * 2**17, told), {0, 400, 431}
    yield (
        "two thousand headers",
        post(*(f"X-{n}: a" for n in range(2000)), told),
        {200, 400, 431},
    )
    for path in (
        "images/%00/",
        "images/%ff%fe/",
        "images/..%2f..%2fa/",
        "%0d%0aa:%20b",
    ):
        yield path, head(browser, f"GET {URL}{path} HTTP/1.1") + b"\r\n", {404}
    yield (
        "nul in a thread's id",
        post("Content-Length: 0", line=f"POST {URL}threads/%00/stop/ HTTP/1.1"),
        {404},
    )


@pytest.mark.row("P13")
def test_junk_is_refused_and_the_server_stays_well(
    server: Server, browser: Browser
) -> None:
    before = dump()
    for name, data, statuses in junk(browser):
        answer = ask(server, data)
        assert answer.status in statuses, (name, answer)
        assert b"Traceback" not in answer.body, name
    assert dump() == before
    well(server, browser)


@pytest.mark.row("P13")
def test_headers_with_an_underscore_are_nobodys(
    server: Server, browser: Browser
) -> None:
    """They would become the same names as those with a hyphen."""
    start = head(browser, f"POST {URL} HTTP/1.1", KIND, length(LISTING))
    forged = start.replace(b"X-CSRFToken: ", b"X_CSRFToken: ")
    assert ask(server, start + b"\r\n" + LISTING).status == 200
    assert ask(server, forged + b"\r\n" + LISTING).status == 403


@pytest.mark.row("P13")
def test_a_connection_that_ends_in_a_header_is_forgotten(
    server: Server, browser: Browser
) -> None:
    start = head(browser)
    for cut in range(0, len(start), 17):
        with connection(server) as wire:
            wire.sendall(start[:cut])
            wire.shutdown(socket.SHUT_WR)
    well(server, browser)
