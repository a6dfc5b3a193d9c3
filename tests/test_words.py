"""Words of any kind: halves of characters, NUL, megabytes without a space."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import RawResponsesStreamEvent, function_tool
from chatkit import types
from chatkit.errors import CustomStreamError
from chatkit.widgets import Card
from chatkit.widgets import Text as WidgetText
from openai.types.responses import ResponseTextDeltaEvent

from chatkit_images import times
from chatkit_images.agents.words import Words
from chatkit_images.cleaning import clean_line
from chatkit_images.context import RequestContext
from chatkit_images.models import GeneratedImage, Run, Thread
from chatkit_images.testing import Image, LoopbackAPI, Raw, Reasoning, Text, ToolCall
from tests.chat import TestServer
from tests.client import ChatClient, done_items, of_type, thread_id

HALF, OTHER = "\ud83e", "\udd8a"
PART = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
# What a model may say, and what the person reads of it.
KINDS = {
    "first half": (f"fox {HALF}", "fox \ufffd"),
    "second half": (f"{OTHER} fox", "\ufffd fox"),
    "halves in the wrong order": (f"fox {OTHER}{HALF}", "fox \ufffd\ufffd"),
    "NUL": ("fox\x00", "fox\ufffd"),
    "control characters": ("\x1b[31mfox\x07\x85\u2028", "\x1b[31mfox\x07\x85\u2028"),
    "marks": ("\u202efox\ufeff\u200b\ufffe", "\u202efox\ufeff\u200b\ufffe"),
}


def spoken(*deltas: str, text: str | None = None) -> list[Any]:
    """Return the events of a message, cut into deltas wherever a gateway likes."""
    part = {"type": "output_text", "text": "", "annotations": []}
    whole = part | {"text": "".join(deltas) if text is None else text}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "content": [whole]}
    item["status"] = "completed"
    begun = {"output_index": 0, "item": item | {"content": []}}
    return [
        Raw({"type": "response.output_item.added"} | begun),
        Raw({"type": "response.content_part.added", "part": part} | PART),
        *(
            Raw({"type": "response.output_text.delta", "delta": delta} | PART)
            for delta in deltas
        ),
        Raw({"type": "response.output_text.done", "text": whole["text"]} | PART),
        Raw({"type": "response.content_part.done", "part": whole} | PART),
        Raw({"type": "response.output_item.done", "output_index": 0, "item": item}),
    ]


def deltas_of(events: list[Any]) -> list[str]:
    updates = [event["update"] for event in of_type(events, "thread.item.updated")]
    return [update["delta"] for update in updates if "delta" in update]


def text_of(item: dict[str, Any]) -> str:
    text: str = item["content"][0]["text"]
    return text


async def check_answer(chat: ChatClient, events: list[Any], text: str) -> None:
    """The answer ends, and reads the same after a reload; the next turn works."""
    assert of_type(events, "error") == []
    (item,) = done_items(events, "assistant_message")
    assert text_of(item) == text
    page = await chat.call("items.list", thread_id=thread_id(events))
    (kept,) = [item for item in page["data"] if item["type"] == "assistant_message"]
    assert text_of(kept) == text
    run = await Run.objects.order_by("-created_at").afirst()
    assert run is not None
    assert run.status == "completed"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sweep(3)
async def test_words_of_any_kind_are_an_answer(
    chat: ChatClient, model: LoopbackAPI, png: bytes, kind: str
) -> None:
    said, read = KINDS[kind]
    model.respond_with(Image(data=png, revised_prompt=said), *spoken(said, " and more"))
    events = await chat.say("a fox")
    await check_answer(chat, events, f"{read} and more")
    assert "".join(deltas_of(events)) == f"{read} and more"
    image = await GeneratedImage.objects.aget()
    assert (image.status, image.revised_prompt) == ("completed", read)

    model.respond_with(Text("Again."))
    assert done_items(await chat.say("and?", thread_id(events)), "assistant_message")
    sent = json.dumps(model.requests[-1], ensure_ascii=False)
    assert json.dumps(f"{read} and more", ensure_ascii=False) in sent


@pytest.mark.parametrize(
    ("deltas", "read"),
    [
        ((f"a {HALF}", f"{OTHER} b"), ["a ", "🦊 b"]),
        ((HALF, OTHER), ["", "🦊"]),
        ((HALF, f"{OTHER}{HALF}", OTHER), ["", "🦊", "🦊"]),
        ((f"a {HALF}", "b"), ["a ", "\ufffdb"]),
        ((f"a {HALF}", HALF, OTHER), ["a ", "\ufffd", "🦊"]),
        ((f"a {HALF}",), ["a "]),
    ],
)
async def test_halves_are_joined_over_deltas(
    chat: ChatClient, model: LoopbackAPI, deltas: tuple[str, ...], read: list[str]
) -> None:
    model.respond_with(*spoken(*deltas))
    events = await chat.say("a fox")
    assert deltas_of(events) == read
    # The whole text comes once more at the end, and counts.
    joined = "".join(deltas).encode("utf-16", "surrogatepass")
    await check_answer(chat, events, joined.decode("utf-16", "replace"))


async def test_halves_of_two_texts_are_not_joined(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    first, second = spoken(f"a {HALF}"), spoken(OTHER)
    for step in second:
        event = step.event
        event["output_index"] = 1
        if "item" in event:
            event["item"]["id"] = "msg_2"
        else:
            event["item_id"] = "msg_2"
    model.respond_with(*first[:3], *second, *first[3:])
    events = await chat.say("a fox")
    assert deltas_of(events) == ["a ", "\ufffd"]
    assert of_type(events, "error") == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sweep(3)
async def test_a_model_may_think_and_call_tools_in_any_words(
    chat: ChatClient, model: LoopbackAPI, settings: Any, kind: str
) -> None:
    settings.CHATKIT_IMAGES |= {"SERVER": "tests.test_words.Repeating"}
    said, read = KINDS[kind]
    model.respond_with(Text(said), ToolCall("show_card", {"text": said}))
    model.respond_with(Reasoning(said, chunk=3), Text("Done."))
    events = await chat.say("a card")
    assert of_type(events, "error") == []
    page = await chat.call("items.list", thread_id=thread_id(events))
    kinds = {item["type"]: item for item in page["data"]}
    (child,) = kinds["widget"]["widget"]["children"]
    assert child["value"] == read
    (thought,) = kinds["workflow"]["workflow"]["tasks"]
    assert thought["content"] == read
    # The model gets its own words and the tool's again.
    assert len(model.requests) == 2
    again = json.dumps(model.requests[1]["input"], ensure_ascii=False)
    assert json.dumps(read, ensure_ascii=False)[1:-1] in again


@function_tool
def cut(kind: str) -> str:
    """Return words of a kind, as a tool may get them from anywhere."""
    return KINDS[kind][0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sweep(3)
async def test_a_tool_may_return_any_words(
    chat: ChatClient, model: LoopbackAPI, settings: Any, kind: str
) -> None:
    settings.CHATKIT_IMAGES |= {"SERVER": "tests.test_words.Repeating"}
    model.respond_with(ToolCall("cut", {"kind": kind}))
    model.respond_with(Text("Done."))
    await check_answer(chat, await chat.say("a fox"), "Done.")
    (output,) = [
        item["output"]
        for item in model.requests[1]["input"]
        if item.get("type") == "function_call_output"
    ]
    assert output == KINDS[kind][1]


class Repeating(TestServer):
    """Asks the model again after each tool."""

    __test__ = False

    def get_agent(self, *args: Any) -> Any:
        agent = super().get_agent(*args)
        tools = [*agent.tools, cut]
        return agent.clone(tools=tools, tool_use_behavior="run_llm_again")


class Speaking(TestServer):
    """Says what a test tells it to, without a model."""

    __test__ = False
    says: Any = None

    async def respond(  # type: ignore[override]
        self, thread: types.ThreadMetadata, message: Any, context: RequestContext
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        async for event in self.says(thread):
            yield event


def assistant(thread: types.ThreadMetadata, text: Any) -> types.AssistantMessageItem:
    return types.AssistantMessageItem(
        id="msg_9",
        thread_id=thread.id,
        created_at=times.now(),
        content=[types.AssistantMessageContent.model_construct(text=text)],
    )


@pytest.fixture
def speaking(settings: Any, monkeypatch: pytest.MonkeyPatch) -> type[Speaking]:
    settings.CHATKIT_IMAGES |= {"SERVER": "tests.test_words.Speaking"}
    monkeypatch.setattr(Speaking, "says", None)
    return Speaking


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sweep(3)
async def test_a_project_may_say_anything(
    chat: ChatClient, speaking: type[Speaking], kind: str
) -> None:
    """Titles, progress, widgets, steps, and the words of an error."""
    said, read = KINDS[kind]

    async def says(self: Any, thread: types.ThreadMetadata) -> AsyncIterator[Any]:
        thread.title = said
        yield types.ProgressUpdateEvent(text=said)
        step = types.CustomTask(title=said, content=said)
        steps = types.Workflow(type="custom", tasks=[step])
        base = {"thread_id": thread.id, "created_at": times.now()}
        yield types.ThreadItemDoneEvent(
            item=types.WorkflowItem(id="msg_1", workflow=steps, **base)
        )
        card = Card(children=[WidgetText(value=said)])
        yield types.ThreadItemDoneEvent(
            item=types.WidgetItem(id="msg_2", widget=card, **base)
        )
        hidden = types.HiddenContextItem(id="msg_3", content={said: [said]}, **base)
        yield types.ThreadItemDoneEvent(item=hidden)
        raise CustomStreamError(said)

    speaking.says = says
    events = await chat.say("a card")
    (error,) = of_type(events, "error")
    assert error["message"] == read
    assert [event["text"] for event in of_type(events, "progress_update")] == [read]
    thread = await Thread.objects.aget()
    # A title is one line, whose order nothing turns.
    assert thread.title == clean_line(read)
    assert of_type(events, "thread.updated")[-1]["thread"]["title"] == clean_line(read)
    page = await chat.call("items.list", thread_id=thread.pk)
    sent = [*done_items(events, "workflow"), *done_items(events, "widget")]
    kept = [item for item in page["data"] if item["type"] in ("workflow", "widget")]
    assert len(kept) == 2
    assert sorted(map(json.dumps, sent)) == sorted(map(json.dumps, kept))
    (steps,) = done_items(events, "workflow")
    assert steps["workflow"]["tasks"][0]["content"] == read


@pytest.mark.parametrize(
    "bad",
    [
        lambda thread: types.ThreadItemDoneEvent(item=assistant(thread, object())),
        lambda thread: types.ThreadItemAddedEvent(item=assistant(thread, object())),
        lambda thread: types.ThreadItemReplacedEvent(item=assistant(thread, b"\xff")),
        lambda thread: types.ProgressUpdateEvent.model_construct(text=object()),
        lambda thread: types.ThreadItemUpdatedEvent.model_construct(
            item_id="msg_9", update=object()
        ),
        lambda thread: types.ThreadItemDoneEvent(
            item=types.HiddenContextItem(
                id="msg_8",
                thread_id=thread.id,
                created_at=times.now(),
                content=lambda: None,
            )
        ),
        lambda thread: None,
    ],
)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_an_event_that_cannot_be_written_costs_itself(
    chat: ChatClient,
    speaking: type[Speaking],
    caplog: pytest.LogCaptureFixture,
    bad: Any,
) -> None:
    closed: list[bool] = []

    async def says(self: Any, thread: types.ThreadMetadata) -> AsyncIterator[Any]:
        try:
            yield bad(thread)
            yield types.ThreadItemDoneEvent(item=assistant(thread, "Done."))
        finally:
            closed.append(True)

    speaking.says = says
    with caplog.at_level(logging.ERROR, logger="chatkit_images"):
        events = await chat.say("a card")
    await check_answer(chat, events, "Done.")
    assert closed == [True]
    assert "An event cannot be written and is left out" in caplog.text


@pytest.mark.parametrize("kind", ["NUL", "control characters", "marks"])
async def test_a_person_may_write_anything(
    chat: ChatClient, model: LoopbackAPI, png: bytes, kind: str
) -> None:
    """A half of a character is refused, with a 400; see the bad requests."""
    said, read = KINDS[kind]
    model.respond_with(Image(data=png), Text("Done."))
    events = await chat.say(said)
    await check_answer(chat, events, "Done.")
    (mine,) = done_items(events, "user_message")
    assert text_of(mine) == read
    image = await GeneratedImage.objects.aget()
    assert image.prompt == read.strip()
    await chat.call("threads.update", thread_id=thread_id(events), title=said)
    assert (await Thread.objects.aget()).title == clean_line(read)


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    "letter", ["a", "ä", "🦊", "/", "a/", "\n", "\\", '"', "http://"]
)
async def test_a_word_of_a_megabyte_is_a_word(
    chat: ChatClient, model: LoopbackAPI, settings: Any, letter: str
) -> None:
    settings.CHATKIT_IMAGES |= {"TUNING": {"RUN_LOG_BYTES": 2**27}}
    word = letter * (2**20 // len(letter))
    model.respond_with(*spoken(word[:7], word[7:]))
    began = time.perf_counter()
    events = await chat.say("say it")
    await check_answer(chat, events, word)
    assert time.perf_counter() - began < 20


def test_an_ordinary_delta_costs_next_to_nothing() -> None:
    words = Words()
    events = [
        RawResponsesStreamEvent(
            data=ResponseTextDeltaEvent(
                type="response.output_text.delta",
                delta=delta,
                logprobs=[],
                sequence_number=1,
                **PART,
            )
        )
        for delta in ("a fox", " und Füchse", "🦊") * 1000
    ]
    began = time.perf_counter()
    for event in events:
        words.mend(event)
    # A few microseconds each; the rest is for a busy machine.
    assert (time.perf_counter() - began) / len(events) < 100e-6
