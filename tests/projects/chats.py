"""Steps of a chat: images with previews, the next turn, cuts, stops and uploads."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from itertools import takewhile

from PIL import Image as Pixels

from chatkit_images.testing import Gate, Image, Text
from tests.client import done_items, thread_id

from .tour import Tour, check_end, image_of, previews


def at_the_view(tour: Tour) -> None:
    """A new thread by Django's view, under Daphne."""
    tour.image_url = chat(tour, tour.daphne, "view")


def at_the_consumer(tour: Tour) -> None:
    """A new thread by the consumer, under uvicorn."""
    chat(tour, tour.uvicorn, "consumer")


def chat(tour: Tour, server: str, name: str) -> str:
    """Begin a thread with an image, and return the URL of that."""
    # No preview is shown that the image overtakes.
    gate = Gate()
    image = Image("a red fox", partials=2, gate=gate)
    tour.api.respond_with(Text("Here it comes."), image, Text("Done."))
    with tour.ann.say(server, "a red fox") as stream:
        events = []
        for event in stream.events():
            events.append(event)
            if previews([event]):
                gate.open()
        seen = stream.response
    if tour.kind.page:
        check_cross_origin(tour, seen.headers)
    check_end(events)
    tour.threads[name] = thread_id(events)
    shown = image_of(events)["url"]
    early = set(previews(events)) - {shown}
    assert early, "there was no preview"
    assert tour.ann.image(server, shown).startswith(b"\x89PNG")
    assert done_items(events, "assistant_message"), "there was no text"
    return shown


def check_cross_origin(tour: Tour, headers: Mapping[str, str]) -> None:
    """Fail if a browser would keep an answer from the page."""
    assert headers.get("Access-Control-Allow-Origin") == tour.kind.page, headers
    assert headers.get("Access-Control-Allow-Credentials") == "true", headers
    exposed = headers.get("Access-Control-Expose-Headers", "").lower()
    assert "chatkit-run" in exposed, headers
    assert "origin" in headers.get("Vary", "").lower(), headers


def follow_up(tour: Tour) -> None:
    """The next message brings the image of the first along."""
    thread = tour.thread("view")
    (before,) = [
        item["image"]["url"]
        for item in tour.items(tour.ann, tour.daphne, thread)
        if item["type"] == "generated_image"
    ]
    with tour.ann.say(tour.uvicorn, "now at night", thread) as stream:
        events = list(stream.events())
    check_end(events)
    assert image_of(events)["url"] != before
    sent = base64.b64encode(tour.ann.image(tour.uvicorn, before)).decode()
    assert sent in json.dumps(tour.api.requests[-1]), "the model was not sent the image"


def resume(tour: Tour) -> None:
    """A stream is cut in one process, and goes on in the other."""
    gate = Gate()
    tour.api.respond_with(
        Text("Here it comes."), Image("a boat", partials=3, gate=gate), Text("Done.")
    )
    with tour.ann.say(tour.daphne, "a boat") as stream:
        told, last = [], ""
        for event in stream.events():
            if previews([event]):
                # It is lost on its way.
                break
            told.append(event)
            last = stream.last
        assert gate.reached.wait(30), "the model was not asked"
    if not tour.kind.redis:
        # Without a common log the other process waits for the end of the run.
        gate.open()
    with tour.ann.follow(tour.uvicorn, stream.run, last) as rest:
        gate.open()
        more = list(rest.events())
    check_end(more)
    thread = thread_id(told)
    shown = {item["id"] for item in tour.items(tour.ann, tour.uvicorn, thread)}
    streamed = {
        event["item"]["id"]
        for event in told + more
        if event["type"] == "thread.item.done"
    }
    assert streamed == shown, (streamed, shown)
    assert tour.ann.image(tour.uvicorn, image_of(more)["url"])
    # What comes from the database instead of a log repeats items by their ids.
    texts = {
        item["id"]: "".join(part["text"] for part in item["content"])
        for item in done_items(told + more, "assistant_message")
    }
    assert [*texts.values()] == ["Here it comes.", "Done."], texts


def stop(tour: Tour) -> None:
    """What one process is asked to stop ends in the other, and is so after a reload."""
    gate = Gate()
    tour.api.respond_with(Text("Wait."), Image("a cat", partials=1, gate=gate))
    with tour.ann.say(tour.daphne, "a cat") as stream:
        events = stream.events()
        told = list(takewhile(lambda event: not previews([event]), events))
        assert gate.reached.wait(30), "the model was not asked"
        thread = thread_id(told)
        base = f"{tour.uvicorn}{tour.kind.prefix}threads/{thread}/"
        busy = tour.ann.client.get(f"{base}status/").json()
        assert busy == {"busy": True, "run": stream.run}, busy
        stopped = tour.ann.client.post(f"{base}stop/")
        assert stopped.json() == {"stopped": True}, stopped.text
        list(events)
    gate.open()
    busy = tour.ann.client.get(f"{base}status/").json()
    assert busy == {"busy": False, "run": None}, busy
    left = tour.items(tour.ann, tour.uvicorn, thread)
    assert left[0]["type"] == "user_message", left
    assert "Wait." in json.dumps(left), left
    with tour.ann.say(tour.uvicorn, "Hello", thread) as stream:
        check_end(list(stream.events()))


def upload(tour: Tour) -> None:
    """A file is uploaded, sent in a message, and there after a reload."""
    drawn = io.BytesIO()
    Pixels.new("RGB", (64, 48), "orange").save(drawn, "PNG")
    files = {"file": ("orange.png", drawn.getvalue(), "image/png")}
    url = f"{tour.daphne}{tour.kind.prefix}attachments/"
    answer = tour.ann.client.post(url, files=files)
    assert answer.status_code == 200, answer.text[:2000]
    attachment = answer.json()
    with tour.ann.say(
        tour.uvicorn, "Hello, what is this?", attachments=[attachment["id"]]
    ) as stream:
        events = list(stream.events())
    check_end(events)
    sent = base64.b64encode(drawn.getvalue()).decode()[:200]
    assert sent in json.dumps(tour.api.requests[-1]), "the model was not sent the file"
    items = tour.items(tour.ann, tour.daphne, thread_id(events))
    (shown,) = items[0]["attachments"]
    assert shown["id"] == attachment["id"]
    assert tour.ann.image(tour.daphne, shown["preview_url"])
