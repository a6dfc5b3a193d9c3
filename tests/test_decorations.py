"""A hook that decorates the model's input costs its decoration, not the turn."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from chatkit import types
from chatkit.errors import CustomStreamError

from chatkit_images import times
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoThreadItemConverter
from chatkit_images.testing import Image, LoopbackAPI, Text
from tests.client import ChatClient, done_items, of_type, thread_id

TAG = {"type": "input_tag", "id": "t1", "text": "fox", "data": {}}


def raising(error: Exception) -> Any:
    def method(*args: Any, **kwargs: Any) -> Any:
        raise error

    return method


def mention() -> dict[str, Any]:
    return {
        "content": [{"type": "input_text", "text": "look at "}, TAG],
        "attachments": [],
        "quoted_text": "a quote",
        "inference_options": {},
    }


@pytest.mark.parametrize("error", [RuntimeError("no such product"), KeyError("t1")])
async def test_a_mention_that_cannot_be_looked_up_is_text(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    monkeypatch.setattr(
        DjangoThreadItemConverter, "tag_to_message_content", raising(error)
    )
    model.respond_with(Text("Done."))
    with caplog.at_level(logging.WARNING, logger="chatkit_images"):
        events = await chat.stream("threads.create", input=mention())
    assert of_type(events, "error") == []
    assert done_items(events, "assistant_message")
    sent = json.dumps(model.requests[0]["input"])
    assert "look at @fox" in sent
    assert "a quote" in sent
    assert "is left out" in caplog.text


async def test_a_file_that_cannot_be_converted_is_left_out(
    chat: ChatClient,
    model: LoopbackAPI,
    context: RequestContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        DjangoThreadItemConverter,
        "attachment_to_message_content",
        raising(OSError("gone")),
    )
    file = types.FileAttachment(id="f1", name="a.txt", mime_type="text/plain")
    message = types.UserMessageItem(
        id="msg_1",
        thread_id="thr_1",
        created_at=times.now(),
        content=[types.UserMessageTextContent(text="look")],
        attachments=[file],
        inference_options=types.InferenceOptions(),
    )
    found = await DjangoThreadItemConverter(context).to_agent_input([message])
    assert "look" in json.dumps(found)


@pytest.mark.parametrize("hook", ["generated_image_text", "generated_image_to_input"])
async def test_an_image_that_cannot_be_converted_is_left_out(
    chat: ChatClient,
    model: LoopbackAPI,
    png: bytes,
    monkeypatch: pytest.MonkeyPatch,
    hook: str,
) -> None:
    model.respond_with(Image(data=png), Text("Done."))
    events = await chat.say("a fox")
    monkeypatch.setattr(DjangoThreadItemConverter, hook, raising(RuntimeError("no")))
    model.respond_with(Text("Again."))
    events = await chat.say("and?", thread_id(events))
    assert of_type(events, "error") == []
    assert done_items(events, "assistant_message")


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("tag_to_message_content", CustomStreamError("No foxes.")),
        ("assistant_message_to_input", RuntimeError("no")),
    ],
)
async def test_words_are_never_left_out(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    error: Exception,
) -> None:
    """A refusal on purpose ends the turn, and so does a history without its words."""
    model.respond_with(Text("Done."))
    events = await chat.say("a fox")
    monkeypatch.setattr(DjangoThreadItemConverter, method, raising(error))
    events = await chat.stream(
        "threads.add_user_message", thread_id=thread_id(events), input=mention()
    )
    assert len(of_type(events, "error")) == 1
    assert len(model.requests) == 1
