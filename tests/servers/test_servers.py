"""The application under Daphne and under uvicorn, each in a process of its own."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from chatkit_images.models import GeneratedImage, Run, ThreadItem
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from tests.client import done_items, message, of_type

from .browsing import PATIENT, Browser, Stream, get, until
from .conftest import Server
from .tour import OPERATIONS, STREAMING, tour

HELLO = {"input": message("Hello")}
# A text that takes half a minute: it is left or stopped in the middle.
SLOWLY = Text("word " * 1000, chunk=5, delay=0.03)
# Within this a server notices that somebody has left, however busy the machine is.
SOON = 15


def reach(gate: Gate) -> None:
    assert gate.reached.wait(30), "the model was not called"


def ended() -> Run | None:
    """Return the one run there is, when it has ended."""
    return Run.objects.exclude(status="running").first()


def texts(items: list[dict[str, Any]]) -> list[str]:
    return [
        item["content"][0]["text"]
        for item in items
        if item["type"] == "assistant_message"
    ]


def test_every_operation(browser: Browser, model: LoopbackAPI) -> None:
    visited, steps, answer = set(), tour(model), None
    while True:
        try:
            op, params = steps.send(answer)
        except StopIteration:
            break
        visited.add(op)
        answer = browser.call(op, **params)
    assert visited == OPERATIONS


def test_image_is_fetched_without_a_cookie(
    browser: Browser, model: LoopbackAPI, png: bytes
) -> None:
    model.respond_with(Image(data=png), Text("Done."))
    events = browser.call("threads.create", **HELLO)
    (item,) = done_items(events, "generated_image")
    assert item["image"]["url"].startswith(str(browser.base_url))
    response = get(item["image"]["url"])
    assert (response.status_code, response.content) == (200, png)
    assert response.headers["Content-Type"] == "image/png"


@pytest.mark.row("P10")
def test_first_events_come_while_the_model_is_held(
    browser: Browser, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(gate, Text("Done."))
    with browser.open("threads.create", **HELLO) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["Content-Encoding"] == "identity"
        stream.until("thread.created")
        stream.until("thread.item.done")
        stream.until("stream_options")
        reach(gate)
        stream.heartbeat()
        assert not gate.opened.is_set()
        gate.open()
        assert texts(done(stream.rest())) == ["Done."]
    assert until(ended).status == "completed"


def done(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event["item"] for event in of_type(events, "thread.item.done")]


def test_client_that_leaves_ends_the_run(browser: Browser, model: LoopbackAPI) -> None:
    model.respond_with(Text("First."), SLOWLY)
    with browser.open("threads.create", **HELLO) as stream:
        key = stream.until("thread.created")["thread"]["id"]
        middle_of_the_second_text(stream)
    run = until(ended, SOON, "the end of the run")
    assert run.status == "cancelled"
    until(lambda: model.disconnects == 1, SOON, "the end of the model's stream")
    page = browser.call("items.list", thread_id=key, order="asc")
    first, second, note = texts(page["data"])
    assert (first, note) == ("First.", "The answer was stopped.")
    assert second.startswith("word word ")
    assert len(second) < len(SLOWLY.text)
    # The next turn is told, and the thread is free at once.
    events = browser.call("threads.add_user_message", thread_id=key, **HELLO)
    assert texts(done(events))
    assert ThreadItem.objects.filter(type="sdk_hidden_context").count() == 1


def middle_of_the_second_text(stream: Stream) -> None:
    """Wait for the first words of the answer's second text."""
    for kind in ("stream_options", "thread.item.done", "thread.item.added"):
        stream.until(kind)
    for _ in range(5):
        stream.until("thread.item.updated")


@pytest.mark.parametrize("way", ["closes", "breaks off"])
def test_client_that_leaves_before_the_first_event_of_the_model(
    browser: Browser, model: LoopbackAPI, way: str
) -> None:
    gate = Gate()
    model.respond_with(gate, Text("Never."))
    with browser.open("threads.create", **HELLO) as stream:
        reach(gate)
        if way == "breaks off":
            stream.break_off()
    assert until(ended, SOON, "the end of the run").status == "cancelled"
    until(lambda: model.disconnects == 1, SOON, "the end of the model's stream")


def test_image_is_finished_when_its_client_has_left(
    browser: Browser, model: LoopbackAPI, png: bytes
) -> None:
    gate = Gate()
    model.respond_with(Image(partials=1, data=png, gate=gate), Text("Done."))
    with browser.open("threads.create", **HELLO) as stream:
        key = stream.until("thread.created")["thread"]["id"]
        # The preview is there: an image is being generated.
        until(lambda: stream.until("thread.item.updated").get("update"))
        reach(gate)
    # Long gone for the server, as a request of the same browser shows.
    response = browser.ask("threads.add_user_message", thread_id=key, **HELLO)
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "run_in_progress"
    assert model.disconnects == 0
    gate.open()
    assert until(ended).status == "completed"
    image = GeneratedImage.objects.get()
    assert image.status == "completed"
    page = browser.call("items.list", thread_id=key, order="asc")
    kinds = [item["type"] for item in page["data"]]
    assert kinds == ["user_message", "generated_image", "assistant_message"]
    image = get(page["data"][1]["image"]["url"])
    assert image.content == png


