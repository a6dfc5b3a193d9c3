"""Each hook of a turn finds its message in the context, and may be a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import RunConfig, RunContextWrapper, Runner, function_tool
from chatkit import types
from chatkit.agents import AgentContext, stream_agent_response

from chatkit_images.awaiting import at_once
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoThreadItemConverter
from chatkit_images.server import DjangoChatKitServer, stream_answer
from chatkit_images.testing import Image, LoopbackAPI, Text, ToolCall
from tests.chat import TestServer
from tests.client import ChatClient, done_items, of_type, thread_id

# The hooks that were called, and what each found in its context.
seen: list[tuple[str, str | None]] = []


def note(hook: str, context: RequestContext) -> None:
    sent = context.message
    said = "".join(part.text for part in sent.content) if sent is not None else None
    seen.append((hook, said))


@function_tool
async def look(wrapper: RunContextWrapper[AgentContext[RequestContext]]) -> str:
    """Look at who asks."""
    note("tool", wrapper.context.request_context)
    return "seen"


class SeeingConverter(DjangoThreadItemConverter):
    async def generated_image_text(self, image: Any) -> str:  # type: ignore[override]
        return "An image of mine:"

    async def absences_to_input(self, lines: list[str]) -> Any:
        return super().absences_to_input([*lines, "That is all."])


class Asynchronous(TestServer):
    """A server each of whose hooks is a coroutine."""

    __test__ = False

    async def check_generation(self, thread: Any, context: RequestContext) -> None:
        note("check_generation", context)

    async def get_title(  # type: ignore[override]
        self, thread: Any, message: Any, context: RequestContext
    ) -> str:
        note("get_title", context)
        return "A title"

    async def get_agent(self, thread: Any, context: RequestContext) -> Any:  # type: ignore[override]
        note("get_agent", context)
        agent = super().get_agent(thread, context)
        agent.tools.append(look)
        return agent

    async def get_agent_context(self, thread: Any, context: RequestContext) -> Any:
        note("get_agent_context", context)
        return super().get_agent_context(thread, context)

    async def get_run_config(self, thread: Any, context: RequestContext) -> RunConfig:  # type: ignore[override]
        note("get_run_config", context)
        return RunConfig(tracing_disabled=True, workflow_name="theirs")

    async def get_history(self, thread: Any, context: RequestContext) -> Any:
        note("get_history", context)
        return await super().get_history(thread, context)

    async def get_thread_item_converter(
        self, thread: Any, context: RequestContext
    ) -> Any:
        note("get_thread_item_converter", context)
        return SeeingConverter(context)

    async def get_response_stream_converter(
        self, thread: Any, context: RequestContext, agent: Any
    ) -> Any:
        note("get_response_stream_converter", context)
        return super().get_response_stream_converter(thread, context, agent)

    async def run_agent(self, agent: Any, agent_input: Any, agent_context: Any) -> Any:  # type: ignore[override]
        note("run_agent", agent_context.request_context)
        return super().run_agent(agent, agent_input, agent_context)

    async def action(
        self, thread: Any, action: Any, sender: Any, context: RequestContext
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        note("action", context)
        async for event in self.respond(thread, None, context):
            yield event

    async def sync_action(
        self, thread: Any, action: Any, sender: Any, context: RequestContext
    ) -> types.SyncCustomActionResponse:
        note("sync_action", context)
        return types.SyncCustomActionResponse()


EACH = [
    "check_generation",
    "get_agent",
    "get_agent_context",
    "get_run_config",
    "get_history",
    "get_thread_item_converter",
    "get_response_stream_converter",
    "run_agent",
]


def found(*hooks: str) -> set[str | None]:
    """Return what hooks found, each of which was called once; forget all of it."""
    calls = [hook for hook, _ in seen if hook in hooks]
    assert sorted(calls) == sorted(hooks)
    words = {said for hook, said in seen if hook in hooks}
    seen.clear()
    return words


@pytest.fixture
def theirs(settings: Any) -> Any:
    seen.clear()
    settings.CHATKIT_IMAGES |= {"SERVER": f"{__name__}.{Asynchronous.__name__}"}
    return settings


async def test_each_hook_sees_the_message_and_may_be_a_coroutine(
    chat: ChatClient, model: LoopbackAPI, theirs: Any
) -> None:
    model.respond_with(Image(partials=0), ToolCall("look", {}))
    model.respond_with(Text("Done."))
    key = thread_id(await chat.say("a fox"))
    assert found("get_title", "tool", *EACH) == {"a fox"}

    theirs.CHATKIT_IMAGES |= {"MODEL_IMAGE_COUNT": 0}
    model.respond_with(ToolCall("look", {}))
    model.respond_with(Text("Done."))
    await chat.say("a bear", key)
    assert found("tool", *EACH) == {"a bear"}
    assert "That is all." in str(model.requests[-1]["input"])

    theirs.CHATKIT_IMAGES |= {"MODEL_IMAGE_COUNT": 4}
    model.respond_with(ToolCall("look", {}))
    model.respond_with(Text("Done."))
    page = await chat.call("items.list", thread_id=key)
    first = min(page["data"], key=lambda item: str(item["created_at"]))
    await chat.stream("threads.retry_after_item", thread_id=key, item_id=first["id"])
    assert found("tool", *EACH) == {"a fox"}


async def test_earlier_images_have_the_words_of_a_coroutine(
    chat: ChatClient, model: LoopbackAPI, theirs: Any
) -> None:
    model.respond_with(Image(partials=0), Text("Done."))
    key = thread_id(await chat.say("a fox"))
    model.respond_with(Text("Done."))
    await chat.say("a bear", key)
    assert "An image of mine:" in str(model.requests[-1]["input"])


ACTION = {"type": "more", "payload": {}}


@pytest.mark.parametrize(
    ("step", "op", "params"),
    [
        (
            ToolCall("pick_colour", {"hint": "warm"}),
            "threads.add_client_tool_output",
            {"result": {"colour": "red"}},
        ),
        (
            ToolCall("ask", {"question": "Which?"}),
            "threads.add_structured_input",
            {"input": {"answers": {}}},
        ),
        (Text("Hm."), "threads.custom_action", {"action": ACTION}),
    ],
    ids=["tool", "input", "action"],
)
async def test_a_turn_without_a_message_goes_on_with_the_newest(
    chat: ChatClient,
    model: LoopbackAPI,
    theirs: Any,
    step: Any,
    op: str,
    params: dict[str, Any],
) -> None:
    model.respond_with(Text("One."))
    key = thread_id(await chat.say("a fox"))
    model.respond_with(step)
    events = await chat.say("a bear", key)
    seen.clear()
    if op == "threads.add_structured_input":
        (asked,) = done_items(events, "structured_input")
        params = params | {"item_id": asked["id"]}
    model.respond_with(Text("Two."))
    events = await chat.stream(op, thread_id=key, **params)
    assert done_items(events, "assistant_message")
    more = ["action"] if op == "threads.custom_action" else []
    assert found(*EACH, *more) == {"a bear"}


async def test_an_action_without_an_answer_has_it_too(
    chat: ChatClient, model: LoopbackAPI, theirs: Any
) -> None:
    key = thread_id(await chat.say("a fox"))
    seen.clear()
    params = {"thread_id": key, "action": ACTION}
    assert await chat.call("threads.sync_custom_action", **params) == {}
    assert found("sync_action") == {"a fox"}


async def test_a_thread_without_a_message_has_none(
    chat: ChatClient, context: RequestContext, model: LoopbackAPI, theirs: Any
) -> None:
    thread = types.ThreadMetadata(id="thr_1", created_at="2026-01-01T00:00:00")  # type: ignore[arg-type]
    await DjangoChatKitServer().store.save_thread(thread, context)
    events = await chat.stream(
        "threads.custom_action", thread_id="thr_1", action=ACTION
    )
    assert done_items(events, "assistant_message")
    assert found("action", *EACH) == {None}


class Answering(TestServer):
    """Answers by itself, with a message of its own to the app's answer."""

    __test__ = False

    async def respond(
        self,
        thread: types.ThreadMetadata,
        input_user_message: types.UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        note("respond", context)
        assert input_user_message is not None
        part = types.UserMessageTextContent(text="a red fox")
        other = input_user_message.model_copy(update={"content": [part]})
        async for event in super().respond(thread, other, context):
            yield event

    def check_generation(self, thread: Any, context: RequestContext) -> None:
        note("check_generation", context)


async def test_an_answer_of_the_projects_own_has_it_too(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    seen.clear()
    settings.CHATKIT_IMAGES |= {"SERVER": f"{__name__}.{Answering.__name__}"}
    key = thread_id(await chat.say("a fox"))
    assert seen == [("respond", "a fox"), ("check_generation", "a red fox")]
    seen.clear()
    await chat.say("a bear", key)
    assert seen == [("respond", "a bear"), ("check_generation", "a red fox")]


# The settings of a run


class Own(Asynchronous):
    """Answers with an agent of its own."""

    passes = False

    async def respond(
        self,
        thread: types.ThreadMetadata,
        input_user_message: types.UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        agent = await self.get_agent(thread, context)
        agent_context = await self.get_agent_context(thread, context)
        config = await self.get_run_config(thread, context) if self.passes else None
        settings = self.identified_run_config(agent, agent_context, config)
        result = Runner.run_streamed(
            agent, "a fox", context=agent_context, run_config=settings
        )
        async for event in stream_agent_response(agent_context, result):
            yield event


async def test_settings_that_nobody_awaits_are_an_error_that_says_what_to_do(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.CHATKIT_IMAGES |= {"SERVER": f"{__name__}.{Own.__name__}"}
    events = await chat.say("a fox")
    assert of_type(events, "error")
    assert (
        "Own.get_run_config() is asynchronous. Give its result to stream_answer() or "
        "to identified_run_config()."
    ) in caplog.text

    # It need not be asynchronous, and may be awaited before.
    config = RunConfig(tracing_disabled=True)
    with monkeypatch.context() as patch:
        patch.setattr(Own, "get_run_config", lambda *args: config)
        assert done_items(await chat.say("a fox"), "assistant_message")
    monkeypatch.setattr(Own, "passes", True)
    events = await chat.say("a fox")
    assert done_items(events, "assistant_message")
    assert model.requests[-1]["safety_identifier"]


async def test_whatever_can_be_awaited_is_an_error_where_nothing_can() -> None:
    waiting = asyncio.get_running_loop().create_future()
    with pytest.raises(TypeError, match="^Await it there\\.$"):
        at_once(waiting, "Await it there.")


class Streaming(Asynchronous):
    """Asks the hooks by itself, and awaits none that need not be."""

    async def respond(
        self,
        thread: types.ThreadMetadata,
        input_user_message: types.UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        agent = await self.get_agent(thread, context)
        agent_context = await self.get_agent_context(thread, context)
        events = stream_answer(
            agent_context,
            await self.get_history(thread, context),
            lambda given: self.run_agent(agent, given, agent_context),
            agent=agent,
            config=self.get_run_config(thread, context),
            converter=self.get_thread_item_converter(thread, context),
            saver=self.get_response_stream_converter(thread, context, agent),
        )
        async for event in events:
            yield event


async def test_an_answer_awaits_what_it_is_given(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    seen.clear()
    settings.CHATKIT_IMAGES |= {"SERVER": f"{__name__}.{Streaming.__name__}"}
    model.respond_with(Image(partials=0), Text("Done."))
    events = await chat.say("a fox")
    assert done_items(events, "generated_image")
    assert found(*EACH[1:]) == {"a fox"}


async def test_the_client_of_dictation_may_be_a_coroutines(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_openai_client = TestServer.get_openai_client

    async def get(server: TestServer) -> Any:
        return get_openai_client(server)

    monkeypatch.setattr(TestServer, "get_openai_client", get)
    sound = {"audio_base64": "c291bmQ=", "mime_type": "audio/webm"}
    said = await chat.call("input.transcribe", **sound)
    assert said == {"text": "a red fox in the snow"}
