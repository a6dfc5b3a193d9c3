"""The hooks of the server that no other test overrides."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any

import pytest
from agents import Agent, ImageGenerationTool, RunConfig, Runner
from chatkit import types
from chatkit.server import ChatKitServer, NonStreamingResult, StreamingResult
from openai import AsyncOpenAI

from chatkit_images import times
from chatkit_images.agents import expected_previews, trackers
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import GenerationRefused
from chatkit_images.models import GeneratedImage, Thread, ThreadItem
from chatkit_images.server import DjangoChatKitServer
from chatkit_images.store import DjangoStore
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from tests.chat import TestServer
from tests.client import ChatClient, done_items, thread_id
from tests.client import message as user_message

THREAD = types.ThreadMetadata(id="thr_1", created_at=times.now())


def message(text: str) -> types.UserMessageItem:
    return types.UserMessageItem(
        id="msg_1",
        thread_id="thr_1",
        created_at=times.now(),
        content=[types.UserMessageTextContent(text=text)],
        inference_options=types.InferenceOptions(),
    )


def test_the_one_method_to_write_is_named(context: RequestContext) -> None:
    with pytest.raises(
        NotImplementedError,
        match=r"DjangoChatKitServer must override get_agent\(thread, context\)\.",
    ):
        DjangoChatKitServer().get_agent(THREAD, context)


def test_titles_are_the_first_words(context: RequestContext) -> None:
    server = DjangoChatKitServer()
    assert server.get_title(THREAD, message("  a\n fox "), context) == "a fox"
    title = server.get_title(THREAD, message("fox " * 40), context)
    assert isinstance(title, str)
    assert (len(title), title[-4:]) == (60, "fox…")


class Slow(TestServer):
    """Hooks that may be asynchronous, and are."""

    __test__ = False

    async def get_title(self, *args: Any) -> str:  # type: ignore[override]
        return "Thought over"

    async def get_agent(self, *args: Any) -> Agent[Any]:  # type: ignore[override]
        return super().get_agent(*args)

    def run_agent(self, agent: Any, agent_input: Any, agent_context: Any) -> Any:
        return Runner.run_streamed(
            agent,
            agent_input,
            context=agent_context,
            max_turns=1,
            run_config=RunConfig(tracing_disabled=True),
        )


async def test_hooks_may_be_asynchronous_and_start_the_run_themselves(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "SERVER": "tests.test_server.Slow"
    }
    model.respond_with(Text("Done."))

    events = await chat.say("hello")

    assert done_items(events, "assistant_message")
    thread = await Thread.objects.aget()
    assert thread.title == "Thought over"


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("_serialize", ["self", "obj"]),
        ("_to_thread_response", ["self", "thread"]),
        ("_process_streaming_impl", ["self", "request", "context"]),
        ("_process_non_streaming", ["self", "request", "context"]),
        ("_process_events", ["self", "thread", "context", "stream"]),
    ],
)
def test_what_is_used_of_the_sdks_inside_is_as_it_was(
    method: str, parameters: list[str]
) -> None:
    found = inspect.signature(getattr(ChatKitServer, method)).parameters
    assert list(found) == parameters


def test_the_run_and_the_client_are_the_sdks_own(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    server = DjangoChatKitServer()
    assert server.get_run_config(THREAD, context) is None
    client = server.get_openai_client()
    assert isinstance(client, AsyncOpenAI)
    assert server.get_openai_client() is client


@pytest.mark.parametrize(
    ("config", "count"),
    [({"partial_images": 2}, 2), ({"partial_images": 0}, None), ({}, None)],
)
def test_the_number_of_previews_is_read_from_the_tool(
    config: dict[str, Any], count: int | None
) -> None:
    tool = ImageGenerationTool(tool_config={"type": "image_generation", **config})  # type: ignore[typeddict-item]
    assert expected_previews(Agent(name="a", tools=[tool])) == count
    assert expected_previews(Agent(name="a")) is None


async def test_the_history_begins_at_the_same_item_for_many_turns(
    context: RequestContext, settings: Any
) -> None:
    store, server = DjangoStore(), DjangoChatKitServer()
    await store.save_thread(THREAD, context)
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"HISTORY_ITEMS": 7}
    begins = []
    for number in range(13):
        item = message(str(number)).model_copy(update={"id": f"msg_{number}"})
        await store.add_thread_item("thr_1", item, context)
        history = await server.get_history(THREAD, context)
        numbers = [int(item.id.removeprefix("msg_")) for item in history]
        assert numbers == list(range(numbers[0], number + 1))
        begins.append(numbers[0])
    assert begins == [0] * 7 + [5] * 5 + [10]
    # More than one page of the store, and a window that has moved in it.
    row = await ThreadItem.objects.aget(item_id="msg_12")
    await ThreadItem.objects.abulk_create(
        ThreadItem(
            thread_id="thr_1",
            item_id=f"msg_{number}",
            type=row.type,
            payload=row.payload,
            created_at=row.created_at,
        )
        for number in range(13, 260)
    )
    for most, begin in ((1, 259), (250, 167), (260, 0), (1000, 0)):
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"HISTORY_ITEMS": most}
        history = await server.get_history(THREAD, context)
        assert [item.id for item in history] == [f"msg_{n}" for n in range(begin, 260)]
    # A store of the project's own may not say how many there are.
    pages = store.load_thread_items

    async def uncounted(*args: Any) -> types.Page[types.ThreadItem]:
        page = await pages(*args)
        return types.Page(data=page.data, has_more=page.has_more, after=page.after)

    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"HISTORY_ITEMS": 7}
    server.store.load_thread_items = uncounted  # type: ignore[method-assign]
    history = await server.get_history(THREAD, context)
    assert [item.id for item in history] == [f"msg_{n}" for n in range(253, 260)]


async def test_a_server_works_without_the_endpoint(
    context: RequestContext, model: LoopbackAPI
) -> None:
    model.respond_with(Image(partials=0), Text("Done."))
    body = {"type": "threads.create", "params": {"input": user_message("a fox")}}

    result = await TestServer().process(json.dumps(body), context)

    assert isinstance(result, StreamingResult)
    events = [json.loads(chunk[len(b"data: ") :]) async for chunk in result]
    assert len(done_items(events, "generated_image")) == 1
    assert trackers.get() is None


async def test_a_cancelled_stream_tells_how_its_image_ended(
    context: RequestContext, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(Image(partials=0, gate=gate), Text("Done."))
    body = {"type": "threads.create", "params": {"input": user_message("a fox")}}
    result = await TestServer().process(json.dumps(body), context)
    assert isinstance(result, StreamingResult)
    seen: list[dict[str, Any]] = []

    async def read() -> None:
        async for chunk in result:
            seen.append(json.loads(chunk[len(b"data: ") :]))

    reader = asyncio.create_task(read())
    async with asyncio.timeout(30):
        while not any("generated_image" in str(event) for event in seen):
            await asyncio.sleep(0.01)
    reader.cancel()
    await asyncio.wait([reader])
    gate.open()

    assert [event["type"] for event in seen[-2:]] == [
        "thread.item.removed",
        "thread.item.done",
    ]
    image = await GeneratedImage.objects.select_related("item").aget()
    assert image.status == "cancelled"
    assert image.item is not None
    assert image.item.item_id == seen[-1]["item"]["id"]


async def test_only_a_user_message_is_answered_again(context: RequestContext) -> None:
    server = TestServer()
    thread = types.ThreadMetadata(id="thr_1", created_at=times.now())
    await server.store.save_thread(thread, context)
    answer = types.AssistantMessageItem(
        id="msg_2", thread_id="thr_1", created_at=times.now(), content=[]
    )
    more = message("More.").model_copy(update={"id": "msg_3"})
    for item in (message("Hi."), answer, more):
        await server.store.add_thread_item("thr_1", item, context)
    params = {"thread_id": "thr_1", "item_id": "msg_2"}
    request = {"type": "threads.retry_after_item", "params": params}
    result = await server.process(json.dumps(request), context)
    assert isinstance(result, StreamingResult)
    # The SDK's words.
    with pytest.raises(ValueError, match="^Item msg_2 is not a user message$"):
        await anext(aiter(result))
    assert await ThreadItem.objects.acount() == 3


class Mistaken(TestServer):
    """A server whose own ``process`` answers each request as the other kind."""

    __test__ = False

    async def process(self, request: Any, context: RequestContext) -> Any:
        if json.loads(request)["type"] == "threads.create":
            return NonStreamingResult(b"{}")
        return StreamingResult(self._process_streaming(FIRST, context))


FIRST = types.ThreadsCreateReq.model_validate({"params": {"input": user_message("a")}})


@pytest.mark.parametrize(
    ("op", "params", "expected", "made"),
    [
        (
            "threads.create",
            {"input": user_message("a fox")},
            "StreamingResult",
            "NonStreamingResult",
        ),
        ("threads.list", {}, "NonStreamingResult", "StreamingResult"),
    ],
)
async def test_a_server_that_answers_with_the_wrong_kind_is_told_of_it(
    chat: ChatClient,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    op: str,
    params: dict[str, Any],
    expected: str,
    made: str,
) -> None:
    server = f"{__name__}.{Mistaken.__name__}"
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"SERVER": server}
    response = await chat.request_op(op, params)
    assert response.status_code == 500
    assert (
        f"Mistaken.process() must return a {expected} for {op!r}, got {made}."
    ) in caplog.text


async def test_a_retry_that_is_refused_leaves_the_answer_there_is(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def check(server: Any, thread: types.ThreadMetadata, context: Any) -> None:
        asked.append(thread.id)
        if len(asked) == 2:
            raise GenerationRefused("Come back tomorrow.")

    monkeypatch.setattr(TestServer, "check_generation", check)
    model.respond_with(Text("Here."), Image(), Text("Done."))
    key = thread_id(await chat.say("a fox"))
    question = await ThreadItem.objects.aget(type="user_message")
    params = {"thread_id": key, "item_id": question.item_id}

    events = await chat.stream("threads.retry_after_item", **params)
    (said,) = done_items(events, "assistant_message")
    assert said["content"][0]["text"] == "Come back tomorrow."
    image = await GeneratedImage.objects.select_related("item").aget()
    assert (image.superseded_at, image.item is None) == (None, False)

    model.respond_with(Text("Another."))
    events = await chat.stream("threads.retry_after_item", **params)
    (said,) = done_items(events, "assistant_message")
    assert said["content"][0]["text"] == "Another."
    # Once in a turn.
    assert len(asked) == 3
