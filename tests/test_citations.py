"""Answers that cite what they were made from."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from chatkit_images.testing import Image, LoopbackAPI, Raw, Text
from tests.client import ChatClient, done_items, of_type, thread_id

URL = {
    "type": "url_citation",
    "start_index": 0,
    "end_index": 4,
    "url": "https://example.com/",
    "title": "A",
}
FILE = {
    "type": "file_citation",
    "file_id": "file_1",
    "filename": "foxes.pdf",
    "index": 4,
}
CONTAINER_FILE = {
    "type": "container_file_citation",
    "container_id": "cntr_1",
    "file_id": "file_2",
    "filename": "foxes.csv",
    "start_index": 0,
    "end_index": 4,
}
PATH = {"type": "file_path", "file_id": "file_3", "index": 4}


@pytest.mark.parametrize(
    ("annotation", "source"),
    [
        (URL, {"type": "url", "url": "https://example.com/", "title": "A"}),
        (FILE, {"type": "file", "filename": "foxes.pdf"}),
        (CONTAINER_FILE, {"type": "file", "filename": "foxes.csv"}),
    ],
    ids=lambda value: value["type"],
)
async def test_an_answer_with_a_citation_is_streamed_and_stored(
    chat: ChatClient,
    model: LoopbackAPI,
    png: bytes,
    annotation: dict[str, Any],
    source: dict[str, Any],
) -> None:
    model.respond_with(Image(data=png), Text("Yes.", annotations=(annotation,)))
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    updates = [event["update"] for event in of_type(events, "thread.item.updated")]
    (added,) = [
        update
        for update in updates
        if update["type"] == "assistant_message.content_part.annotation_added"
    ]
    assert source.items() <= added["annotation"]["source"].items()
    (message,) = done_items(events, "assistant_message")
    page = await chat.call("items.list", thread_id=thread_id(events))
    stored = {item["type"]: item for item in page["data"]}
    assert stored["assistant_message"]["content"] == message["content"]
    (cited,) = message["content"][0]["annotations"]
    assert source.items() <= cited["source"].items()
    assert stored["generated_image"]["image"]["url"]


async def test_a_citation_that_chatkit_does_not_know_is_left_out(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Text("Yes.", annotations=(PATH,)))
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    (message,) = done_items(events, "assistant_message")
    assert message["content"][0]["annotations"] == []


async def test_a_citation_that_cannot_be_converted_costs_itself_alone(
    chat: ChatClient, model: LoopbackAPI, caplog: pytest.LogCaptureFixture
) -> None:
    broken = {"type": "url_citation", "title": "Nowhere"}
    unknown = {"type": "page_citation", "page": 4}
    odd = URL | {"url": 5}
    model.respond_with(Text("Yes.", annotations=(broken, unknown, odd, URL)))
    with caplog.at_level(logging.WARNING, "chatkit_images"):
        events = await chat.say("a fox")
    assert of_type(events, "error") == []
    assert "A citation is left out: it names no source that can be shown" in caplog.text
    assert "Nowhere" not in caplog.text
    (message,) = done_items(events, "assistant_message")
    assert message["content"][0]["text"] == "Yes."
    (cited,) = message["content"][0]["annotations"]
    assert cited["source"]["url"] == "https://example.com/"


def answer(begun: list[Any], done: list[Any]) -> list[Raw]:
    """Return a message without deltas: its beginning and its end."""
    item = {"id": "msg_m", "type": "message", "role": "assistant"}
    return [
        Raw(
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": item | {"status": "in_progress", "content": begun},
            }
        ),
        Raw(
            {
                "type": "response.output_item.done",
                "output_index": 0,
                "item": item | {"status": "completed", "content": done},
            }
        ),
    ]


def text(**more: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": "Yes.", "logprobs": []} | more


@pytest.mark.parametrize(
    ("citation", "shown"),
    [
        ({"type": "url_citation", "url": "https://a.example/", "title": "A"}, "A"),
        (URL | {"start_index": None, "end_index": 4.5}, "A"),
        (URL | {"title": None}, "https://example.com/"),
        ({"type": "file_citation", "filename": "a.pdf"}, "a.pdf"),
        ({"type": "file_citation", "file_id": "file_1"}, "file_1"),
        ({"type": "container_file_citation", "filename": "a.csv"}, "a.csv"),
    ],
)
async def test_a_citation_is_shown_although_the_provider_says_little_of_it(
    chat: ChatClient, model: LoopbackAPI, citation: dict[str, Any], shown: str
) -> None:
    model.respond_with(*answer([], [text(annotations=[citation])]))
    events = await chat.say("a fox")
    (message,) = done_items(events, "assistant_message")
    (cited,) = message["content"][0]["annotations"]
    assert cited["source"]["title"] == shown


@pytest.mark.parametrize(
    "part",
    [
        text(),
        text(annotations=None),
        text(annotations=5),
        text(annotations=["x", None]),
        text(annotations=[URL | {"title": None}]),
    ],
)
async def test_no_citation_anywhere_ends_an_answer(
    chat: ChatClient, model: LoopbackAPI, part: dict[str, Any]
) -> None:
    model.respond_with(*answer([part], [part]))
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    (message,) = done_items(events, "assistant_message")
    assert message["content"][0]["text"] == "Yes."
