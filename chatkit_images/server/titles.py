"""The title of a thread."""

from __future__ import annotations

from chatkit import types

from ..context import RequestContext
from .hooks import HookMixin, awaited


class TitleMixin(HookMixin):
    """Gives a title to a thread that has none."""

    async def _give_title(
        self,
        thread: types.ThreadMetadata,
        message: types.UserMessageItem,
        context: RequestContext,
    ) -> None:
        """Save the title that the project chooses, unless the thread has one."""
        if thread.title:
            return
        thread.title = await awaited(self.get_title(thread, message, context))
        # The title is saved before the model is called. If it were saved after the
        # answer, it would undo a rename that the person makes meanwhile. ChatKit tells
        # the client of it when it sees that this object has changed.
        await self.store.save_thread(thread, context)
