"""Images that tools return: of functions, MCP servers and code interpreter."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest
from agents import (
    Agent,
    OpenAIResponsesModel,
    RunConfig,
    RunContextWrapper,
    ToolOutputImage,
    ToolOutputImageDict,
    ToolOutputText,
    ToolOutputTextDict,
    function_tool,
)
from chatkit import types
from chatkit.agents import AgentContext
from openai import AsyncOpenAI

from chatkit_images import runs, storage
from chatkit_images.agents import ModelImage, generating_image, nested
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoResponseStreamConverter
from chatkit_images.fetching import fetch_image
from chatkit_images.models import GeneratedImage, Run
from chatkit_images.server import stream_answer
from chatkit_images.testing import (
    Gate,
    HTTPError,
    LoopbackAPI,
    Raw,
    Text,
    ToolCall,
    serve,
)
from tests.chat import TestServer
from tests.client import (
    ChatClient,
    done_items,
    message,
    of_type,
    read_events,
    thread_id,
)
from tests.image_files import image_file
from tests.test_fetching import hosting, response

RED, GREEN = image_file("red"), image_file("green")
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"/>'
TOLD = "neither shown nor kept"


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


class Painter(TestServer):
    """An agent whose tools return images."""

    keeps_tool_images = True
    # What the tool returns.
    returns: Any = ""
    # What it shows by itself before.
    shows: bytes | None = None
    mcp_servers: list[Any] = []
    nested: Any = None
    # The model of a nested agent, or else of one that is handed over to.
    other: Any = None
    allowed_hosts: list[str] = []
    # What its second tool waits for, after the first one has ended.
    painted: asyncio.Event
    held: Gate

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any]:
        @function_tool
        async def paint(context: RunContextWrapper[AgentContext[Any]]) -> Any:
            """Paint."""
            if self.shows is not None:
                async with generating_image(context, prompt="", model="m") as image:
                    await image.final(self.shows)
            Painter.painted.set()
            return self.returns

        @function_tool
        async def wait() -> str:
            """Wait."""
            await Painter.painted.wait()
            await Painter.held.wait()
            return "Waited."

        base: Agent[Any] = super().get_agent(thread, context)
        agent = base.clone(
            tools=[paint, wait],
            mcp_servers=self.mcp_servers,
            tool_use_behavior="run_llm_again",
        )
        if self.other is not None:
            agent = agent.clone(name="other", model=self.other)
            base = base.clone(handoffs=[agent])
        if self.nested is None:
            return agent if self.other is None else base
        tool = agent.as_tool(
            "paint",
            "Paints.",
            run_config=RunConfig(tracing_disabled=True),
            **self.nested(nested()),
        )
        return base.clone(tools=[tool], tool_use_behavior="run_llm_again")

    def get_response_stream_converter(
        self, thread: types.ThreadMetadata, context: RequestContext, agent: Agent[Any]
    ) -> DjangoResponseStreamConverter:
        return Saver(thread, context)


class Saver(DjangoResponseStreamConverter):
    async def fetch_tool_image(self, url: str) -> bytes:
        return await fetch_image(url, allowed_hosts=Painter.allowed_hosts)


@pytest.fixture(autouse=True)
def _painting(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "SERVER": "tests.test_tool_images.Painter"
    }
    for name in (
        "keeps_tool_images",
        "returns",
        "shows",
        "mcp_servers",
        "nested",
        "other",
    ):
        monkeypatch.setattr(Painter, name, getattr(Painter, name))
    monkeypatch.setattr(Painter, "allowed_hosts", [])
    Painter.painted = asyncio.Event()


async def kept() -> list[tuple[str, str, bytes]]:
    rows = GeneratedImage.objects.order_by("created_at", "pk")
    return [
        (str(row.source), str(row.status), storage.read(str(row.file.name)))
        async for row in rows
    ]


def url_of(output: Any) -> list[str]:
    return [part["image_url"] for part in output if part["type"] == "input_image"]


RESULTS = {
    "one": ToolOutputImage(image_url=data_url(RED)),
    "dict": ToolOutputImageDict(type="image", image_url=data_url(RED)),
    "several": [
        ToolOutputText(text="Here."),
        ToolOutputImage(image_url=data_url(RED)),
        ToolOutputImageDict(type="image", image_url=data_url(GREEN)),
        # The same once more is the same image.
        ToolOutputImage(image_url=data_url(RED)),
    ],
}


@pytest.mark.parametrize("form", RESULTS)
async def test_image_of_a_function_tool_is_shown_and_kept(
    chat: ChatClient, model: LoopbackAPI, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    Painter.returns = RESULTS[form]
    model.respond_with(ToolCall("paint", {}))
    model.respond_with(Text("Ready."))
    events = await chat.say("two squares")
    colours = [RED, GREEN] if form == "several" else [RED]
    assert await kept() == [("tool", "completed", colour) for colour in colours]
    shown = done_items(events, "generated_image")
    assert len(shown) == len(colours)
    # The model gets what the SDK sends.
    (result,) = [
        item
        for item in model.requests[1]["input"]
        if item.get("type") == "function_call_output"
    ]
    assert url_of(result["output"])[0] == data_url(RED)
    page = await chat.call("items.list", thread_id=thread_id(events), order="asc")
    kinds = [item["type"] for item in page["data"]]
    images = ["generated_image"] * len(colours)
    assert kinds == ["user_message", *images, "assistant_message"]
    # They end in any order, and stand in that of the result.
    begun = [
        event["item"]["id"]
        for event in of_type(events, "thread.item.added")
        if event["item"]["type"] == "generated_image"
    ]
    assert [item["id"] for item in page["data"]][1:-1] == begun
    image = await GeneratedImage.objects.select_related("run").afirst()
    assert image is not None and image.run is not None
    assert (image.prompt, image.model) == ("two squares", "")
    assert TOLD not in caplog.text
    # On the next turn they are images of the thread.
    model.respond_with(Text("Red."))
    await chat.say("which colour?", thread_id=thread_id(events))
    sent = str(model.requests[-1]["input"])
    assert sent.count("input_image") == len(colours)


def told_of(resource: dict[str, str]) -> ToolOutputTextDict:
    """Return what the SDK makes of a resource in the result of an MCP server."""
    text = json.dumps({"type": "resource", "resource": resource}, separators=(",", ":"))
    return ToolOutputTextDict(type="text", text=text)


async def test_image_in_careless_base64_is_kept(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    """Whatever the hosted tool's base64 may be like, a tool's may be like, too."""
    jpeg, blue = image_file("red", "JPEG"), image_file("blue")
    assert jpeg.startswith(b"\xff\xd8\xff")
    blob = base64.b64encode(blue).decode()
    urls = [
        f" data:image/png;base64,{base64.encodebytes(RED).decode()}",
        f"data:image/jpeg;base64,{base64.urlsafe_b64encode(jpeg).decode()}",
        f"data:image/png;base64,{quote(base64.b64encode(GREEN), safe='')}",
        f"data:image/svg+xml,{quote(SVG)}",
    ]
    Painter.returns = [
        *(ToolOutputImage(image_url=url) for url in urls),
        told_of({"uri": "a://b", "mimeType": "image/png", "blob": blob}),
        told_of({"uri": "a://b", "mimeType": "application/pdf", "blob": blob}),
        ToolOutputTextDict(type="text", text='{"type":"resource"'),
    ]
    model.respond_with(ToolCall("paint", {}))
    model.respond_with(Text("Ready."))
    await chat.say("squares")
    found = {(source, data) for source, _, data in await kept()}
    assert len(found) == 5
    assert found >= {("tool", data) for data in (RED, GREEN, blue)}
    types_ = {row.mime async for row in GeneratedImage.objects.all()}
    assert types_ == {"image/png", "image/jpeg", "image/svg+xml"}


async def test_without_the_switch_a_warning_tells_of_them_once(
    chat: ChatClient, model: LoopbackAPI, caplog: pytest.LogCaptureFixture
) -> None:
    Painter.keeps_tool_images = False
    Painter.returns = RESULTS["several"]
    model.respond_with(ToolCall("paint", {}))
    model.respond_with(ToolCall("paint", {}))
    model.respond_with(Text("Ready."))
    await chat.say("two squares")
    assert await kept() == []
    assert caplog.text.count(TOLD) == 1
    assert "6 of tool." in caplog.text
    # Those for the model alone are nobody's loss.
    caplog.clear()
    Painter.returns = ModelImage(image_url=data_url(RED))
    model.respond_with(ToolCall("paint", {}))
    model.respond_with(Text("Ready."))
    await chat.say("two squares")
    assert TOLD not in caplog.text
    assert data_url(RED) in str(model.requests[-1]["input"])


class OwnAnswer(Painter):
    """Streams the answer by itself, with the app's own converter or another."""

    own: bool

    async def respond(
        self, thread: types.ThreadMetadata, said: Any, context: RequestContext
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        agent = self.get_agent(thread, context)
        around = AgentContext(thread=thread, store=self.store, request_context=context)
        events = stream_answer(
            around,
            await self.get_history(thread, context),
            lambda given: self.run_agent(agent, given, around),
            agent=agent,
            saver=Saver(thread, context) if self.own else None,
            keeps_tool_images=self.keeps_tool_images,
        )
        async for event in events:
            yield event


@pytest.mark.parametrize("own", [True, False])
async def test_an_answer_that_a_project_streams_has_the_switch(
    chat: ChatClient, model: LoopbackAPI, own: bool, settings: Any
) -> None:
    settings.CHATKIT_IMAGES |= {"SERVER": "tests.test_tool_images.OwnAnswer"}
    OwnAnswer.own = own
    Painter.returns = ToolOutputImage(image_url=data_url(RED))
    model.respond_with(ToolCall("paint", {}))
    model.respond_with(Text("Ready."))
    await chat.say("a square")
    assert await kept() == [("tool", "completed", RED)]


async def test_what_is_no_image_costs_a_line_and_not_the_answer(
    chat: ChatClient, model: LoopbackAPI, caplog: pytest.LogCaptureFixture
) -> None:
    Painter.returns = [
        ToolOutputImage(file_id="file_1"),
        ToolOutputImage(image_url="data:image/png;base64,bm8gaW1hZ2U="),
        ToolOutputImage(image_url="https://127.0.0.1/a.png"),
        ToolOutputImage(image_url="https://127.0.0.1/b.png"),
        ModelImage(image_url=data_url(GREEN)),
        ToolOutputImage(image_url=data_url(RED)),
    ]
    model.respond_with(ToolCall("paint", {}))
    model.respond_with(Text("Ready."))
    events = await chat.say("a square")
    assert await kept() == [("tool", "completed", RED)]
    assert len(done_items(events, "generated_image")) == 1
    (said,) = done_items(events, "assistant_message")
    assert said["content"][0]["text"] == "Ready."
    for words in ("a file's id only", "it is none", "no public address"):
        assert words in caplog.text


@pytest.mark.parametrize("keeps", [True, False])
async def test_image_that_its_tool_has_shown_is_not_kept_twice(
    chat: ChatClient,
    model: LoopbackAPI,
    keeps: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    Painter.keeps_tool_images, Painter.shows = keeps, RED
    Painter.returns = ToolOutputImage(image_url=data_url(RED))
    model.respond_with(ToolCall("paint", {}))
    model.respond_with(Text("Ready."))
    events = await chat.say("a square")
    assert await kept() == [("own", "completed", RED)]
    assert len(done_items(events, "generated_image")) == 1
    assert TOLD not in caplog.text


async def test_number_of_images_is_bounded(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("chatkit_images.agents.tool_images.MOST", 2)
    Painter.returns = [
        ToolOutputImage(image_url=data_url(image_file(colour)))
        for colour in ("red", "green", "blue", "black")
    ]
    model.respond_with(ToolCall("paint", {}))
    model.respond_with(Text("Ready."))
    await chat.say("squares")
    assert [data for *_, data in await kept()] == [RED, GREEN]
    assert caplog.text.count("Tools return over 2 images") == 1


async def test_image_elsewhere_is_fetched_in_its_place(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    async with hosting() as host:
        Painter.allowed_hosts = [host.name]
        host.answers = {"/red.png": response(RED)}
        Painter.returns = [
            ToolOutputImage(image_url=host.url("/red.png")),
            ToolOutputImage(image_url=data_url(GREEN)),
        ]
        model.respond_with(ToolCall("paint", {}))
        model.respond_with(Text("Ready."))
        events = await chat.say("two squares")
    assert [data for *_, data in await kept()] == [RED, GREEN]
    # A URL of the app's own is that of an image which the thread has.
    (first, _) = done_items(events, "generated_image")
    Painter.returns = ToolOutputImage(image_url=first["image"]["url"])
    model.respond_with(ToolCall("paint", {}))
    model.respond_with(Text("Ready."))
    await chat.say("again", thread_id=thread_id(events))
    assert len(await kept()) == 2


async def test_whoever_leaves_finds_an_image_that_was_elsewhere(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    async with hosting() as host:
        Painter.allowed_hosts = [host.name]
        host.answers = {"/held": response(RED)}
        Painter.returns = ToolOutputImage(image_url=host.url("/held"))
        gate = Gate()
        model.respond_with(ToolCall("paint", {}))
        model.respond_with(gate, Text("Ready."))
        answer = await chat.request_op("threads.create", {"input": message("a square")})

        async def read() -> None:
            async for _ in read_events(answer):
                pass

        reader = asyncio.ensure_future(read())
        await asyncio.to_thread(gate.reached.wait, 60)
        reader.cancel()
        await asyncio.wait([reader])
        await answer.streaming_content.aclose()
        gate.open()
        host.opened.set()
        while (await Run.objects.aget()).status == Run.Status.RUNNING:
            await asyncio.sleep(0.01)
    assert await kept() == [("tool", "completed", RED)]


async def test_images_survive_a_model_that_fails_afterwards(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    Painter.returns = ToolOutputImage(image_url=data_url(RED))
    model.respond_with(ToolCall("paint", {}))
    model.respond_with(HTTPError(400, "invalid_request_error", "No."))
    events = await chat.say("a square")
    assert await kept() == [("tool", "completed", RED)]
    assert of_type(events, "error")
    page = await chat.call("items.list", thread_id=thread_id(events))
    assert "generated_image" in [item["type"] for item in page["data"]]


async def test_images_of_an_mcp_server_are_shown_and_kept(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    mcp = pytest.importorskip("agents.mcp")
    params = {"command": sys.executable, "args": ["-m", "tests.mcp_images"]}
    async with mcp.MCPServerStdio(params, client_session_timeout_seconds=60) as server:
        Painter.mcp_servers = [server]
        tools = await server.list_tools()
        assert [tool.name for tool in tools] == ["draw"]
        model.respond_with(ToolCall("draw", {"colours": ["red", "green"]}))
        model.respond_with(Text("Ready."))
        await chat.say("two squares")
        for way in ("hooks", "both"):
            monkeypatch.setattr(Painter, "nested", staticmethod(WAYS[way]))
            model.respond_with(ToolCall("paint", {"input": "a square"}))
            model.respond_with(ToolCall("draw", {"colours": ["red"]}))
            model.respond_with(Text("Here."))
            model.respond_with(Text("Ready."))
            await chat.say("a square")
    red, green = ("mcp", "completed", RED), ("mcp", "completed", GREEN)
    assert await kept() == [red, green, red, red]
    servers = [row.details async for row in GeneratedImage.objects.all()]
    assert all(details["mcp_server"] == server.name for details in servers)


WAYS: dict[str, Any] = {
    "both": lambda images: {"on_stream": images.on_stream, "hooks": images.hooks},
    "stream": lambda images: {"on_stream": images.on_stream},
    "hooks": lambda images: {"hooks": images.hooks},
}


@pytest.mark.parametrize("way", WAYS)
async def test_images_of_a_nested_agents_tools_are_kept_once(
    chat: ChatClient,
    model: LoopbackAPI,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Painter, "nested", staticmethod(WAYS[way]))
    Painter.returns = RESULTS["several"]
    model.respond_with(ToolCall("paint", {"input": "two squares"}))
    model.respond_with(ToolCall("paint", {}))
    model.respond_with(Text("Here."))
    model.respond_with(Text("Ready."))
    events = await chat.say("two squares")
    assert [data for *_, data in await kept()] == [RED, GREEN]
    assert len(done_items(events, "generated_image")) == 2
    assert TOLD not in caplog.text


def code_interpreter(*outputs: dict[str, str]) -> list[Any]:
    """Return what code interpreter sends, and a text that cites files of it."""
    call = {
        "id": "ci_1",
        "type": "code_interpreter_call",
        "status": "completed",
        "code": "plot()",
        "container_id": "cntr_1",
        "outputs": [{"type": "logs", "logs": "1"}, *outputs],
    }
    begun = {"output_index": 0, "item": call | {"outputs": None}}
    cited = [
        {
            "type": "container_file_citation",
            "container_id": "cntr_1",
            "file_id": f"cfile_{name}",
            "filename": name,
            "start_index": 0,
            "end_index": 5,
        }
        for name in ("green.png", "green.png", "table.csv", "none.png")
    ]
    return [
        Raw({"type": "response.output_item.added"} | begun),
        Raw({"type": "response.output_item.done", "output_index": 0, "item": call}),
        Text("Ready.", annotations=tuple(cited)),
    ]


class WithFiles:
    """The loopback model, with the files of a container."""

    def __init__(self, api: LoopbackAPI) -> None:
        self.api = api
        self.asked: list[str] = []
        self.keys: set[bytes] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if "/containers/" not in scope["path"]:
            await self.api(scope, receive, send)
            return
        self.asked.append(scope["path"])
        self.keys.add(dict(scope["headers"])[b"authorization"])
        found = "green" in scope["path"]
        head = {"type": "http.response.start", "status": 200 if found else 404}
        await send(head | {"headers": []})
        await send({"type": "http.response.body", "body": GREEN if found else b""})


async def test_images_of_code_interpreter_are_shown_and_kept(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = WithFiles(model)
    with serve(app) as settings.LOOPBACK_URL:
        image = {"type": "image", "url": data_url(RED)}
        model.respond_with(*code_interpreter(image))
        events = await chat.say("plot it")
    assert await kept() == [("code", "completed", RED), ("code", "completed", GREEN)]
    assert len(done_items(events, "generated_image")) == 2
    files = "/v1/containers/cntr_1/files"
    assert sorted(app.asked) == [
        f"{files}/cfile_{name}.png/content" for name in ("green", "none")
    ]
    assert "left out: Error code: 404" in caplog.text
    rows = GeneratedImage.objects.order_by("created_at")
    details = [row.details async for row in rows]
    assert details[1] == {"container": "cntr_1", "filename": "green.png"}


@asynccontextmanager
async def other_model(url: str) -> AsyncIterator[OpenAIResponsesModel]:
    async with AsyncOpenAI(base_url=url, api_key="other", max_retries=0) as client:
        yield OpenAIResponsesModel(model="gpt-4.1", openai_client=client)


@pytest.mark.parametrize("way", WAYS)
async def test_files_of_a_nested_agent_are_read_by_the_client_of_its_model(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    monkeypatch.setattr(Painter, "nested", staticmethod(WAYS[way]))
    app = WithFiles(model)
    with serve(app) as settings.LOOPBACK_URL:
        async with other_model(settings.LOOPBACK_URL) as Painter.other:
            model.respond_with(ToolCall("paint", {"input": "plot it"}))
            model.respond_with(*code_interpreter())
            model.respond_with(Text("Ready."))
            await chat.say("plot it")
    assert await kept() == [("code", "completed", GREEN)]
    assert app.keys == {b"Bearer other"}


@pytest.mark.parametrize("whose", ["first", "second"])
async def test_files_before_and_after_a_handoff_are_read_by_the_client_of_their_model(
    chat: ChatClient, model: LoopbackAPI, settings: Any, whose: str
) -> None:
    app = WithFiles(model)
    with serve(app) as settings.LOOPBACK_URL:
        async with other_model(settings.LOOPBACK_URL) as Painter.other:
            parts: list[Any] = code_interpreter() if whose == "first" else []
            model.respond_with(*parts, ToolCall("transfer_to_other", {}))
            model.respond_with(*([Text("Ready.")] if parts else code_interpreter()))
            await chat.say("plot it")
    assert await kept() == [("code", "completed", GREEN)]
    assert (app.keys == {b"Bearer other"}) is (whose == "second")
    assert len(app.keys) == 1


async def test_code_interpreters_ids_may_come_again(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    """Some gateways number the calls of each response."""
    for colour in (RED, GREEN):
        call = code_interpreter({"type": "image", "url": data_url(colour)})[:2]
        model.respond_with(*call, ToolCall("paint", {}))
    model.respond_with(Text("Ready."))
    await chat.say("plot both")
    assert [data for *_, data in await kept()] == [RED, GREEN]


async def test_image_of_a_tool_is_there_while_another_tool_is_at_work(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    """The SDK tells of no result before all tools of the response have ended."""
    Painter.returns, Painter.held = ToolOutputImage(image_url=data_url(RED)), Gate()
    model.respond_with(ToolCall("paint", {}), ToolCall("wait", {}))
    model.respond_with(Text("Ready."))
    answer = await chat.request_op("threads.create", {"input": message("a square")})
    events = []
    async with asyncio.timeout(10):
        async for event in read_events(answer):
            events.append(event)
            if done_items([event], "generated_image"):
                assert await kept() == [("tool", "completed", RED)]
                Painter.held.open()
    # What the SDK tells afterwards is the same image.
    assert await kept() == [("tool", "completed", RED)]
    added = [event["item"]["type"] for event in of_type(events, "thread.item.added")]
    assert added.count("generated_image") == 1
    (shown,) = done_items(events, "generated_image")
    page = await chat.call("items.list", thread_id=thread_id(events), order="asc")
    kinds = [item["type"] for item in page["data"]]
    assert kinds == ["user_message", "generated_image", "assistant_message"]
    assert page["data"][1]["id"] == shown["id"]


async def test_the_same_image_of_tools_that_end_at_once_is_kept_once(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    Painter.returns = ToolOutputImage(image_url=data_url(RED))
    model.respond_with(ToolCall("paint", {}), ToolCall("paint", {}))
    model.respond_with(Text("Ready."))
    events = await chat.say("a square")
    assert await kept() == [("tool", "completed", RED)]
    assert len(done_items(events, "generated_image")) == 1


async def test_a_stop_keeps_the_image_of_a_tool_that_has_ended(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    """The SDK tells of no result while another tool is still at work."""
    Painter.returns, Painter.held = ToolOutputImage(image_url=data_url(RED)), Gate()
    model.respond_with(ToolCall("paint", {}), ToolCall("wait", {}))
    saying = asyncio.ensure_future(chat.say("a square"))
    assert await asyncio.to_thread(Painter.held.reached.wait, 60)
    (live,) = runs.LIVE.values()
    live.stop()
    events = await saying
    assert await kept() == [("tool", "completed", RED)]
    (shown,) = done_items(events, "generated_image")
    page = await chat.call("items.list", thread_id=thread_id(events))
    assert shown["id"] in [item["id"] for item in page["data"]]


async def test_a_stop_gives_up_what_has_not_come(
    chat: ChatClient, model: LoopbackAPI, caplog: pytest.LogCaptureFixture
) -> None:
    async with hosting() as host:
        Painter.allowed_hosts = [host.name]
        host.answers = {"/endless": b"HTTP/1.1 200 OK\r\n\r\n"}
        Painter.returns = [
            ToolOutputImage(image_url=data_url(RED)),
            ToolOutputImage(image_url=host.url("/endless")),
        ]
        gate = Gate()
        model.respond_with(ToolCall("paint", {}))
        model.respond_with(gate, Text("Ready."))
        saying = asyncio.ensure_future(chat.say("two squares"))
        await asyncio.to_thread(gate.reached.wait, 60)
        run = await Run.objects.aget()
        answer = await chat.post(
            f"/chatkit/threads/{run.thread_id}/stop/", content_type="application/json"
        )
        assert answer.status_code == 200
        await saying
    assert await kept() == [("tool", "completed", RED)]
    assert "the answer has ended" in caplog.text
