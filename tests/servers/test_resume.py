"""Streams that are read once more, under both servers and through both doors."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

import httpx2
import pytest

from chatkit_images.models import GeneratedImage, Run, ThreadItem
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from tests.client import URL, message, of_type

from .browsing import PATIENT, Browser, until
from .conftest import Server

HELLO = {"input": message("Hello")}
RESUME = {"ChatKit-Resume": "1"}
TALK = Text("one two three four five six seven", chunk=4)


class Numbered:
    """A stream whose events have numbers."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.run = response.headers["ChatKit-Run"]
        self._frames = frames(response.iter_lines())

    def take(self, count: int) -> list[tuple[int, Any]]:
        return [next(self._frames) for _ in range(count)]

    def until(self, kind: str) -> list[tuple[int, Any]]:
        found = []
        for frame in self._frames:
            found.append(frame)
            if frame[1]["type"] == kind:
                return found
        raise AssertionError(f"no {kind}")

    def rest(self) -> list[tuple[int, Any]]:
        return list(self._frames)


def frames(lines: Any) -> Any:
    """Yield number and event of each frame; 0 for one without a number."""
    number = 0
    for line in lines:
        if line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            yield number, json.loads(line[6:])
            number = 0


def begin(browser: Browser, **headers: str) -> Any:
    body = {"type": "threads.create", "params": HELLO}
    return browser.stream("POST", URL, json=body, headers=RESUME | headers)


def resume(browser: Browser, run: str, last: object = 0) -> Any:
    url = f"/chatkit/runs/{run}/events/"
    return browser.stream("GET", url, headers={"Last-Event-ID": str(last)})


def read(opened: Any) -> list[tuple[int, Any]]:
    with opened as response:
        assert response.status_code == 200, response.read()
        return Numbered(response).rest()


def thread_of(run: str) -> str:
    return str(Run.objects.get(pk=run).thread_id)


def shown(events: list[Any]) -> dict[str, Any]:
    """Return the items that a client shows when a stream has ended."""
    items: dict[str, Any] = {}
    for event in events:
        if event["type"] in ("thread.item.added", "thread.item.done"):
            items[event["item"]["id"]] = event["item"]
        elif event["type"] == "thread.item.removed":
            items.pop(event["item_id"], None)
        elif event["type"] == "thread.item.replaced":
            items[event["item"]["id"]] = event["item"]
    return items


@pytest.mark.row("S09")
def test_every_cut_of_a_recorded_stream(
    browser: Browser, model: LoopbackAPI, png: bytes
) -> None:
    model.respond_with(Text("Look."), Image(data=png, partials=2), TALK)
    with begin(browser) as response:
        stream = Numbered(response)
        whole = stream.rest()
    assert [number for number, _ in whole] == list(range(1, len(whole) + 1))
    assert len(whole) > 20
    for cut in range(len(whole) + 1):
        assert read(resume(browser, stream.run, cut)) == whole[cut:]


@pytest.mark.row("S09")
@pytest.mark.parametrize("way", ["closes", "breaks off"])
def test_a_cut_in_the_middle_loses_and_repeats_nothing(
    browser: Browser, model: LoopbackAPI, png: bytes, way: str
) -> None:
    gates = [Gate(), Gate()]
    model.respond_with(
        Text("Look."), gates[0], Image(data=png, partials=2), gates[1], TALK
    )
    with begin(browser) as response:
        stream = Numbered(response)
        seen = stream.until("stream_options")
        if way == "breaks off":
            response.extensions["network_stream"].get_extra_info("socket").close()
    gates[0].open()
    with resume(browser, stream.run, seen[-1][0]) as response:
        again = Numbered(response)
        seen += again.until("thread.item.added")
        seen += again.take(2)
    with resume(browser, stream.run, seen[-1][0]) as response:
        again = Numbered(response)
        gates[1].open()
        seen += again.rest()
    assert [number for number, _ in seen] == list(range(1, len(seen) + 1))
    assert [event for _, event in seen] == [
        event for _, event in read(resume(browser, stream.run))
    ]
    assert until(lambda: Run.objects.exclude(status="running").first()).status == (
        "completed"
    )
    assert len(model.requests) == 1
    page = browser.call("items.list", thread_id=thread_of(stream.run), order="asc")
    assert [item["id"] for item in page["data"]] == list(shown([e for _, e in seen]))


