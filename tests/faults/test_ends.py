"""However an image call ends: one end, in the database, on the wire and after a reload.

Each end is met with bytes of each format, on the filesystem and on an S3 server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from agents import Agent, GuardrailFunctionOutput, OutputGuardrail

from chatkit_images import storage
from chatkit_images.models import GeneratedImage, PartialImage, Run
from chatkit_images.testing import (
    Drop,
    ErrorEvent,
    FailedImage,
    Gate,
    LoopbackAPI,
    Raw,
    ResponseFailed,
    Text,
    Wait,
    serve,
)
from chatkit_images.testing.script import Step
from tests.chat import TestServer
from tests.client import ChatClient, message, of_type, read_events, thread_id

from .browsing import added, done, image_call, partial
from .proxy import Network
from .storages import s3_storage
from .watching import FORMATS, spooled

pytestmark = pytest.mark.sweep(4)
Shows = Literal["image", "preview", "message", "nothing"]
CALL = "ig_1"
FAILED = "The image could not be generated."
BLOCKED = "The image was blocked by the safety system."
STOPPED = "The image was stopped before it was ready."
# A moment in which a preview is stored and shown.
STORED = Wait(0.4)


@dataclass(frozen=True)
class End:
    """How a call ends.

    Attributes:
        row: Its row in the fault table.
        steps: What the model sends, given the bytes of an image and of a preview.
        shows: What the thread shows of it.
        status: What its row says, and with which code.
        text: What the thread says if it shows no image.
        breaks: Whether the answer ends with an error.
    """

    row: str
    steps: Callable[[bytes, bytes], list[Step]]
    shows: Shows = "image"
    status: str = "completed"
    code: str = ""
    text: str = FAILED
    breaks: bool = False


def whole(data: bytes, preview: bytes) -> list[Step]:
    return [*image_call(CALL, data, preview), Text("Done.")]


def opened(data: bytes, preview: bytes) -> list[Step]:
    """The call begins, shows a preview, and is not heard of any more."""
    return [*image_call(CALL, None, preview), STORED]


def incomplete(reason: str) -> Raw:
    """Return the event of an answer that the provider has cut short."""
    return Raw(
        {
            "type": "response.incomplete",
            "response": {
                "id": "resp_1",
                "object": "response",
                "created_at": 0,
                "model": "gpt-4.1",
                "status": "incomplete",
                "incomplete_details": {"reason": reason},
                "output": [],
                "parallel_tool_calls": True,
                "tool_choice": "auto",
                "tools": [],
            },
        }
    )


ENDS = {
    "image": End("S19", whole),
    "done-without-added": End("S20", lambda d, p: [done(CALL, 0, d), Text("Done.")]),
    "preview-before-added": End(
        "S20",
        lambda d, p: [
            partial(CALL, 0, 0, p),
            added(CALL, 0),
            done(CALL, 0, d),
            Text("Done."),
        ],
    ),
    "preview-after-done": End(
        "S20",
        lambda d, p: [*image_call(CALL, d, p), partial(CALL, 0, 1, p), Text("Done.")],
    ),
    "done-twice": End(
        "S20",
        lambda d, p: [*image_call(CALL, d, p), done(CALL, 0, p), Text("Done.")],
    ),
    **{
        f"bytes-with-status-{status}": End(
            "S19",
            lambda d, p, status=status: [
                added(CALL, 0),
                done(CALL, 0, d, status=status),
                Text("Done."),
            ],
        )
        for status in ("failed", "incomplete", "generating", "in_progress")
    },
    "no-result": End(
        "S19",
        lambda d, p: [added(CALL, 0), done(CALL, 0, None), Text("Done.")],
        "message",
        "failed",
    ),
    "no-result-after-a-preview": End(
        "S19",
        lambda d, p: [*opened(d, p), done(CALL, 0, None), Text("Done.")],
        "preview",
        "failed",
    ),
    "empty-result": End(
        "S19",
        lambda d, p: [added(CALL, 0), done(CALL, 0, b""), Text("Done.")],
        "message",
        "failed",
    ),
    "blocked": End(
        "S19",
        lambda d, p: [FailedImage(call_id=CALL, partials=1), Text("Done.")],
        "message",
        "blocked",
        "moderation_blocked",
        BLOCKED,
    ),
    "left-open": End(
        "S19",
        lambda d, p: [*opened(d, p), Text("Done.")],
        "preview",
        "failed",
        "no_result",
    ),
    "api-error": End(
        "S18",
        lambda d, p: [*opened(d, p), ErrorEvent()],
        "preview",
        "failed",
        "server_error",
        breaks=True,
    ),
    "api-error-after-the-image": End(
        "S18", lambda d, p: [*image_call(CALL, d, p), ErrorEvent()], breaks=True
    ),
    "response-failed": End(
        "S19",
        lambda d, p: [*opened(d, p), ResponseFailed()],
        "preview",
        "failed",
        "server_error",
        breaks=True,
    ),
    "response-incomplete": End(
        "S19",
        lambda d, p: [*opened(d, p), incomplete("max_output_tokens")],
        "preview",
        "failed",
        "max_output_tokens",
        breaks=True,
    ),
    "dropped-connection": End(
        "S18",
        lambda d, p: [*opened(d, p), Drop()],
        "preview",
        "failed",
        "APIConnectionError",
        breaks=True,
    ),
    "dropped-connection-after-the-image": End(
        "S18", lambda d, p: [*image_call(CALL, d, p), Drop()], breaks=True
    ),
}


@pytest.fixture
def place(request: pytest.FixtureRequest, settings: Any) -> str:
    """Where the images go."""
    kind: str = request.param
    if kind == "s3":
        net: Network = request.getfixturevalue("net")
        location = "".join(c if c.isalnum() else "-" for c in request.node.name)
        settings.STORAGES = settings.STORAGES | {
            "chatkit_images": s3_storage(net.url, location)
        }
    return kind


def cases() -> list[Any]:
    return [
        pytest.param(
            ENDS[name],
            form,
            place,
            id=f"{ENDS[name].row}-{name}-{form}-{place}",
            marks=pytest.mark.row(ENDS[name].row),
        )
        for name in ENDS
        for form in FORMATS
        for place in ("fs", "s3")
    ]


@pytest.mark.sweep(40)
@pytest.mark.parametrize(("end", "form", "place"), cases(), indirect=["place"])
async def test_a_call_ends_once(
    chat: ChatClient, model: LoopbackAPI, end: End, form: str, place: str
) -> None:
    data, preview = FORMATS[form], FORMATS["webp" if form != "webp" else "png"]
    model.respond_with(*end.steps(data, preview))

    events = await chat.say("a meadow")

    check_wire(events)
    assert bool(of_type(events, "error")) is end.breaks
    image = await GeneratedImage.objects.aget()
    assert image.status == end.status, image.error_message
    if end.code:
        assert image.error_code == end.code, image.error_message
    await check_rows()
    await check_reload(chat, thread_id(events), end.shows, data, preview, end.text)


@pytest.mark.row("S20")
@pytest.mark.parametrize(
    ("form", "place"),
    [
        pytest.param(form, place, id=f"S20-interleaved-{form}-{place}")
        for form in FORMATS
        for place in ("fs", "s3")
    ],
    indirect=["place"],
)
async def test_calls_that_take_turns_end_each(
    chat: ChatClient, model: LoopbackAPI, form: str, place: str
) -> None:
    """The SDK's own function loses the second image of the two."""
    one, other = FORMATS[form], FORMATS["gif" if form != "gif" else "png"]
    model.respond_with(
        added("a", 0),
        added("b", 1),
        partial("a", 0, 0, other),
        partial("b", 1, 0, one),
        done("a", 0, one),
        done("b", 1, other),
        Text("Done."),
    )

    events = await chat.say("two meadows")

    check_wire(events)
    await check_rows()
    items = await shown_items(chat, thread_id(events))
    assert [await served(chat, item) for item in items] == [one, other]


