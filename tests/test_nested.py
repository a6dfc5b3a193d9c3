"""Images of agents that are tools, and of runs inside function tools."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from agents import (
    Agent,
    ImageGenerationTool,
    RawResponsesStreamEvent,
    RunConfig,
    RunContextWrapper,
    Runner,
    function_tool,
)
from chatkit import types
from chatkit.agents import AgentContext
from openai.types.responses import ResponseOutputItemAddedEvent
from openai.types.responses.response_output_item import ImageGenerationCall

from chatkit_images import storage, times
from chatkit_images.agents import ImageTracker, nested, open_streams
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoResponseStreamConverter
from chatkit_images.models import GeneratedImage, Run
from chatkit_images.store import DjangoStore
from chatkit_images.testing import Gate, Image, LoopbackAPI, Raw, Text, ToolCall, Usage
from tests.chat import TestServer
from tests.client import ChatClient, done_items, of_type, thread_id
from tests.image_files import image_file
from tests.test_identity import added, done, end, item

RED, GREEN = image_file("red"), image_file("green")
CONFIG = RunConfig(tracing_disabled=True)
WITH_TOOL = {"type": "image_generation", "partial_images": 2}


class Manager(TestServer):
    """A manager whose painter is a tool, in one of several ways."""

    way = "both"

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any]:
        base: Agent[Any] = super().get_agent(thread, context)
        tool: Any = ImageGenerationTool(tool_config=WITH_TOOL)  # type: ignore[typeddict-item]
        painter: Agent[Any] = base.clone(
            name="painter", tools=[tool], tool_use_behavior="run_llm_again"
        )
        tools = {
            "both": lambda images: as_tool(
                painter, on_stream=images.on_stream, hooks=images.hooks
            ),
            "stream": lambda images: as_tool(painter, on_stream=images.on_stream),
            "hooks": lambda images: as_tool(painter, hooks=images.hooks),
            "run": lambda images: in_function(painter, streamed=False),
            "run streamed": lambda images: in_function(painter, streamed=True),
            "nothing": lambda images: as_tool(painter),
        }
        return base.clone(
            tools=[tools[self.way](nested())], tool_use_behavior="run_llm_again"
        )


def as_tool(painter: Agent[Any], **fields: Any) -> Any:
    return painter.as_tool("paint", "Paints.", run_config=CONFIG, **fields)


def in_function(painter: Agent[Any], *, streamed: bool) -> Any:
    @function_tool
    async def paint(context: RunContextWrapper[AgentContext[Any]], input: str) -> str:
        """Paint."""
        images = nested(context.context)
        options: dict[str, Any] = {
            "context": context.context,
            "run_config": CONFIG,
        }
        if not streamed:
            done = await Runner.run(painter, input, hooks=images.hooks, **options)
            return str(done.final_output)
        result = Runner.run_streamed(painter, input, **options)
        async for event in result.stream_events():
            await images.on_stream(event)
        return str(result.final_output)

    return paint


WAYS = ("both", "stream", "hooks", "run", "run streamed")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    Manager.way = request.param
    yield request.param
    Manager.way = "both"


@pytest.fixture(autouse=True)
def _managed(settings: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "SERVER": "tests.test_nested.Manager"
    }


async def kept() -> list[bytes]:
    rows = GeneratedImage.objects.order_by("created_at")
    return [storage.read(str(row.file.name)) async for row in rows]


@pytest.mark.sweep(2)
async def test_an_image_of_a_nested_run_is_kept_and_shown(
    chat: ChatClient, model: LoopbackAPI, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    model.respond_with(ToolCall("paint", {"input": "a fox"}))
    model.respond_with(Image(data=RED), Text("Here."))
    model.respond_with(Text("Ready."))
    events = await chat.say("a fox")

    assert len(model.requests) == 3
    assert await kept() == [RED]
    image = await GeneratedImage.objects.select_related("run", "item").aget()
    assert (image.status, image.source) == ("completed", "nested")
    assert image.run is not None and image.item is not None
    (shown,) = done_items(events, "generated_image")
    page = await chat.call("items.list", thread_id=thread_id(events))
    assert shown["id"] in {item["id"] for item in page["data"]}
    progress = [
        event["update"]["progress"]
        for event in of_type(events, "thread.item.updated")
        if event["update"]["type"] == "generated_image.updated"
    ]
    assert progress[-1] == 1
    assert "is lost" not in caplog.text
    (said,) = done_items(events, "assistant_message")
    assert said["content"][0]["text"] == "Ready."


async def test_a_painter_that_answers_in_images_alone_is_asked_once(
    chat: ChatClient, model: LoopbackAPI, way: str
) -> None:
    model.respond_with(ToolCall("paint", {"input": "a fox"}))
    model.respond_with(Image(data=RED, partials=0))
    model.respond_with(Text("Ready."))
    await chat.say("a fox")
    assert len(model.requests) == 3
    assert await kept() == [RED]


@pytest.mark.sweep(2)
async def test_events_without_a_known_form_cost_no_image_of_a_nested_run(
    chat: ChatClient, model: LoopbackAPI, way: str
) -> None:
    odd: Any = {"a": 1}
    model.respond_with(ToolCall("paint", {"input": "a fox"}))
    steps = Raw({"type": None}), added(odd), done(odd, RED), end(item(odd, RED))
    model.respond_with(*steps)
    model.respond_with(Text("Ready."))
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    assert await kept() == [RED]


@pytest.mark.sweep(2)
async def test_two_painters_at_once(
    chat: ChatClient, model: LoopbackAPI, way: str
) -> None:
    model.respond_with(
        ToolCall("paint", {"input": "a fox"}), ToolCall("paint", {"input": "a harbour"})
    )
    model.respond_with(Image(call_id="ig_0", data=RED, partials=1), Text("Here."))
    model.respond_with(Image(call_id="ig_0", data=GREEN, partials=1), Text("Here."))
    model.respond_with(Text("Ready."))
    await chat.say("a fox and a harbour")
    assert sorted(await kept()) == sorted([RED, GREEN])


@pytest.mark.sweep(2)
async def test_previews_of_a_nested_run_have_true_progress(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(ToolCall("paint", {"input": "a fox"}))
    model.respond_with(Image(delay=0.15), Text("Here."))
    model.respond_with(Text("Ready."))
    events = await chat.say("a fox")
    progress = [
        round(event["update"]["progress"], 2)
        for event in of_type(events, "thread.item.updated")
        if event["update"]["type"] == "generated_image.updated"
    ]
    # A busy machine shows fewer of them.
    assert set(progress) <= {0.33, 0.67, 1} and progress[-1] == 1


async def test_what_passes_without_it_leaves_a_warning(
    chat: ChatClient, model: LoopbackAPI, caplog: pytest.LogCaptureFixture
) -> None:
    Manager.way = "nothing"
    try:
        model.respond_with(ToolCall("paint", {"input": "a fox"}))
        model.respond_with(Image(data=RED, partials=0))
        model.respond_with(Text("Ready."))
        await chat.say("a fox")
    finally:
        Manager.way = "both"
    assert len(model.requests) == 3
    assert "'painter' is lost" in caplog.text
    assert not await GeneratedImage.objects.aexists()


async def test_a_stop_keeps_the_preview_of_a_nested_run(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(ToolCall("paint", {"input": "a fox"}))
    model.respond_with(Image(data=RED, partials=1, gate=gate), Text("Here."))
    model.respond_with(Text("Ready."))
    saying = asyncio.ensure_future(chat.say("a fox"))
    await asyncio.to_thread(gate.reached.wait, 30)
    run = await Run.objects.aget()
    response = await chat.post(
        f"/chatkit/threads/{run.thread_id}/stop/", content_type="application/json"
    )
    assert response.status_code < 300, response.content
    gate.open()
    await saying
    image = await GeneratedImage.objects.aget()
    assert (image.status, image.source) == ("cancelled", "nested")


@pytest.mark.sweep(2)
async def test_tokens_of_nested_runs_are_the_runs_too(
    chat: ChatClient, model: LoopbackAPI, way: str
) -> None:
    model.respond_with(ToolCall("paint", {"input": "a fox"}), Usage(10, 1))
    tools = {"image_gen": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}}
    model.respond_with(
        Image(data=RED, partials=0), Text("Here."), Usage(20, 2, tools=tools)
    )
    model.respond_with(Text("Ready."), Usage(30, 3))
    await chat.say("a fox")
    run = await Run.objects.aget()
    assert (run.usage["input_tokens"], run.usage["output_tokens"]) == (60, 6)
    if way in ("hooks", "run"):
        # The SDK hands the figures of tools to nobody but who reads the events.
        return
    assert run.tool_usage == tools
    assert (await GeneratedImage.objects.aget()).usage == tools["image_gen"]


async def test_an_image_that_comes_after_its_answer_waits_for_nobody(
    context: RequestContext, caplog: pytest.LogCaptureFixture
) -> None:
    """As from a run that a tool has left behind."""
    thread = types.ThreadMetadata(id="thr_1", created_at=times.now())
    around = AgentContext(thread=thread, store=DjangoStore(), request_context=context)
    tracker = ImageTracker(around, DjangoResponseStreamConverter(thread, context))
    open_streams.note(tracker)
    tracker.complete = True
    call = ImageGenerationCall(
        id="ig", status="in_progress", type="image_generation_call"
    )
    data = ResponseOutputItemAddedEvent(
        item=call,
        output_index=0,
        sequence_number=1,
        type="response.output_item.added",
    )
    async with asyncio.timeout(5):
        await nested(around).on_stream(RawResponsesStreamEvent(data=data))
    assert "no answer is under way" in caplog.text
