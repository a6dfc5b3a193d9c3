"""Exceptions in a stream: it ends as a stream ends, and its server stays well."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from chatkit_images.models import Run
from chatkit_images.testing import Gate, LoopbackAPI, Text
from tests.client import URL, message

from .acting import new_thread, request_of
from .browsing import PATIENT, Browser, get, until
from .conftest import Server
from .wire import KIND, Answer, ask, head, length

# By what fails; more than HEARTBEAT_SECONDS pass before the first of them.
FAILURES: dict[str, dict[str, Any]] = {
    "after a heartbeat": {"at": "before", "delay": 1.5},
    "before": {"at": "before", "delay": 0},
    "between": {"at": "between"},
    "serialiser": {"at": "serialiser"},
}


def streamed(server: Server, browser: Browser, key: str, failure: str) -> Answer:
    body = json.dumps(request_of(key, "fail", **FAILURES[failure])).encode()
    return ask(
        server,
        head(browser, f"POST {URL} HTTP/1.1", KIND, length(body)) + b"\r\n" + body,
    )


def notices(browser: Browser, model: LoopbackAPI) -> None:
    """See that the server notices who leaves."""
    gate = Gate()
    model.respond_with(gate, Text("Never."))
    with browser.open("threads.create", input=message("Hello")):
        assert gate.reached.wait(30)
    until(lambda: not Run.objects.running().exists(), 20, "the end of the run")


def reaps(server: Server) -> None:
    """See that Daphne ends applications that ignore a disconnect."""

    def killed() -> int:
        return int(get(f"{server.url}/deaf/killed/").text)

    before = killed()
    with httpx2.stream("GET", f"{server.url}/deaf/", **PATIENT) as deaf:
        assert next(deaf.iter_bytes()) == b"waiting"
    until(lambda: killed() == before + 1, 30, "the end of the application")


@pytest.mark.row("S06")
def test_a_failure_ends_its_stream_and_nothing_else(
    server: Server, browser: Browser, model: LoopbackAPI
) -> None:
    key = new_thread(browser)
    for failure in FAILURES:
        answer = streamed(server, browser, key, failure)
        if failure == "before":
            assert answer.status == 500
            assert json.loads(answer.body)["error"]["code"] == "server_error"
        else:
            assert answer.status == 200, failure
            error = answer.events[-1]
            assert (error["type"], error["allow_retry"]) == ("error", False), failure
            assert answer.body.endswith(b"\r\n0\r\n\r\n"), failure
        until(lambda: not Run.objects.running().exists())
        run = Run.objects.latest("created_at")
        assert run.status == "failed", failure
        # Staff read what it was, the person does not.
        assert b"first event" not in answer.body
        assert b"serialiser" not in answer.body
    logged = server.forgive()
    for name in ("before the first event", "between two events", "in the serialiser"):
        assert name in logged
    notices(browser, model)
    if server.name == "daphne":
        reaps(server)