@pytest.mark.row("S18")
@pytest.mark.parametrize(
    "form", [pytest.param(form, id=f"S18-error-in-one-read-{form}") for form in FORMATS]
)
async def test_an_image_is_kept_whose_answer_fails_in_the_same_moment(
    chat: ChatClient, model: LoopbackAPI, settings: Any, form: str
) -> None:
    """All events come with one read, so the run has failed before one is handled."""
    data = FORMATS[form]
    model.respond_with(*image_call(CALL, data), ErrorEvent())

    async def at_once(scope: Any, receive: Any, send: Any) -> None:
        sent: list[Any] = []

        async def collect(event: Any) -> None:
            sent.append(event)

        await model(scope, receive, collect)
        await send(sent[0])
        body = b"".join(event["body"] for event in sent[1:])
        await send({"type": "http.response.body", "body": body})

    with serve(at_once) as url:
        settings.LOOPBACK_URL = url
        events = await chat.say("a meadow")

    check_wire(events)
    image = await GeneratedImage.objects.aget()
    assert image.status == "completed"
    await check_rows()
    await check_reload(chat, thread_id(events), "image", data, b"", FAILED)


def formats(row: str, name: str) -> Any:
    return pytest.mark.parametrize(
        ("form", "place"),
        [
            pytest.param(form, place, id=f"{row}-{name}-{form}-{place}")
            for form in FORMATS
            for place in ("fs", "s3")
        ],
        indirect=["place"],
    )


