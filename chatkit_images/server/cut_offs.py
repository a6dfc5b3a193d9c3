"""What a thread keeps of a run that is cut off, by the person or by the server."""

from __future__ import annotations

from contextlib import suppress

from chatkit import types

from ..agents import cut_off, trackers
from ..context import RequestContext
from ..exceptions import ClaimLost, NotFoundError
from ..failures import Reason
from ..protocol import ProtocolServer
from ..run_state import RunState, current_state


class CutOffMixin(ProtocolServer):
    """Keeps in the thread what a cut-off run has made so far."""

    async def handle_stream_cancelled(
        self,
        thread: types.ThreadMetadata,
        pending_items: list[types.ThreadItem],
        context: RequestContext,
    ) -> None:
        """Keep the text so far and the newest partial image of each call, and say so.

        The model learns that the person stopped the answer. If the server cut it off,
        or staff did, the model is told nothing.
        """
        state = current_state.get() or RunState()
        state.cut_off_noted = True
        for tracker in trackers.get() or ():
            await tracker.abandon(cut_off())
        # A thread that is deleted, or has a new run after a takeover, gets nothing.
        with suppress(NotFoundError, ClaimLost):
            by_person = state.stopped.reason == Reason.STOPPED
            if state.interrupted or state.unasked or not by_person:
                await self._keep_text(thread, pending_items, context)
            else:
                await super().handle_stream_cancelled(thread, pending_items, context)

    async def _keep_text(
        self,
        thread: types.ThreadMetadata,
        pending_items: list[types.ThreadItem],
        context: RequestContext,
    ) -> None:
        for item in pending_items:
            if isinstance(item, types.AssistantMessageItem) and any(
                part.text.strip() for part in item.content
            ):
                await self.store.add_thread_item(thread.id, item, context)