@pytest.mark.row("S10")
@pytest.mark.parametrize("last", ["junk", "-1", "99999", "", "1" * 40, "é"])
def test_a_number_that_nobody_gave_shows_everything(
    browser: Browser, model: LoopbackAPI, last: str
) -> None:
    model.respond_with(Text("Hello."))
    with begin(browser) as response:
        stream = Numbered(response)
        whole = stream.rest()
    url = f"/chatkit/runs/{stream.run}/events/"
    headers = {"Last-Event-ID": last.encode()}
    with browser.stream("GET", url, headers=headers) as response:  # type: ignore[arg-type]
        assert response.status_code == 200
        assert Numbered(response).rest() == whole


@pytest.mark.row("S10")
def test_without_a_log_the_stream_is_what_the_database_has(
    browser: Browser, model: LoopbackAPI, png: bytes
) -> None:
    model.respond_with(Image(data=png), Text("Done."))
    events = browser.call("threads.create", **HELLO)
    until(lambda: not Run.objects.running().exists())
    run = Run.objects.get()
    # As after a restart: this run is in nobody's memory.
    run.pk = uuid.uuid4()
    run.save(force_insert=True)

    found = read(resume(browser, str(run.pk), 7))

    assert {number for number, _ in found} == {0}
    assert found[0][1]["type"] == "thread.created"
    items = shown([event for _, event in found])
    assert list(items) == list(shown(events))
    assert [item["type"] for item in items.values()] == [
        "user_message",
        "generated_image",
        "assistant_message",
    ]


@pytest.mark.row("S10")
def test_an_unknown_run_is_a_404(browser: Browser) -> None:
    for method, name in (("GET", "events"), ("POST", "stop")):
        response = browser.request(method, f"/chatkit/runs/{uuid.uuid4()}/{name}/")
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "not_found"


@pytest.mark.row("S11")
def test_a_second_tab_sees_what_there_is_and_then_the_same(
    browser: Browser, model: LoopbackAPI, png: bytes
) -> None:
    gate = Gate()
    model.respond_with(Text("Look."), Image(data=png, partials=2, gate=gate), TALK)
    with begin(browser) as response:
        stream = Numbered(response)
        first = stream.until("thread.created")
        key = first[0][1]["thread"]["id"]
        until(lambda: GeneratedImage.objects.filter(partials__isnull=False).exists())
        status = browser.get(f"/chatkit/threads/{key}/status/").json()
        assert status == {"busy": True, "run": stream.run, "end": None}
        with browser.stream("GET", f"/chatkit/threads/{key}/events/") as other:
            tab = Numbered(other)
            assert tab.run == stream.run
            gate.open()
            theirs = [event for _, event in tab.rest()]
        mine = [event for _, event in first + stream.rest()]
    assert shown(theirs) == shown(mine)
    until(lambda: not Run.objects.running().exists())
    status = browser.get(f"/chatkit/threads/{key}/status/").json()
    assert (status["busy"], status["run"]) == (False, None)
    assert (status["end"]["run"], status["end"]["status"]) == (stream.run, "completed")
    response = browser.get(f"/chatkit/threads/{key}/events/")
    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.row("S22")
