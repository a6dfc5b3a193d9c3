"""The first message of a thread. The claim of its run has already made the thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress

from chatkit import types

from ..context import RequestContext
from ..run_state import RunState
from .turn_messages import TurnMessageMixin

logger = logging.getLogger(__name__)
# Longest time, in seconds, that a first message waits for the stream's first event.
SERVE_SECONDS = 0.1


class FirstMessageMixin(TurnMessageMixin):
    """Answers a first message in the thread that the claim of its run has made."""

    async def _create(
        self,
        state: RunState,
        made: types.ThreadMetadata,
        request: types.ThreadsCreateReq,
        context: RequestContext,
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """Answer a first message in the thread that the claim has made.

        The SDK would make another thread, in a transaction of its own.
        """
        thread = types.Thread(**made.model_dump(), items=types.Page())
        yield types.ThreadCreatedEvent(thread=self._to_thread_response(thread))
        storing = asyncio.ensure_future(
            self._store_first(state, thread, request.params.input, context)
        )
        try:
            message = await asyncio.shield(storing)
        except asyncio.CancelledError:
            # The client already shows the message, so a stop does not lose it.
            await asyncio.wait([storing])
            if error := storing.exception():
                logger.warning("A first message is not stored", exc_info=error)
            else:
                yield types.ThreadItemDoneEvent(item=storing.result())
            raise
        yield types.ThreadItemDoneEvent(item=message)
        context = await self.turn_context(thread.id, message, context)
        async for event in self._process_events(
            thread, context, lambda: self.respond(thread, message, context)
        ):
            yield event

    async def _store_first(
        self,
        state: RunState,
        thread: types.ThreadMetadata,
        written: types.UserMessageInput,
        context: RequestContext,
    ) -> types.UserMessageItem:
        """Store the message that a thread begins with, and return it.

        Storing a message and sending an event, which may go through several threads,
        share one interpreter: done together, both take longer. So the first event is
        sent first, if the response takes it within ``SERVE_SECONDS``.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(SERVE_SECONDS):
                await state.served.wait()
        message = await self._build_user_message_item(written, thread, context)
        # The attachments belong to a thread from now on.
        for attachment in message.attachments:
            await self.store.save_attachment(attachment, context)
        await self.store.add_thread_item(thread.id, message, context)
        return message
