"""Whether a run may generate."""

from __future__ import annotations

from chatkit import types

from .. import notes, times
from ..awaiting import awaited
from ..context import RequestContext
from ..exceptions import GenerationRefused
from ..run_state import RunState, current_state
from .hooks import HookMixin


class QuotaMixin(HookMixin):
    """Answers with the project's refusal when nothing may be generated."""

    async def refusal(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> types.AssistantMessageItem | None:
        """Return the refusal of ``check_generation``, which is called once in a run."""
        state = current_state.get() or RunState()
        if state.allowed:
            return None
        try:
            await awaited(self.check_generation(thread, context))
        except GenerationRefused as refusal:
            key = self.store.generate_item_id("message", thread, context)
            return notes.message(key, thread.id, times.now(), refusal.message)
        state.allowed = True
        return None
