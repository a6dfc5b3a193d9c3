"""The same answer to a question twenty times at once: one of them is taken."""

from __future__ import annotations

import threading
from typing import Any

import httpx2
import pytest

from chatkit_images.models import Run, ThreadItem
from chatkit_images.testing import LoopbackAPI, Text, ToolCall
from tests.client import URL, done_items, message, thread_id

from .browsing import PATIENT, Browser, until
from .conftest import Server

COUNT = 20


def at_once(browser: Browser, server: Server, op: str, params: list[Any]) -> list[int]:
    """Send requests at once; return their statuses in order."""
    barrier = threading.Barrier(len(params))
    codes = [0] * len(params)

    def send(place: int) -> None:
        with httpx2.Client(
            base_url=server.url,
            cookies=browser.cookies,
            headers=browser.headers,
            **PATIENT,
        ) as client:
            barrier.wait(60)
            response = client.post(URL, json={"type": op, "params": params[place]})
            codes[place] = response.status_code
            # One that is taken is answered, one that is not says so with its status.
            assert '"type":"error"' not in response.text

    clicks = [threading.Thread(target=send, args=(n,)) for n in range(len(params))]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join(90)
    until(lambda: not Run.objects.running().exists())
    return codes


def ask(browser: Browser, model: LoopbackAPI, *steps: Any) -> list[dict[str, Any]]:
    model.respond_with(*steps)
    events = browser.call("threads.create", input=message("Hello"))
    until(lambda: not Run.objects.running().exists())
    model.requests.clear()
    for _ in range(COUNT):
        model.respond_with(Text("Thanks."))
    return list(events)


def check(model: LoopbackAPI, codes: list[int], key: str) -> None:
    assert sorted(codes) == [200] + [409] * (COUNT - 1)
    assert len(model.requests) == 1
    answers = ThreadItem.objects.filter(thread_id=key, type="assistant_message")
    assert answers.count() == 1
    assert list(Run.objects.values_list("status", flat=True)) == ["completed"] * 2


@pytest.mark.row("S25")
def test_one_output_of_a_client_tool_is_taken(
    browser: Browser, server: Server, model: LoopbackAPI
) -> None:
    events = ask(browser, model, ToolCall("pick_colour", {"hint": "warm"}))
    key = thread_id(events)
    outputs = [{"thread_id": key, "result": {"colour": n}} for n in range(COUNT)]
    codes = at_once(browser, server, "threads.add_client_tool_output", outputs)
    check(model, codes, key)
    item = ThreadItem.objects.get(thread_id=key, type="client_tool_call")
    assert item.payload["status"] == "completed"
    assert item.payload["output"] == {"colour": codes.index(200)}


@pytest.mark.row("S25")
def test_one_structured_input_is_taken(
    browser: Browser, server: Server, model: LoopbackAPI
) -> None:
    events = ask(browser, model, ToolCall("ask", {"question": "Which?"}))
    key = thread_id(events)
    (question,) = done_items(events, "structured_input")
    inputs = [
        {
            "thread_id": key,
            "item_id": question["id"],
            "input": {
                "status": "answered",
                "answers": {"q1": {"values": [f"{n}"]}},
            },
        }
        for n in range(COUNT)
    ]
    codes = at_once(browser, server, "threads.add_structured_input", inputs)
    check(model, codes, key)
    item = ThreadItem.objects.get(thread_id=key, type="structured_input")
    assert str(codes.index(200)) in str(item.payload["inputs"])
