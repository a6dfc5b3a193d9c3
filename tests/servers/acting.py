"""Actions of a person's, which :mod:`tests.servers.chat` carries out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from tests.client import URL, message, thread_id

from .browsing import Browser

RESUME = {"ChatKit-Resume": "1"}


def new_thread(browser: Browser) -> str:
    """Return the id of a new thread."""
    return thread_id(browser.call("threads.create", input=message("Hello")))


def request_of(key: str, kind: str, **payload: Any) -> dict[str, Any]:
    """Return the request of an action."""
    params = {"thread_id": key, "action": {"type": kind, "payload": payload}}
    return {"type": "threads.custom_action", "params": params}


@contextmanager
def acting(
    browser: Browser, key: str, kind: str, **payload: Any
) -> Iterator[httpx2.Response]:
    """Open the stream of an action, as a client that can resume."""
    body = request_of(key, kind, **payload)
    with browser.stream("POST", URL, json=body, headers=RESUME) as response:
        assert response.status_code == 200, response.read()
        yield response


def numbers(lines: Iterator[str]) -> Iterator[int]:
    """Yield the numbers of the lines of progress in a stream."""
    for line in lines:
        if line.startswith("data: "):
            event = json.loads(line[6:])
            if event["type"] == "progress_update":
                yield int(event["text"].partition(" ")[0])
