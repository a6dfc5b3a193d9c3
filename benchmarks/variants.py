"""The ways to a delivered image that are compared, one conversation each."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import sample_images
from agents import (
    Agent,
    ImageGenerationTool,
    OpenAIResponsesModel,
    Runner,
    RunResultStreaming,
)
from app_server import QUIET, AppServer
from chatkit import types
from chatkit.agents import (
    AgentContext,
    ResponseStreamConverter,
    simple_to_agent_input,
    stream_agent_response,
)
from chatkit.server import ChatKitServer, StreamingResult
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from memory_store import MemoryStore
from message import BODY
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from pydantic import TypeAdapter

from chatkit_images import runs
from chatkit_images.agents import ImageHttpxClient
from chatkit_images.context import RequestContext

REQUEST: TypeAdapter[Any] = TypeAdapter(types.ChatKitReq)


def designer(client: AsyncOpenAI, model: str) -> Agent[Any]:
    """Return the agent of every variant."""
    tool = {"type": "image_generation", "partial_images": sample_images.PARTIALS}
    return Agent(
        name="designer",
        instructions="Generate images when asked.",
        model=OpenAIResponsesModel(model=model, openai_client=client),
        tools=[ImageGenerationTool(tool_config=tool)],  # type: ignore[arg-type]
    )


class Floor:
    """The Agents SDK alone, until the image call is done."""

    http_client = DefaultAsyncHttpxClient

    def __init__(self, agent: Agent[Any], storage: Storage) -> None:
        self._agent = agent
        self._results: list[RunResultStreaming] = []

    async def converse(self) -> float:
        """Hold a conversation and return when its image was there."""
        result = Runner.run_streamed(self._agent, "A house.", run_config=QUIET)
        # Kept, as the SDK reads the rest of the stream in the background: that work
        # is in every variant, and here it must not end with the last reference.
        self._results.append(result)
        async for event in result.stream_events():
            if (
                event.type == "raw_response_event"
                and event.data.type == "response.output_item.done"
                and event.data.item.type == "image_generation_call"
            ):
                return time.perf_counter()
        raise RuntimeError("The stream ended without an image.")


class App:
    """This app, driven as its endpoint drives it: ``runs.start`` and the events."""

    http_client: type[DefaultAsyncHttpxClient] = ImageHttpxClient

    def __init__(self, agent: Agent[Any], storage: Storage) -> None:
        self._server = AppServer(agent)
        self._request = REQUEST.validate_json(BODY)

    async def converse(self) -> float:
        """Hold a conversation and return when its image was there."""
        context = RequestContext(None, "visitor:benchmark", "http://testserver")
        run = await runs.start(self._server, self._request, BODY, context)
        return await time_to_image(chunks_of(run.events()))


class PlainApp(App):
    """The same with OpenAI's own HTTP client."""

    http_client = DefaultAsyncHttpxClient


class Sdk:
    """ChatKit's default, which puts the image into a ``data:`` URL."""

    http_client = DefaultAsyncHttpxClient

    def __init__(self, agent: Agent[Any], storage: Storage) -> None:
        self._server = SdkServer(agent, self.converter(storage))

    def converter(self, storage: Storage) -> ResponseStreamConverter:
        """Return what makes the URL."""
        return ResponseStreamConverter(partial_images=sample_images.PARTIALS)

    async def converse(self) -> float:
        """Hold a conversation and return when its image was there."""
        result = await self._server.process(BODY, None)
        assert isinstance(result, StreamingResult)
        return await time_to_image(aiter(result))


class Recipe(Sdk):
    """ChatKit's guide to generated images: upload in the converter."""

    def converter(self, storage: Storage) -> ResponseStreamConverter:
        """Return what makes the URL."""
        return RecipeConverter(storage)


class RecipeConverter(ResponseStreamConverter):
    """The guide's converter: it decodes and uploads where it is called."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(partial_images=sample_images.PARTIALS)
        self._storage = storage

    async def base64_image_to_url(
        self,
        image_id: str,
        base64_image: str,
        partial_image_index: int | None = None,
    ) -> str:
        """Return the URL of the uploaded image."""
        blob_id = (
            image_id
            if partial_image_index is None
            else f"{image_id}-partial-{partial_image_index}"
        )
        return self._upload(blob_id, base64.b64decode(base64_image))

    def _upload(self, blob_id: str, data: bytes) -> str:
        # The replayed ids are the same in every conversation; the storage then adds
        # some letters to the name.
        name = self._storage.save(f"{blob_id}.png", ContentFile(data))
        return self._storage.url(name)


class SdkServer(ChatKitServer[None]):
    """A server as ChatKit's documentation writes it."""

    def __init__(self, agent: Agent[Any], converter: ResponseStreamConverter) -> None:
        super().__init__(MemoryStore())
        self._agent = agent
        self._converter = converter

    async def respond(
        self,
        thread: types.ThreadMetadata,
        input_user_message: types.UserMessageItem | None,
        context: None,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        """Answer with the agent."""
        page = await self.store.load_thread_items(thread.id, None, 20, "asc", context)
        agent_context = AgentContext(
            thread=thread, store=self.store, request_context=context
        )
        result = Runner.run_streamed(
            self._agent,
            await simple_to_agent_input(page.data),
            context=agent_context,
            run_config=QUIET,
        )
        async for event in stream_agent_response(
            agent_context, result, converter=self._converter
        ):
            yield event


async def chunks_of(batches: runs.Batches) -> AsyncIterator[bytes]:
    """Yield what a run hands out, event by event."""
    async with aclosing(batches):
        async for batch in batches:
            for _, chunk in batch:
                yield chunk


async def time_to_image(chunks: Any) -> float:
    """Read a stream to its end and return when its image was done."""
    seen = 0.0
    async with aclosing(chunks):
        async for chunk in chunks:
            # Only the beginning is looked at: a data URL is long.
            if (
                chunk.startswith(b'data: {"type":"thread.item.done"')
                and b'"generated_image"' in chunk[:500]
            ):
                seen = time.perf_counter()
    if not seen:
        raise RuntimeError("The stream ended without an image.")
    return seen


VARIANTS: dict[str, Any] = {
    "floor": Floor,
    "app": App,
    "app, SDK client": PlainApp,
    "recipe": Recipe,
    "data URL": Sdk,
}
