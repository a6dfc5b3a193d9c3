"""The title of a thread, made beside the answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable
from typing import Any

from chatkit import types

from .. import database
from ..awaiting import awaited
from ..context import RequestContext
from ..queries import threads
from .hooks import HookMixin

logger = logging.getLogger(__name__)
FAILED = "Thread %s has no title yet"
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

    async def begin_title(
        self,
        thread: types.ThreadMetadata,
        message: types.UserMessageItem | None,
        context: RequestContext,
    ) -> asyncio.Task[None] | None:
        """Begin to make a title, unless the thread has one or is getting one."""
        if message is None or thread.title or thread.id in self._titles:
            return None
        try:
            title = self.get_title(thread, message, context)
        except (Exception, asyncio.CancelledError):
            # Nobody cancels a call that waits for nothing: it is the hook's own.
            logger.warning(FAILED, thread.id, exc_info=True)
            return None
        task = asyncio.create_task(self._give_title(thread, title, context))
        self._titles[thread.id] = task
        task.add_done_callback(lambda _: self._titles.pop(thread.id, None))
        if not inspect.isawaitable(title):
            # SQLite has one writer, and the answer is about to write.
            await self.wait_for_title(task)
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
        made: str | None | Awaitable[str | None],
        context: RequestContext,
    ) -> None:
        """Save the title that the project chooses, unless the thread has one by then.

        ChatKit tells the client of it when it sees that this object has changed.
        """
        try:
            async with asyncio.timeout(TITLE_SECONDS):
                title = await awaited(made)
                if title and title.strip():
                    saved = await database.call(
                        threads.give_title, thread.id, title, context
                    )
                    threads.take_title(thread, saved)
        except Exception:
            logger.warning(FAILED, thread.id, exc_info=True)
