"""The server of the processes: its widgets' actions are what a test wants to happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from chatkit import types
from chatkit.actions import Action
from pydantic import BaseModel

from chatkit_images.context import RequestContext
from tests.chat import TestServer

# In an event, what the serialiser fails at.
POISON = "poison"


class ActingServer(TestServer):
    """Streams what the action of a request says, and fails where it says so.

    The action ``"lines"`` shows lines of progress: ``count`` of them, of ``size``
    characters, a ``delay`` apart. ``"fail"`` fails: ``before`` the first event after a
    ``delay``, ``between`` two events, in the ``serialiser``.
    """

    async def _process_streaming(
        self, request: types.StreamingReq, context: RequestContext
    ) -> Any:
        if isinstance(request, types.ThreadsCustomActionReq):
            action = request.params.action
            if action.type == "fail" and action.payload["at"] == "before":
                await asyncio.sleep(action.payload["delay"])
                raise RuntimeError("before the first event")
        async for chunk in super()._process_streaming(request, context):
            yield chunk

    def _serialize(self, obj: BaseModel) -> bytes:
        if isinstance(obj, types.ProgressUpdateEvent) and obj.text == POISON:
            raise ValueError("in the serialiser")
        return super()._serialize(obj)

    async def action(
        self,
        thread: types.ThreadMetadata,
        action: Action[str, Any],
        sender: types.WidgetItem | None,
        context: RequestContext,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        given = action.payload
        if action.type == "lines":
            for number in range(given["count"]):
                text = f"{number} ".ljust(given["size"], "x")
                yield types.ProgressUpdateEvent(text=text)
                await asyncio.sleep(given["delay"])
        elif action.type == "fail":
            text = POISON if given["at"] == "serialiser" else "still well"
            yield types.ProgressUpdateEvent(text=text)
            raise RuntimeError("between two events")
        else:
            async for event in super().action(thread, action, sender, context):
                yield event
