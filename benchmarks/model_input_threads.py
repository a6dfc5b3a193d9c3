"""A long thread with images, on this app and on ChatKit's SDK alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pybase64
import sample_images
from agents import Agent, ImageGenerationTool, OpenAIResponsesModel, RunConfig, Runner
from chatkit import types
from chatkit.agents import AgentContext, ThreadItemConverter, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from django.core.files.uploadedfile import SimpleUploadedFile
from memory_store import MemoryStore
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.responses import ResponseInputContentParam, ResponseInputImageParam
from pydantic import TypeAdapter

from chatkit_images import runs
from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoThreadItemConverter
from chatkit_images.server import DjangoChatKitServer
from chatkit_images.testing import Image, LoopbackAPI, Text

REQUEST: TypeAdapter[Any] = TypeAdapter(types.ChatKitReq)
QUIET = RunConfig(tracing_disabled=True)
# Every third turn has no image, and a file of the person's.
EVERY = 3


def designer(api: LoopbackAPI) -> Agent[Any]:
    """Return the agent, which asks a model in this process."""
    transport = httpx2.ASGITransport(app=api)
    client = AsyncOpenAI(
        base_url="http://loopback/v1",
        api_key="loopback",
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(transport=transport),
    )
    tool = {"type": "image_generation", "partial_images": 0}
    return Agent(
        name="designer",
        instructions="Generate images when asked.",
        model=OpenAIResponsesModel(model="gpt-4.1", openai_client=client),
        tools=[ImageGenerationTool(tool_config=tool)],  # type: ignore[arg-type]
    )


class Model(LoopbackAPI):
    """Tells when it has a request."""

    def __init__(self, meter: Any) -> None:
        super().__init__()
        self._meter = meter

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        self._meter.arrived()
        await super().__call__(scope, receive, send)


class App:
    """This app, driven as its endpoint drives it."""

    context = RequestContext(None, "visitor:benchmark", "http://testserver")

    def __init__(self, meter: Any) -> None:
        self.api = Model(meter)
        self._server = Server(designer(self.api), meter)

    async def upload(self, data: bytes) -> str:
        """Return the id of a file of the person's."""
        file = SimpleUploadedFile("photo.png", data)
        return (await DjangoAttachmentStore().upload(file, self.context)).id

    async def say(self, body: bytes) -> list[bytes]:
        """Say something and return the events of the answer."""
        request = REQUEST.validate_json(body)
        run = await runs.start(self._server, request, body, self.context)
        return [chunk async for batch in run.events() for _, chunk in batch]


class Server(DjangoChatKitServer):
    """What a project writes, and what measures."""

    def __init__(self, agent: Agent[Any], meter: Any) -> None:
        super().__init__()
        self._agent = agent
        self._meter = meter

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any]:
        """Return the agent."""
        return self._agent

    def get_run_config(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> RunConfig:
        """Trace nothing: there is nobody to send it to."""
        return QUIET

    async def get_history(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> list[types.ThreadItem]:
        """Return the items; here the input begins."""
        self._meter.begin()
        return await super().get_history(thread, context)

    def get_thread_item_converter(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> DjangoThreadItemConverter:
        """Return what makes the input."""
        converter = DjangoThreadItemConverter(context)
        make = converter.to_agent_input

        async def made(items: Any) -> Any:
            found = await make(items)
            self._meter.end(found)
            return found

        converter.to_agent_input = made  # type: ignore[method-assign]
        return converter


class Sdk:
    """ChatKit's own: a store in memory, images as ``data:`` URLs, all sent again."""

    def __init__(self, meter: Any) -> None:
        self.api = Model(meter)
        self._store = FileStore()
        self._server = SdkServer(designer(self.api), self._store, meter)

    async def upload(self, data: bytes) -> str:
        """Return the id of a file of the person's."""
        key = f"atc_{len(self._store.files)}"
        self._store.files[key] = data
        return key

    async def say(self, body: bytes) -> list[bytes]:
        """Say something and return the events of the answer."""
        result = await self._server.process(body, None)
        assert isinstance(result, StreamingResult)
        return [chunk async for chunk in result]


class FileStore(MemoryStore):
    """Threads, items and files in dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}

    async def load_attachment(
        self, attachment_id: str, context: None
    ) -> types.Attachment:
        """Return a file."""
        return types.ImageAttachment(
            id=attachment_id,
            name="photo.png",
            mime_type="image/png",
            preview_url="http://testserver/photo.png",  # type: ignore[arg-type]
        )

    async def save_attachment(
        self, attachment: types.Attachment, context: None
    ) -> None:
        """Do nothing: the file is there."""


class Resending(ThreadItemConverter):
    """ChatKit's converter, with the one method that its guide has a project write."""

    def __init__(self, store: FileStore) -> None:
        self._store = store

    async def attachment_to_message_content(
        self, attachment: types.Attachment
    ) -> ResponseInputContentParam:
        """Return a file as its bytes."""
        data = pybase64.b64encode_as_string(self._store.files[attachment.id])
        return ResponseInputImageParam(
            type="input_image", detail="auto", image_url=f"data:image/png;base64,{data}"
        )


class SdkServer(ChatKitServer[None]):
    """A server as ChatKit's documentation writes it."""

    def __init__(self, agent: Agent[Any], store: FileStore, meter: Any) -> None:
        super().__init__(store)
        self._agent = agent
        self._converter = Resending(store)
        self._meter = meter

    async def respond(
        self,
        thread: types.ThreadMetadata,
        input_user_message: types.UserMessageItem | None,
        context: None,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        """Answer with the agent."""
        self._meter.begin()
        page = await self.store.load_thread_items(thread.id, None, 999, "asc", context)
        given = await self._converter.to_agent_input(page.data)
        self._meter.end(given)
        agent_context = AgentContext(
            thread=thread, store=self.store, request_context=context
        )
        result = Runner.run_streamed(
            self._agent, given, context=agent_context, run_config=QUIET
        )
        async for event in stream_agent_response(agent_context, result):
            yield event


async def hold(thread: App | Sdk, cell: dict[str, Any], meter: Any) -> None:
    """Hold a conversation: turns with images and files, then some with words only."""
    key = ""
    for number in range(cell["turns"] + cell["warm"]):
        sent: list[str] = []
        steps: list[Any] = [Text("Here it is.")]
        if number < cell["turns"]:
            data = sample_images.noise(cell["size"])
            if number % EVERY == EVERY - 1:
                sent = [await thread.upload(data)]
            else:
                steps.insert(0, Image(data=data, partials=0))
        thread.api.respond_with(*steps)
        events = await thread.say(message(f"Image {number}, please.", sent, key))
        if len(meter.turns) != number + 1 or b"thread.item.done" not in b"".join(
            chunk[:60] for chunk in events
        ):
            raise RuntimeError(f"Turn {number} has no answer: {events[-1][:500]!r}")
        for chunk in events if not key else ():
            event = json.loads(chunk.partition(b"data: ")[2] or b"{}")
            if event.get("type") == "thread.created":
                key = event["thread"]["id"]
        # Requests of 100 MB would fill the memory.
        thread.api.requests.clear()


def message(text: str, sent: list[str], thread_id: str) -> bytes:
    """Return a request."""
    said = {
        "content": [{"type": "input_text", "text": text}],
        "attachments": sent,
        "quoted_text": None,
        "inference_options": {},
    }
    kind, where = "threads.create", {}
    if thread_id:
        kind, where = "threads.add_user_message", {"thread_id": thread_id}
    return json.dumps({"type": kind, "params": {"input": said, **where}}).encode()


THREADS: dict[str, Any] = {"app": App, "SDK": Sdk}
