"""Requests whose answer is one JSON document: threads, lists of items, updates."""

from __future__ import annotations

from chatkit import types
from chatkit.server import DEFAULT_PAGE_SIZE

from ..context import RequestContext
from ..queries import threads
from .image_hosts import ImageHostMixin
from .turn_messages import TurnMessageMixin
from .visibility import HIDDEN


class NonStreamingMixin(ImageHostMixin, TurnMessageMixin):
    """Answers requests without a stream, and leaves hidden items out."""

    async def _process_non_streaming(
        self, request: types.NonStreamingReq, context: RequestContext
    ) -> bytes:
        # The SDK removes hidden items from a page that it has loaded. Such a page may
        # be empty although more items follow.
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
            return self._serialize(await self.shown_thread(full, context))
        if isinstance(request, types.ThreadsListReq):
            page = await self.store.load_threads(
                limit=request.params.limit or DEFAULT_PAGE_SIZE,
                after=request.params.after,
                order=request.params.order,
                context=context,
            )
            shown = [await self.shown_thread(each, context) for each in page.data]
            listed = types.Page(data=shown, has_more=page.has_more, after=page.after)
            return self._serialize(listed)
        if isinstance(request, types.ThreadsUpdateReq):
            thread = await self.store.load_thread(request.params.thread_id, context)
            # The answer has the title as it is stored.
            thread.title = threads.clean_title(request.params.title)
            await self.store.save_thread(thread, context)
            return self._serialize(await self.shown_thread(thread, context))
        if isinstance(request, types.ThreadsSyncCustomActionReq):
            context = await self.turn_context(request.params.thread_id, None, context)
        answer = await super()._process_non_streaming(request, context)
        if isinstance(request, types.ThreadsSyncCustomActionReq):
            return _without_hidden(answer)
        return answer


def _without_hidden(answer: bytes) -> bytes:
    response = types.SyncCustomActionResponse.model_validate_json(answer)
    return b"{}" if isinstance(response.updated_item, HIDDEN) else answer