@pytest.mark.row("S21")
@formats("S21", "guardrail")
async def test_a_guardrail_takes_the_image_back(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    place: str,
) -> None:
    async def trip(*args: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    agent = TestServer.get_agent

    def guarded(self: TestServer, *args: Any) -> Agent[Any]:
        found = agent(self, *args)
        found.output_guardrails = [OutputGuardrail(trip)]
        return found

    monkeypatch.setattr(TestServer, "get_agent", guarded)
    model.respond_with(*whole(FORMATS[form], FORMATS["png"]))

    events = await chat.say("a meadow")

    check_wire(events)
    assert of_type(events, "error")
    image = await GeneratedImage.objects.aget()
    assert image.status in ("completed", "blocked")
    assert image.superseded_at is not None
    await check_rows()
    assert await shown_items(chat, thread_id(events)) == []


@pytest.mark.row("S03")
@formats("S03", "stop")
async def test_a_stopped_image_keeps_its_preview(
    chat: ChatClient, model: LoopbackAPI, form: str, place: str
) -> None:
    preview, gate = FORMATS[form], Gate()
    model.respond_with(*image_call(CALL, FORMATS["png"], preview, gate=gate))
    response = await chat.request_op("threads.create", {"input": message("a meadow")})
    events: list[dict[str, Any]] = []
    async for event in read_events(response):
        events.append(event)
        if event.get("update", {}).get("type") == "generated_image.updated":
            await chat.post(f"/chatkit/threads/{thread_id(events)}/stop/")

    gate.open()
    check_wire(events)
    assert of_type(events, "error") == []
    image = await GeneratedImage.objects.aget()
    assert image.status == "cancelled"
    await check_rows()
    await check_reload(chat, thread_id(events), "preview", b"", preview, STOPPED)


@pytest.mark.row("S01")
@formats("S01", "client-leaves")
async def test_an_image_is_finished_for_a_client_that_has_left(
    chat: ChatClient, model: LoopbackAPI, form: str, place: str
) -> None:
    gate = Gate()
    model.respond_with(
        *image_call(CALL, FORMATS[form], FORMATS["png"], gate=gate), Text("Done.")
    )
    response = await chat.request_op("threads.create", {"input": message("a meadow")})
    events = []
    stream = response.streaming_content
    async for chunk in stream:
        events.append(chunk)
        if b"generated_image.updated" in chunk:
            break
    await stream.aclose()
    gate.open()
    async with asyncio.timeout(60):
        while await Run.objects.filter(status="running").aexists():
            await asyncio.sleep(0.02)

    image = await GeneratedImage.objects.aget()
    assert image.status == "completed"
    await check_rows()
    await check_reload(
        chat, image.thread_id, "image", FORMATS[form], FORMATS["png"], ""
    )


def check_wire(events: list[dict[str, Any]]) -> None:
    """Every image that a client has seen begin ends once, and nothing follows it."""
    forming: set[str] = set()
    ended: set[str] = set()
    for event in events:
        item = event.get("item", {})
        key = item.get("id") or event.get("item_id")
        if event["type"] == "thread.item.added" and item["type"] == "generated_image":
            assert key not in forming | ended
            forming.add(key)
        elif event["type"] in ("thread.item.done", "thread.item.removed"):
            assert key not in ended
            if key in forming:
                forming.remove(key)
                ended.add(key)
        elif event["type"] == "thread.item.updated":
            kind = event["update"]["type"]
            assert kind != "generated_image.updated" or key in forming
    assert forming == set()


async def check_rows() -> None:
    """Every row is final and names files that are there; no other file is."""
    images = [image async for image in GeneratedImage.objects.all()]
    assert all(image.finished_at for image in images)
    assert "generating" not in {image.status for image in images}
    assert not await PartialImage.objects.aexists()
    assert not await Run.objects.filter(status="running").aexists()
    await asyncio.to_thread(storage.drain)
    assert spooled() == []
    named = {i.file.name for i in images} | {i.thumbnail.name for i in images}
    there = await asyncio.to_thread(lambda: {name for name, _ in storage.listing()})
    assert there == named - {""}


async def check_reload(
    chat: ChatClient, key: str, shows: Shows, data: bytes, preview: bytes, text: str
) -> None:
    """Look at the thread as a person does who comes back."""
    items = await shown_items(chat, key)
    seen = [await served(chat, item) for item in items]
    assert seen == {"image": [data], "preview": [preview]}.get(shows, [])
    page = await chat.call("threads.get_by_id", thread_id=key)
    texts = [
        part["text"]
        for item in page["items"]["data"]
        if item["type"] == "assistant_message"
        for part in item["content"]
    ]
    beside = [each for each in texts if each.startswith("This is only a preview.")]
    assert texts.count(text) == (shows == "message")
    assert len(beside) == (shows == "preview")


async def shown_items(chat: ChatClient, key: str) -> list[dict[str, Any]]:
    page = await chat.call("threads.get_by_id", thread_id=key)
    return [i for i in page["items"]["data"] if i["type"] == "generated_image"]


async def served(chat: ChatClient, item: dict[str, Any]) -> bytes:
    response = await chat.get(item["image"]["url"])
    assert response.status_code == 200
    return bytes(response.content)
