"""The title of a thread, made beside the answer."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from chatkit import types

from .. import database
from ..context import RequestContext
from ..queries import threads
from .hooks import HookMixin, awaited

logger = logging.getLogger(__name__)
# Longest time, in seconds, that a title may take to be made and saved.
TITLE_SECONDS = 30.0
# Longest time, in seconds, that the end of an answer waits for its thread's title.
MOMENT = 0.5


class TitleMixin(HookMixin):
    """Gives a title to a thread that has none.

    Nothing waits for the title, because a project may ask a model for it. If it fails
    or takes too long, the thread has no title, and the next turn asks again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # By thread. The event loop itself does not keep a task.
        self._titles: dict[str, asyncio.Task[None]] = {}

    def begin_title(
        self,
        thread: types.ThreadMetadata,
        message: types.UserMessageItem | None,
        context: RequestContext,
    ) -> asyncio.Task[None] | None:
        """Begin to make a title, unless the thread has one or is getting one."""
        if message is None or thread.title or thread.id in self._titles:
            return None
        task = asyncio.create_task(self._give_title(thread, message, context))
        self._titles[thread.id] = task
        task.add_done_callback(lambda _: self._titles.pop(thread.id, None))
        return task

    async def wait_for_title(self, task: asyncio.Task[None] | None) -> None:
        """Wait for a title, but no longer than a moment.

        One that comes later is saved, and the client sees it when it lists its threads.
        """
        if task is not None:
            await asyncio.wait([task], timeout=MOMENT)

    async def _give_title(
        self,
        thread: types.ThreadMetadata,
        message: types.UserMessageItem,
        context: RequestContext,
    ) -> None:
        """Save the title that the project chooses, unless the thread has one by then.

        ChatKit tells the client of it when it sees that this object has changed.
        """
        try:
            async with asyncio.timeout(TITLE_SECONDS):
                title = await awaited(self.get_title(thread, message, context))
                if title:
                    saved = await database.once(
                        threads.give_title, thread.id, title, context
                    )
                    threads.take_title(thread, saved)
        except Exception:
            logger.warning("Thread %s has no title yet", thread.id, exc_info=True)