def test_the_same_request_twenty_times_is_one_run(
    browser: Browser, server: Server, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(gate, TALK)
    answers: list[list[tuple[int, Any]]] = []

    def send() -> None:
        with (
            httpx2.Client(
                base_url=server.url,
                cookies=browser.cookies,
                headers=browser.headers,
                **PATIENT,
            ) as client,
            begin(client, **{"Idempotency-Key": "click-1"}) as response,  # type: ignore[arg-type]
        ):
            assert response.status_code == 200, response.read()
            answers.append(Numbered(response).rest())

    clicks = [threading.Thread(target=send) for _ in range(20)]
    for click in clicks:
        click.start()
    assert gate.reached.wait(30)
    until(lambda: Run.objects.count() == 1)
    gate.open()
    for click in clicks:
        click.join(90)
    assert len(answers) == 20
    assert all(answer == answers[0] for answer in answers)
    assert Run.objects.count() == len(model.requests) == 1
    assert ThreadItem.objects.filter(type="user_message").count() == 1
    # Later too, and for who does not ask for numbers.
    again = browser.post(
        URL,
        json={"type": "threads.create", "params": HELLO},
        headers={"Idempotency-Key": "click-1"},
    )
    assert "id: " not in again.text
    assert again.text.count("data: ") == len(answers[0])


def test_a_key_that_is_too_long_is_refused(browser: Browser) -> None:
    response = browser.post(
        URL,
        json={"type": "threads.create", "params": HELLO},
        headers={"Idempotency-Key": "x" * 256},
    )
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "bad_idempotency_key"


@pytest.mark.row("S23")
@pytest.mark.parametrize("same", [False, True])
def test_of_messages_at_once_one_is_taken_and_its_repetitions_join_it(
    browser: Browser, server: Server, model: LoopbackAPI, same: bool
) -> None:
    model.respond_with(Text("Hello."))
    key = browser.call("threads.create", **HELLO)[0]["thread"]["id"]
    until(lambda: not Run.objects.running().exists())
    gate = Gate()
    model.respond_with(gate, Text("One."))
    barrier = threading.Barrier(8)
    codes: list[int] = []
    answers = set()

    def send(place: int) -> None:
        with httpx2.Client(
            base_url=server.url,
            cookies=browser.cookies,
            headers=browser.headers,
            **PATIENT,
        ) as client:
            said = message("Hello" if same else f"Hello {place}")
            params = {"thread_id": key, "input": said}
            barrier.wait(60)
            body = {"type": "threads.add_user_message", "params": params}
            with client.stream("POST", URL, json=body) as response:
                codes.append(response.status_code)
                if response.status_code == 409:
                    return
                response.read()
                answers.add(response.text.replace(": keep-alive\n\n", ""))

    clicks = [threading.Thread(target=send, args=(place,)) for place in range(8)]
    for click in clicks:
        click.start()
    until(lambda: len(codes) == 8 if same else codes.count(409) == 7)
    gate.open()
    for click in clicks:
        click.join(90)
    assert sorted(codes) == ([200] * 8 if same else [200] + [409] * 7)
    assert len(answers) == 1
    assert ThreadItem.objects.filter(type="user_message").count() == 2
    assert len(model.requests) == 2


@pytest.mark.row("S03")
def test_a_stop_by_the_run_is_not_a_lost_connection(
    browser: Browser, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(Text("First."), gate)
    with begin(browser) as response:
        stream = Numbered(response)
        stream.until("thread.item.added")
        url = f"/chatkit/runs/{stream.run}/stop/"
        assert browser.post(url).json() == {"stopped": True}
        assert not of_type([event for _, event in stream.rest()], "error")
    assert Run.objects.get().status == "cancelled"
    hidden = ThreadItem.objects.get(type="sdk_hidden_context")
    assert "cancelled" in hidden.payload["content"]
    assert browser.post(url).json() == {"stopped": False}
    gate.open()


@pytest.mark.row("S03")
def test_who_can_come_back_is_waited_for(browser: Browser, model: LoopbackAPI) -> None:
    gate = Gate()
    model.respond_with(Text("First."), gate, Text("Second."))
    with begin(browser) as response:
        stream = Numbered(response)
        seen = stream.until("thread.item.added")
    # Longer than a server needs to notice it, and less than the time to come back.
    with pytest.raises(AssertionError):
        until(lambda: not Run.objects.running().exists(), 0.6)
    with resume(browser, stream.run, seen[-1][0]) as response:
        gate.open()
        seen += Numbered(response).rest()
    assert [number for number, _ in seen] == list(range(1, len(seen) + 1))
    assert Run.objects.get().status == "completed"
    assert not ThreadItem.objects.filter(type="sdk_hidden_context").exists()


@pytest.mark.row("S03")
def test_who_does_not_come_back_has_left(browser: Browser, model: LoopbackAPI) -> None:
    gate = Gate()
    model.respond_with(Text("First."), gate)
    with begin(browser) as response:
        Numbered(response).until("thread.item.added")
    until(lambda: not Run.objects.running().exists(), 30)
    assert Run.objects.get().status == "cancelled"
    gate.open()
