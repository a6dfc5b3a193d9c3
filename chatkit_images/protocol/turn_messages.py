"""The message of a turn, which all of the turn's work finds in its context."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from chatkit import types

from .. import database
from ..context import RequestContext
from ..queries import requested
from ..run_state import current_run
from .choices import ChoiceMixin


class TurnMessageMixin(ChoiceMixin):
    """Gives each turn a context with its message.

    It is done where the SDK calls ``respond`` and the actions, so that a project that
    overrides these has it too.
    """

    async def turn_context(
        self,
        thread_id: str,
        message: types.UserMessageItem | None,
        context: RequestContext,
    ) -> RequestContext:
        """Return the context of a turn that answers a message.

        Args:
            thread_id: The thread.
            message: The message. ``None`` is for a turn without one of its own, such as
                an action: it goes on with the thread's newest. Of that message's choice
                is left what is still offered.
            context: Who asks.
        """
        if message is not None:
            same = message is context.message
            return context if same else replace(context, message=message)
        if context.message is not None and context.message.thread_id == thread_id:
            return context
        newest = await self.store.load_newest_message(thread_id, context)
        if newest is None:
            return context
        chosen = newest.inference_options
        kept = await self.offered(chosen, context, refuse=False)
        newest.inference_options = kept
        run = current_run.get()
        if run is not None and (kept.model or kept.tool_choice):
            # It was not known when the run was claimed.
            await database.call(requested.note, run, kept)
        return replace(context, message=newest)

    async def _process_new_thread_item_respond(
        self,
        thread: types.ThreadMetadata,
        item: types.UserMessageItem,
        context: RequestContext,
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        context = await self.turn_context(thread.id, item, context)
        # The SDK declares an iterator, but it is a generator.
        events = cast(
            "AsyncGenerator[types.ThreadStreamEvent, None]",
            super()._process_new_thread_item_respond(thread, item, context),
        )
        async with aclosing(events):
            async for event in events:
                yield event