def test_stop_ends_the_stream_and_keeps_what_was_said(
    browser: Browser, model: LoopbackAPI
) -> None:
    model.respond_with(Text("First."), SLOWLY)
    with browser.open("threads.create", **HELLO) as stream:
        key = stream.until("thread.created")["thread"]["id"]
        middle_of_the_second_text(stream)
        response = browser.post(f"/chatkit/threads/{key}/stop/")
        assert response.json() == {"stopped": True}
        # The body ends as it should: httpx2 raises for one that is cut.
        assert not of_type(stream.rest(), "error")
    assert until(ended, SOON, "the end of the run").status == "cancelled"
    until(lambda: model.disconnects == 1, SOON, "the end of the model's stream")
    page = browser.call("items.list", thread_id=key, order="asc")
    first, second, note = texts(page["data"])
    assert (first, note) == ("First.", "The answer was stopped.")
    assert second.startswith("word word ")
    assert len(second) < len(SLOWLY.text)
    assert browser.post(f"/chatkit/threads/{key}/stop/").json() == {"stopped": False}


def test_stop_ends_an_image_with_its_preview(
    browser: Browser, model: LoopbackAPI, png: bytes
) -> None:
    gate = Gate()
    model.respond_with(Image(partials=1, data=png, gate=gate), Text("Done."))
    with browser.open("threads.create", **HELLO) as stream:
        key = stream.until("thread.created")["thread"]["id"]
        stream.until("thread.item.updated")
        assert browser.post(f"/chatkit/threads/{key}/stop/").json() == {"stopped": True}
        (item,) = done_items(stream.rest(), "generated_image")
    assert get(item["image"]["url"]).content == png
    assert GeneratedImage.objects.get().status == "cancelled"
    assert until(ended).status == "cancelled"


@pytest.mark.row("P02")
@pytest.mark.parametrize("op", sorted(STREAMING - {"threads.create"}))
def test_unknown_thread_is_a_404_at_once(browser: Browser, op: str) -> None:
    params: dict[str, Any] = {
        "threads.add_user_message": HELLO,
        "threads.add_client_tool_output": {"result": 1},
        "threads.add_structured_input": {"item_id": "x", "input": {"answers": {}}},
        "threads.custom_action": {"action": {"type": "press", "payload": 1}},
        "threads.retry_after_item": {"item_id": "x"},
    }[op]
    response = browser.ask(op, thread_id="thr_unknown", **params)
    assert (response.status_code, response.json()["error"]["code"]) == (
        404,
        "not_found",
    )


@pytest.mark.row("P01")
def test_bad_requests_leave_the_server_well(
    browser: Browser, server: Server, model: LoopbackAPI
) -> None:
    json_type = {"Content-Type": "application/json"}
    for body, headers, status in (
        (b"{", json_type, 400),
        (b"", json_type, 400),
        (b'{"type": "threads.list", "params": {}}', {}, 415),
        (b'{"a":' * 3000, json_type, 400),
        (b" " * (11 * 2**20), json_type, 413),
    ):
        response = browser.post("/chatkit/", content=body, headers=headers)
        assert response.status_code == status
        assert set(response.json()) == {"message", "error"}
    assert browser.get("/chatkit/").status_code == 405
    forged = {"X-CSRFToken": "b" * 32}
    assert browser.post("/chatkit/", json={}, headers=forged).status_code == 403
    with httpx2.Client(base_url=server.url, **PATIENT) as nobody:
        nobody.cookies["csrftoken"] = token = "c" * 32
        listing = {"type": "threads.list", "params": {}}
        response = nobody.post(
            "/chatkit/", json=listing, headers={"X-CSRFToken": token}
        )
    assert (response.status_code, response.json()["error"]["code"]) == (
        401,
        "not_authenticated",
    )
    # And it still notices who leaves.
    gate = Gate()
    model.respond_with(gate, Text("Never."))
    with browser.open("threads.create", **HELLO):
        reach(gate)
    assert until(ended, SOON, "the end of the run").status == "cancelled"


@pytest.mark.parametrize("process", ["daphne-view", "daphne-consumer"], indirect=True)
def test_server_still_ends_those_who_do_not_listen(
    browser: Browser, server: Server
) -> None:
    """Daphne ends applications that ignore a disconnect, unless its check has died."""

    def killed() -> int:
        return int(get(f"{server.url}/deaf/killed/").text)

    response = browser.ask("threads.add_user_message", thread_id="thr_unknown", **HELLO)
    assert response.status_code == 404
    before = killed()
    with httpx2.stream("GET", f"{server.url}/deaf/", **PATIENT) as deaf:
        assert next(deaf.iter_bytes()) == b"waiting"
    until(lambda: killed() == before + 1, 30, "the end of the application")


def test_many_clients_at_once(browser: Browser, model: LoopbackAPI) -> None:
    gates = [Gate() for _ in range(8)]
    for gate in gates:
        model.respond_with(gate, Text("Done."))
    streams = [browser.open("threads.create", **HELLO) for _ in gates]
    opened = [stream.__enter__() for stream in streams]
    for gate in gates:
        reach(gate)
    # Others are served meanwhile.
    assert len(browser.call("threads.list")["data"]) == len(gates)
    for gate in gates:
        gate.open()
    for stream, manager in zip(opened, streams, strict=True):
        assert texts(done(stream.rest())) == ["Done."]
        manager.__exit__(None, None, None)
    until(lambda: not Run.objects.running().exists())
    assert Run.objects.filter(status="completed").count() == len(gates)


@pytest.mark.row("O07")
def test_requests_leave_no_connection_behind(
    browser: Browser, server: Server, model: LoopbackAPI
) -> None:
    def work() -> None:
        model.respond_with(Text("Done."))
        key = browser.call("threads.create", **HELLO)[0]["thread"]["id"]
        for op in ("threads.get_by_id", "items.list", "threads.delete"):
            browser.call(op, thread_id=key)
        for _ in range(10):
            assert browser.ask("threads.get_by_id", thread_id=key).status_code == 404

    work()
    until(lambda: not Run.objects.running().exists())
    before = server.descriptors
    for _ in range(8):
        work()
    # A thread of the runs may still have its own for a moment.
    until(lambda: server.descriptors <= before, SOON, "the end of the connections")
