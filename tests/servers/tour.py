"""Every operation of ChatKit's protocol once, for whatever client drives it."""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Any, get_args

from chatkit import types

from chatkit_images.testing import Image, LoopbackAPI, Text, ToolCall
from tests.client import done_items, message, of_type, thread_id

Step = tuple[str, dict[str, Any]]


def names(union: Any) -> set[str]:
    """Return the ``type`` of each request of one of the SDK's unions."""
    return {model.model_fields["type"].default for model in get_args(union)}


STREAMING = names(types.StreamingReq)
OPERATIONS = STREAMING | names(types.NonStreamingReq)


def tour(model: LoopbackAPI) -> Generator[Step, Any, None]:
    """Yield operations and their parameters; the driver sends each answer back.

    The answer to a streaming operation is its list of events, to another its JSON.
    """
    model.respond_with(Text("Here it is."), Image(partials=1))
    events = yield "threads.create", {"input": message("a red fox")}
    (image,) = done_items(events, "generated_image")
    assert image["image"]["url"].startswith("http")
    (question,) = done_items(events, "user_message")
    key = thread_id(events)
    here = {"thread_id": key}

    model.respond_with(ToolCall("pick_colour", {"hint": "warm"}))
    events = yield "threads.add_user_message", here | {"input": message("pick one")}
    (call,) = done_items(events, "client_tool_call")
    assert (call["status"], call["arguments"]) == ("pending", {"hint": "warm"})

    model.respond_with(ToolCall("ask", {"question": "How large?"}))
    events = yield "threads.add_client_tool_output", here | {"result": {"hex": "#f80"}}
    (asked,) = done_items(events, "structured_input")
    assert asked["status"] == "pending"

    model.respond_with(ToolCall("show_card", {"text": "a card"}))
    answer = {"status": "answered", "answers": {"q1": {"values": ["huge"]}}}
    events = yield (
        "threads.add_structured_input",
        here | {"item_id": asked["id"], "input": answer},
    )
    (replaced,) = of_type(events, "thread.item.replaced")
    assert replaced["item"]["inputs"][0]["answer"]["values"] == ["huge"]
    (card,) = done_items(events, "widget")

    pressed = here | {"item_id": card["id"], "action": {"type": "press", "payload": 1}}
    events = yield "threads.custom_action", pressed
    (said,) = done_items(events, "assistant_message")
    assert said["content"][0]["text"] == "did press"
    response = yield "threads.sync_custom_action", pressed
    assert response["updated_item"]["id"] == card["id"]

    page = yield "items.list", here | {"order": "asc"}
    kinds = [item["type"] for item in page["data"]]
    assert kinds == [
        "user_message",
        "assistant_message",
        "generated_image",
        "user_message",
        "client_tool_call",
        "structured_input",
        "widget",
        "assistant_message",
    ]
    liked = {"item_ids": [image["id"]], "kind": "positive"}
    assert (yield "items.feedback", here | liked) == {}

    model.respond_with(Text("Once more."))
    events = yield "threads.retry_after_item", here | {"item_id": question["id"]}
    (said,) = done_items(events, "assistant_message")
    assert said["content"][0]["text"] == "Once more."
    thread = yield "threads.get_by_id", here
    kinds = [item["type"] for item in thread["items"]["data"]]
    assert kinds == ["user_message", "assistant_message"]

    thread = yield "threads.update", here | {"title": "Foxes"}
    assert thread["title"] == "Foxes"
    page = yield "threads.list", {}
    assert [thread["title"] for thread in page["data"]] == ["Foxes"]

    announced = {"name": "fox.png", "size": 3, "mime_type": "image/png"}
    attachment = yield "attachments.create", announced
    assert attachment["upload_descriptor"]["method"] == "POST"
    deleted = yield "attachments.delete", {"attachment_id": attachment["id"]}
    assert deleted == {}

    audio = base64.b64encode(b"sound").decode()
    heard = yield (
        "input.transcribe",
        {"audio_base64": audio, "mime_type": "audio/webm;codecs=opus"},
    )
    assert heard == {"text": model.transcript}

    assert (yield "threads.delete", here) == {}
    page = yield "threads.list", {}
    assert page["data"] == []
