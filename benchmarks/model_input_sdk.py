"""A long thread on ChatKit's SDK alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pybase64
from agents import Agent, Runner
from app_server import QUIET
from chatkit import types
from chatkit.agents import AgentContext, ThreadItemConverter, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from memory_store import MemoryStore
from model_input_agent import Model, designer
from openai.types.responses import ResponseInputContentParam, ResponseInputImageParam


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
