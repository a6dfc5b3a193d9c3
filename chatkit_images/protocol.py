"""What ``ChatKitServer`` leaves open: what a client may ask and see."""

from __future__ import annotations

import asyncio
from abc import ABC
from collections.abc import AsyncGenerator
from contextlib import aclosing

from channels.db import database_sync_to_async
from chatkit import types
from chatkit.server import DEFAULT_PAGE_SIZE, ChatKitServer
from pydantic import BaseModel

from . import wire
from .agents import trackers
from .context import RequestContext
from .rows import preflight, threads
from .store import DjangoStore


class ProtocolServer(ChatKitServer[RequestContext], ABC):
    """A ``ChatKitServer`` that hides what is hidden and checks before it writes."""

    store: DjangoStore

    async def check_request(
        self, request: types.ChatKitReq, context: RequestContext
    ) -> None:
        """Refuse a request before anything is written. Override it to refuse more.

        Raises:
            NotFoundError: If it names what its sender does not have.
            RequestRefused: If it is not possible as things stand.
        """
        await database_sync_to_async(preflight.check)(request, context)

    def _serialize(self, obj: BaseModel) -> bytes:
        return wire.dump(obj)

    def _to_thread_response(self, thread: types.ThreadMetadata) -> types.Thread:
        return wire.public_thread(thread)

    async def _process_streaming_impl(
        self, request: types.StreamingReq, context: RequestContext
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        if trackers.get() is None:
            trackers.set([])
        if isinstance(request, types.ThreadsRetryAfterItemReq):
            events = self._retry(request, context)
        else:
            events = super()._process_streaming_impl(request, context)
        try:
            async with aclosing(events):
                async for event in events:
                    if (shown := wire.visible(event)) is not None:
                        yield shown
        except asyncio.CancelledError:
            # How the images ended; the generator that made them is gone.
            for tracker in trackers.get() or ():
                for event in tracker.leftovers:
                    yield event
            raise

    async def _retry(
        self, request: types.ThreadsRetryAfterItemReq, context: RequestContext
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """Answer a message again; what followed it goes in one transaction.

        The SDK deletes item by item, and a crash leaves half an answer.
        """
        thread_id, item_id = request.params.thread_id, request.params.item_id
        thread = await self.store.load_thread(thread_id, context=context)
        message = await self.store.load_item(thread_id, item_id, context=context)
        assert isinstance(message, types.UserMessageItem)
        later: list[str] = []
        async for item in self._paginate_thread_items_reverse(thread_id, context):
            if item.id == item_id:
                break
            later.append(item.id)
        await self.store.delete_thread_items(thread_id, later, context)
        async for event in self._process_events(
            thread, context, lambda: self.respond(thread, message, context)
        ):
            yield event

    async def _process_non_streaming(
        self, request: types.NonStreamingReq, context: RequestContext
    ) -> bytes:
        # The SDK filters hidden items out of a page: it may come out empty.
        if isinstance(request, types.ItemsListReq):
            asked = request.params
            limit = asked.limit or DEFAULT_PAGE_SIZE
            items = await self.store.load_visible_items(
                asked.thread_id, asked.after, limit, asked.order, context
            )
            return self._serialize(items)
        if isinstance(request, types.ThreadsGetByIdReq):
            key = request.params.thread_id
            thread = await self.store.load_thread(key, context)
            items = await self.store.load_visible_items(
                key, None, DEFAULT_PAGE_SIZE, "asc", context
            )
            full = types.Thread(**thread.model_dump(), items=items)
            return self._serialize(self._to_thread_response(full))
        if isinstance(request, types.ThreadsUpdateReq):
            # The answer says what is stored.
            request.params.title = threads.clean_title(request.params.title)
        answer = await super()._process_non_streaming(request, context)
        if isinstance(request, types.ThreadsSyncCustomActionReq):
            return self._without_hidden(answer)
        return answer

    def _without_hidden(self, answer: bytes) -> bytes:
        response = types.SyncCustomActionResponse.model_validate_json(answer)
        return b"{}" if isinstance(response.updated_item, wire.HIDDEN) else answer
