"""Threads of before the upgrade are opened, continued, retried, renamed and deleted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from chatkit_images import imaging
from chatkit_images.models import DeletedFile, GeneratedImage, Run, Thread
from chatkit_images.queries.identity import key_of
from chatkit_images.testing import Image, LoopbackAPI, Text
from tests.client import ChatClient, done_items, message, of_type

from . import old
from .filling import answers

each_thread = pytest.mark.parametrize("key", old.threads())
DATA = re.compile(r"data:image/\w+;base64,([A-Za-z0-9+/=]+)")


def refusal(key: str) -> str:
    """Return the code with which a thread refuses a message, empty if it does not."""
    (thread,) = old.rows("Thread", id=key)
    if key == old.FOLLOWED["thread_id"]:
        return "run_in_progress"
    return "" if thread["status"] == "active" else f"thread_{thread['status']}"


def newest_message(key: str) -> dict[str, Any]:
    """Return the newest message of a person in a thread."""
    items = old.ANSWERS[old.OWNERS[key]][key]["items"]
    found: dict[str, Any] = [i for i in items if i["type"] == "user_message"][-1]
    return found


@pytest.mark.upgraded("threads", "are listed")
@pytest.mark.parametrize("name", old.ANSWERS)
async def test_the_list_is_what_it_was(person: Any, counted: Any, name: str) -> None:
    counted(len(old.ANSWERS[name]))
    page = await person(name).call("threads.list", order="asc", limit=100)
    assert [thread["id"] for thread in page["data"]] == list(old.ANSWERS[name])


@pytest.mark.upgraded("threads", "open with every item, the same bytes behind URLs")
@each_thread
async def test_a_thread_opens_as_before(owner: ChatClient, key: str) -> None:
    assert await answers.thread(owner, key) == old.ANSWERS[old.OWNERS[key]][key]


@pytest.mark.upgraded("threads", "are continued, or refuse it as before")
@each_thread
async def test_a_thread_is_continued(
    owner: ChatClient, model: LoopbackAPI, key: str
) -> None:
    model.respond_with(Text("Once more."), Image(partials=1), Text("There."))
    params = {"thread_id": key, "input": message("and now at night")}
    if code := refusal(key):
        response = await owner.request_op("threads.add_user_message", params)
        assert response.status_code == 409
        assert response.json()["error"]["code"] == code
        return
    events = await owner.stream("threads.add_user_message", **params)
    assert not of_type(events, "error")
    (item,) = done_items(events, "generated_image")
    image = await GeneratedImage.objects.aget(pk=key_of(item["image"]["id"]))
    assert image.status == "completed"
    # The model sees what the person sees of earlier images, the newest of them.
    asked = json.dumps(model.requests[0]["input"])
    sent = {
        hashlib.sha256(base64.b64decode(data)).hexdigest()
        for data in DATA.findall(asked)
    }
    known = set(old.digests().values()) | redrawn()
    shown = json.dumps(old.ANSWERS[old.OWNERS[key]][key])
    assert sent <= known
    assert bool(sent) == ("200 image/" in shown or key == old.DEAD["thread_id"])


def redrawn() -> set[str]:
    """Return the digests of the images that go in another form than they have."""
    names = [n for n in old.MANIFEST["files"] if not n.endswith((".svg", ".txt"))]
    files = [(old.FIXTURE / name).read_bytes() for name in names]
    return {
        hashlib.sha256(imaging.redraw(data)[1]).hexdigest()
        for data in files
        if imaging.as_it_is(data) is None
    }


@pytest.mark.upgraded("threads", "have their newest answer retried")
@each_thread
async def test_an_answer_is_retried(
    owner: ChatClient, model: LoopbackAPI, key: str
) -> None:
    asked = newest_message(key)
    params = {"thread_id": key, "item_id": asked["id"]}
    model.respond_with(Text("Better."))
    if code := refusal(key):
        response = await owner.request_op("threads.retry_after_item", params)
        assert response.json()["error"]["code"] == code
        return
    events = await owner.stream("threads.retry_after_item", **params)
    assert not of_type(events, "error")
    thread = await answers.thread(owner, key)
    earlier = old.ANSWERS[old.OWNERS[key]][key]["items"]
    kept = earlier[: earlier.index(asked) + 1]
    assert thread["items"][: len(kept)] == kept
    (answer,) = thread["items"][len(kept) :]
    assert answer["content"][0]["text"] == "Better."
    # What was taken out of the thread is there for staff.
    left = GeneratedImage.objects.filter(thread_id=key, item=None)
    assert not await left.filter(superseded_at=None).aexists()
    count = len(old.rows("GeneratedImage", thread_id=key))
    assert await GeneratedImage.objects.filter(thread_id=key).acount() == count


async def refuses(owner: ChatClient, key: str, op: str, **params: Any) -> bool:
    """Whether a thread is locked or closed, and so takes no change."""
    code = refusal(key)
    if not code.startswith("thread_"):
        return False
    response = await owner.request_op(op, {"thread_id": key, **params})
    assert response.status_code == 409
    assert response.json()["error"]["code"] == code
    return True


@pytest.mark.upgraded("threads", "are renamed")
@each_thread
async def test_a_thread_is_renamed(owner: ChatClient, key: str) -> None:
    if await refuses(owner, key, "threads.update", title="New name"):
        return
    before = old.ANSWERS[old.OWNERS[key]][key]
    thread = await owner.call("threads.update", thread_id=key, title="New name")
    assert thread["title"] == "New name"
    assert await answers.thread(owner, key) == before | {"title": "New name"}


@pytest.mark.upgraded("threads", "are deleted with their files")
@each_thread
async def test_a_thread_is_deleted(owner: ChatClient, settings: Any, key: str) -> None:
    names = {
        row[column]
        for model in ("GeneratedImage", "Attachment")
        for row in old.rows(model, thread_id=key)
        for column in ("file", "thumbnail")
    } - {""}
    folders = Path(settings.MEDIA_ROOT), settings.CHATKIT_IMAGES["SPOOL_DIR"]

    def files() -> set[str]:
        return {n for n in names if any((folder / n).exists() for folder in folders)}

    assert files() == names
    if await refuses(owner, key, "threads.delete"):
        return
    assert await owner.call("threads.delete", thread_id=key) == {}
    await settled(names)
    assert files() == set()
    assert not await Thread.objects.filter(pk=key).aexists()
    assert not await Run.objects.filter(thread_id=key).aexists()


async def settled(names: set[str]) -> None:
    """Wait for the deletion of files, which goes on in the background."""
    rows = DeletedFile.objects.filter(name__in=names)
    async with asyncio.timeout(30):
        while await rows.aexists():
            await asyncio.sleep(0.01)


@pytest.mark.upgraded("what waits", "is answered: a tool call, a question")
@pytest.mark.parametrize(
    ("kind", "op"),
    [
        ("client_tool_call", "threads.add_client_tool_output"),
        ("structured_input", "threads.add_structured_input"),
    ],
)
async def test_what_waits_is_answered(
    person: Any, model: LoopbackAPI, kind: str, op: str
) -> None:
    (key, item) = next(
        (key, item)
        for key, thread in old.ANSWERS["ann"].items()
        for item in thread["items"]
        if item["type"] == kind and item["status"] == "pending"
    )
    params: dict[str, Any] = {"thread_id": key, "result": {"hex": "#0000ff"}}
    if kind == "structured_input":
        answer = {"status": "answered", "answers": {"q1": {"values": ["tiny"]}}}
        params = {"thread_id": key, "item_id": item["id"], "input": answer}
    model.respond_with(Text("Thank you."))
    events = await person("ann").stream(op, **params)
    (said,) = done_items(events, "assistant_message")
    assert said["content"][0]["text"] == "Thank you."
    page = await person("ann").call("items.list", thread_id=key, order="asc")
    (waited,) = (each for each in page["data"] if each["id"] == item["id"])
    assert waited["status"] in ("completed", "answered")
