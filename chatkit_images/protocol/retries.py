"""A retry: the same message gets a new answer, and its old answer is deleted."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from chatkit import types

from ..context import RequestContext
from .request_checks import RequestCheckMixin
from .turn_messages import TurnMessageMixin


class RetryMixin(RequestCheckMixin, TurnMessageMixin):
    """Answers a message once more."""

    async def _retry(
        self, request: types.ThreadsRetryAfterItemReq, context: RequestContext
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """Answer a message again; delete what followed it in one transaction.

        The SDK reads all that followed and deletes it item by item, so a crash in
        between leaves half an answer.
        """
        thread_id, item_id = request.params.thread_id, request.params.item_id
        thread = await self.store.load_thread(thread_id, context=context)
        message = await self.store.load_item(thread_id, item_id, context=context)
        if not isinstance(message, types.UserMessageItem):
            raise ValueError(f"Item {item_id} is not a user message")
        chosen = message.inference_options
        message.inference_options = await self.offered(chosen, context)
        context = await self.turn_context(thread_id, message, context)
        # A refusal comes before the deletion: the old answer stays if there can be no
        # new one.
        refusal = await self.refusal(thread, context)
        if refusal is not None:
            said = types.ThreadItemDoneEvent(item=refusal)
            async for event in self._process_events(
                thread, context, lambda: _one(said)
            ):
                yield event
            return
        await self.store.delete_items_after(thread_id, item_id, context)
        async for event in self._process_events(
            thread, context, lambda: self.respond(thread, message, context)
        ):
            yield event


async def _one(
    event: types.ThreadStreamEvent,
) -> AsyncGenerator[types.ThreadStreamEvent, None]:
    yield event
