"""The drop-in for the SDK's function, and the SDK's own with our converter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import (
    Agent,
    AgentHooks,
    GuardrailFunctionOutput,
    OutputGuardrail,
    OutputGuardrailTripwireTriggered,
    RunConfig,
    Runner,
)
from agents.models.fake_id import FAKE_RESPONSES_ID
from chatkit import agents as sdk
from chatkit import types
from chatkit.agents import AgentContext

from chatkit_images import storage, times
from chatkit_images.agents import stream_agent_response
from chatkit_images.agents.streaming import ProviderIds
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoResponseStreamConverter
from chatkit_images.models import GeneratedImage, Run
from chatkit_images.run_state import current_run
from chatkit_images.store import DjangoStore
from chatkit_images.testing import Image, LoopbackAPI, Raw, Text, ToolCall, Usage, wire
from tests.chat import TestServer
from tests.image_files import image_file

CONFIG = RunConfig(tracing_disabled=True)


@pytest.fixture
async def agent_context(context: RequestContext) -> AgentContext[RequestContext]:
    store = DjangoStore()
    thread = types.ThreadMetadata(
        id=store.generate_thread_id(context), created_at=times.now()
    )
    await store.save_thread(thread, context)
    return AgentContext(thread=thread, store=store, request_context=context)


def run(agent_context: AgentContext[RequestContext], **changes: Any) -> Any:
    agent: Agent[Any] = TestServer().get_agent(
        agent_context.thread, agent_context.request_context
    )
    return Runner.run_streamed(
        agent.clone(**changes), "a fox", context=agent_context, run_config=CONFIG
    )


async def collect(
    events: AsyncIterator[types.ThreadStreamEvent],
) -> list[types.ThreadStreamEvent]:
    return [event async for event in events]


async def test_the_sdks_own_function_stores_images_through_the_converter(
    agent_context: AgentContext[RequestContext], model: LoopbackAPI, png: bytes
) -> None:
    model.respond_with(Image(data=png, partials=2), Text("Done."))
    converter = DjangoResponseStreamConverter(
        agent_context.thread, agent_context.request_context, partial_images=2
    )

    events = await collect(
        sdk.stream_agent_response(
            agent_context, run(agent_context), converter=converter
        )
    )

    (item,) = [
        event.item
        for event in events
        if isinstance(event, types.ThreadItemDoneEvent)
        and isinstance(event.item, types.GeneratedImageItem)
    ]
    assert item.image is not None
    assert item.image.url.startswith("https://shop.example/chatkit/images/")
    image = await GeneratedImage.objects.aget()
    assert (image.status, image.partial_count) == ("completed", 2)
    assert storage.read(str(image.file.name)) == png


async def test_the_converter_is_optional(
    agent_context: AgentContext[RequestContext], model: LoopbackAPI
) -> None:
    model.respond_with(Image(partials=0), Text("Done."))

    events = await collect(stream_agent_response(agent_context, run(agent_context)))

    kinds = [event.item.type for event in events if event.type == "thread.item.done"]
    assert sorted(kinds) == ["assistant_message", "generated_image"]


@pytest.mark.parametrize("told", ["by the end", "by its items"])
async def test_images_without_words_are_an_answer_however_late_it_is_read(
    agent_context: AgentContext[RequestContext], model: LoopbackAPI, told: str
) -> None:
    # ChatKit's function asks the store before it reads: a model may be done by then.
    answer: list[Any] = [Image(partials=0)]
    if told == "by its items":  # Some gateways leave the output of the end empty.
        response = wire.new_response({"model": "gpt-4.1", "tools": []})
        response |= {"status": "completed", "output": []}
        answer.append(Raw({"type": "response.completed", "response": response}))
    model.respond_with(*answer)
    result = run(agent_context)

    class SlowStore(DjangoStore):
        async def load_thread_items(
            self, *args: Any, **kwargs: Any
        ) -> types.Page[types.ThreadItem]:
            while not result.run_loop_task.done() and len(model.requests) < 2:
                await asyncio.sleep(0.01)
            return await super().load_thread_items(*args, **kwargs)

    agent_context.store = SlowStore()
    await collect(stream_agent_response(agent_context, result))

    assert len(model.requests) == 1
    assert (await GeneratedImage.objects.aget()).status == "completed"


async def test_images_that_arrived_before_the_stream_is_read_are_an_answer(
    agent_context: AgentContext[RequestContext], model: LoopbackAPI
) -> None:
    class Slow(AgentHooks[Any]):
        async def on_llm_end(self, *args: Any) -> None:
            ended.set()
            await read.wait()

    ended, read = asyncio.Event(), asyncio.Event()
    model.respond_with(Image(partials=0))
    result = run(agent_context, hooks=Slow())
    await ended.wait()  # As a project that does something else first.
    async for _ in stream_agent_response(agent_context, result):
        read.set()

    assert len(model.requests) == 1
    assert (await GeneratedImage.objects.aget()).status == "completed"


async def test_what_a_provider_looks_up_for_an_image_asks_for_no_other_answer(
    agent_context: AgentContext[RequestContext], model: LoopbackAPI
) -> None:
    response = wire.new_response({"model": "gpt-4.1", "tools": []})
    output: list[dict[str, Any]] = [
        {"id": "mcpl_1", "type": "mcp_list_tools", "server_label": "m", "tools": []},
        {"id": "rs_1", "type": "reasoning", "summary": []},
        {"id": "ig_1", "type": "image_generation_call", "status": "completed"},
    ]
    response |= {"status": "completed", "output": output}
    end = Raw({"type": "response.completed", "response": response})
    model.respond_with(Image(call_id="ig_1", partials=0), end)

    await collect(stream_agent_response(agent_context, run(agent_context)))

    assert len(model.requests) == 1


async def test_a_guardrail_takes_images_back(
    agent_context: AgentContext[RequestContext], model: LoopbackAPI
) -> None:
    async def trip(*args: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    model.respond_with(Image(partials=0), Text("Done."))
    result = run(agent_context, output_guardrails=[OutputGuardrail(trip)])
    events: list[types.ThreadStreamEvent] = []

    with pytest.raises(OutputGuardrailTripwireTriggered):
        async for event in stream_agent_response(agent_context, result):
            events.append(event)

    removed = {e.item_id for e in events if e.type == "thread.item.removed"}
    added = {e.item.id for e in events if e.type == "thread.item.added"}
    assert removed == added
    assert (await GeneratedImage.objects.aget()).status in ("completed", "blocked")


async def test_leaving_the_stream_ends_the_model_and_the_image(
    agent_context: AgentContext[RequestContext], model: LoopbackAPI
) -> None:
    model.respond_with(Image(partials=1, delay=5), Text("Done."))
    result = run(agent_context)
    stream = stream_agent_response(agent_context, result)

    async for event in stream:
        if event.type == "thread.item.added":
            break
    await stream.aclose()  # type: ignore[attr-defined]

    assert result.is_complete
    image = await GeneratedImage.objects.aget()
    assert image.status == "cancelled"


async def test_messages_without_an_id_of_their_own_get_one(
    agent_context: AgentContext[RequestContext],
) -> None:
    ids = ProviderIds(agent_context)

    def item(text: str = "") -> types.AssistantMessageItem:
        return types.AssistantMessageItem(
            id=FAKE_RESPONSES_ID,
            thread_id=agent_context.thread.id,
            created_at=times.now(),
            content=[types.AssistantMessageContent(text=text)],
        )

    seen = []
    for text in ("one", "two"):
        added = ids.replace(types.ThreadItemAddedEvent(item=item()))
        updated = ids.replace(
            types.ThreadItemUpdatedEvent(
                item_id=FAKE_RESPONSES_ID,
                update=types.AssistantMessageContentPartTextDelta(
                    content_index=0, delta=text
                ),
            )
        )
        done = ids.replace(types.ThreadItemDoneEvent(item=item(text)))
        assert isinstance(added, types.ThreadItemAddedEvent)
        assert isinstance(updated, types.ThreadItemUpdatedEvent)
        assert isinstance(done, types.ThreadItemDoneEvent)
        assert added.item.id == updated.item_id == done.item.id
        seen.append(done.item.id)
    assert len(set(seen)) == 2
    assert FAKE_RESPONSES_ID not in seen


async def test_tokens_are_added_up_for_the_run(
    agent_context: AgentContext[RequestContext], model: LoopbackAPI
) -> None:
    # The first answer calls a tool, whose result the second is made of.
    model.respond_with(
        Image(call_id="ig_1", partials=0),
        ToolCall("show_card", {"text": "hello"}),
        Usage(100, 10),
    )
    model.respond_with(
        Image(call_id="ig_2", partials=0), Text("Done."), Usage(7, 3, cached_tokens=2)
    )
    row = await Run.objects.acreate(owner="user:1")
    token = current_run.set(row.pk)
    try:
        result = run(agent_context, tool_use_behavior="run_llm_again")
        await collect(stream_agent_response(agent_context, result))
    finally:
        current_run.reset(token)

    await row.arefresh_from_db()
    assert (row.usage["input_tokens"], row.usage["output_tokens"]) == (107, 13)
    assert row.usage["input_tokens_details"]["cached_tokens"] == 2


async def test_a_converter_that_cannot_store_is_named(
    agent_context: AgentContext[RequestContext], model: LoopbackAPI
) -> None:
    plain: Any = sdk.ResponseStreamConverter()
    with pytest.raises(TypeError, match="got ResponseStreamConverter"):
        await anext(stream_agent_response(agent_context, None, converter=plain))  # type: ignore[arg-type]


async def test_two_streams_of_a_turn_have_calls_of_their_own(
    agent_context: AgentContext[RequestContext], model: LoopbackAPI
) -> None:
    """As where a project asks two agents, one after the other."""
    saver = DjangoResponseStreamConverter(
        agent_context.thread, agent_context.request_context
    )
    images = [image_file("red"), image_file("green")]
    for data in images:
        model.respond_with(Image(call_id="ig", data=data, partials=0), Text("x"))
        await collect(
            stream_agent_response(agent_context, run(agent_context), converter=saver)
        )
    rows = GeneratedImage.objects.order_by("created_at")
    assert [storage.read(str(row.file.name)) async for row in rows] == images
