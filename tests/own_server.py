"""A project that wrote its own server after ChatKit's guide, with a store in memory."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

from agents import (
    Agent,
    ImageGenerationTool,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
)
from chatkit import agents as sdk
from chatkit import types
from chatkit.agents import AgentContext, ResponseStreamConverter, ThreadItemConverter
from chatkit.server import ChatKitServer, NonStreamingResult
from chatkit.store import AttachmentStore, NotFoundError, Store
from django.conf import settings
from openai import AsyncOpenAI
from openai.types.responses import ResponseInputContentParam, ResponseInputTextParam

from tests.client import message

HOSTED = "https://cdn.shop.example/fox.png"


class MemoryStore(Store[Any]):
    """What ChatKit's guide begins with. It takes any context."""

    def __init__(self) -> None:
        self.threads: dict[str, types.ThreadMetadata] = {}
        self.items: dict[str, dict[str, types.ThreadItem]] = defaultdict(dict)
        self.files: dict[str, types.Attachment] = {}

    async def load_thread(self, thread_id: str, context: Any) -> types.ThreadMetadata:
        if thread_id not in self.threads:
            raise NotFoundError(thread_id)
        return self.threads[thread_id]

    async def save_thread(self, thread: types.ThreadMetadata, context: Any) -> None:
        self.threads[thread.id] = thread

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: Any
    ) -> types.Page[types.ThreadMetadata]:
        return types.Page(data=list(self.threads.values()))

    async def delete_thread(self, thread_id: str, context: Any) -> None:
        del self.threads[thread_id]

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Any
    ) -> types.Page[types.ThreadItem]:
        found = list(self.items[thread_id].values())
        return types.Page(data=found[::-1] if order == "desc" else found)

    async def load_item(
        self, thread_id: str, item_id: str, context: Any
    ) -> types.ThreadItem:
        return self.items[thread_id][item_id]

    async def add_thread_item(
        self, thread_id: str, item: types.ThreadItem, context: Any
    ) -> None:
        self.items[thread_id][item.id] = item

    async def save_item(
        self, thread_id: str, item: types.ThreadItem, context: Any
    ) -> None:
        self.items[thread_id][item.id] = item

    async def delete_thread_item(
        self, thread_id: str, item_id: str, context: Any
    ) -> None:
        self.items[thread_id].pop(item_id, None)

    async def save_attachment(self, attachment: types.Attachment, context: Any) -> None:
        self.files[attachment.id] = attachment

    async def load_attachment(
        self, attachment_id: str, context: Any
    ) -> types.Attachment:
        return self.files[attachment_id]

    async def delete_attachment(self, attachment_id: str, context: Any) -> None:
        self.files.pop(attachment_id, None)


class Uploading(ResponseStreamConverter):
    """Uploads images as the guide does, to a host of the project's."""

    async def base64_image_to_url(
        self,
        image_id: str,
        base64_image: str,
        partial_image_index: int | None = None,
    ) -> str:
        return HOSTED


class Reading(ThreadItemConverter):
    """Reads attachments, which ChatKit's own converter does not."""

    async def attachment_to_message_content(
        self, attachment: types.Attachment
    ) -> ResponseInputContentParam:
        return ResponseInputTextParam(type="input_text", text=attachment.name)


Saver = Callable[[types.ThreadMetadata, Any], ResponseStreamConverter]
Reader = Callable[[Any], ThreadItemConverter]


def agent() -> Agent[Any]:
    client = AsyncOpenAI(
        base_url=settings.LOOPBACK_URL,
        api_key="loopback",
        max_retries=0,
        default_headers={"Connection": "close"},
    )
    tool = {"type": "image_generation", "partial_images": 1}
    return Agent(
        name="designer",
        model=OpenAIResponsesModel(model="gpt-4.1", openai_client=client),
        tools=[ImageGenerationTool(tool_config=tool)],  # type: ignore[arg-type]
    )


class OwnServer(ChatKitServer[Any]):
    """The guide's server; each of its parts may be this app's."""

    def __init__(
        self,
        store: Store[Any] | None = None,
        attachment_store: AttachmentStore[Any] | None = None,
        saver: Saver = lambda thread, context: ResponseStreamConverter(),
        reader: Reader = lambda context: ThreadItemConverter(),
    ) -> None:
        super().__init__(store or MemoryStore(), attachment_store)
        self.saver, self.reader = saver, reader

    async def respond(
        self,
        thread: types.ThreadMetadata,
        input_user_message: types.UserMessageItem | None,
        context: Any,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        page = await self.store.load_thread_items(thread.id, None, 20, "desc", context)
        history = await self.reader(context).to_agent_input(page.data[::-1])
        around: AgentContext[Any] = AgentContext(
            thread=thread, store=self.store, request_context=context
        )
        result = Runner.run_streamed(
            agent(),
            history,
            context=around,
            run_config=RunConfig(tracing_disabled=True),
        )
        async for event in sdk.stream_agent_response(
            around, result, converter=self.saver(thread, context)
        ):
            yield event


async def ask(server: ChatKitServer[Any], context: Any, op: str, **params: Any) -> Any:
    """Return the JSON of an answer, or the events of a stream."""
    body = json.dumps({"type": op, "params": params})
    result = await server.process(body, context)
    if isinstance(result, NonStreamingResult):
        return json.loads(result.json)
    return [json.loads(chunk.removeprefix(b"data: ")) async for chunk in result]


async def say(
    server: ChatKitServer[Any],
    context: Any,
    text: str,
    thread_id: str | None = None,
    attachments: Any = (),
) -> list[dict[str, Any]]:
    """Send a message and return every event of the answer."""
    params: dict[str, Any] = {"input": message(text, attachments)}
    if thread_id is None:
        return list(await ask(server, context, "threads.create", **params))
    op = "threads.add_user_message"
    return list(await ask(server, context, op, thread_id=thread_id, **params))
