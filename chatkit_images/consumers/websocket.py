"""A WebSocket that shows what happens in a thread, to other tabs and to staff."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from contextlib import aclosing
from typing import Any

from .. import database, runs
from ..exceptions import AuthenticationRequired, RequestRefused
from ..models import Run
from ..run_state import current_context
from ..runs.changes import Change
from ..runs.client_streams import ClientStream
from ..views.streams import check_streams
from .http import Gone, Message, Receive, Send, emit, until_gone
from .staff_frames import StaffFrames, needs_database, rewritten
from .watchers import REFUSALS, Watcher, admit, admit_again, hidden_events

logger = logging.getLogger(__name__)
# Close codes of an application; Daphne sends no others. A connection is closed with the
# code for nothing found before it is accepted: servers answer with 403, and a script
# sees no code.
LOGGED_OUT, REFUSED, NOT_FOUND, FAILED = 4401, 4403, 4404, 4500
# Seconds between two looks whether the person still may watch, and seconds that a look
# may take.
LOOK_SECONDS, LOOK_TIMEOUT = 5.0, 10.0


class ThreadConsumer:
    """Sends a thread's live items as they are, then their events.

    Each frame is JSON: ``{"run": id, "status": "running"}`` when a run begins,
    ``{"run": id, "id": number, "event": {...}}`` for each of its events, as ChatKit's
    stream has them, and ``{"run": id, "status": "completed"}``, or another status, when
    it has ended. An event of ``"run": null`` is of no run: staff have hidden an image,
    say, and its item is to be shown anew. The owner of a thread may watch it, and staff
    to whom the project's admin shows it: they get what its transcript shows, with the
    admin's own URLs. Every few seconds that is looked at again. A run does not go on
    for watchers.
    """

    @classmethod
    def as_asgi(cls) -> Any:
        """Return an ASGI application, as the consumers of Channels do."""

        async def application(scope: Any, receive: Receive, send: Send) -> None:
            await cls()(scope, receive, send)

        application.consumer_class = cls  # type: ignore[attr-defined]
        return application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection until its client leaves."""
        database.shared.set(True)
        runs.drain.install()
        await receive()  # websocket.connect
        thread_id = scope["url_route"]["kwargs"]["thread_id"]
        try:
            self._watcher = await database.call(admit, scope, thread_id)
            stream = await self._open()
        except Exception as refusal:
            if not isinstance(refusal, REFUSALS):
                logger.exception("Nobody watches thread %r", thread_id)
            # A thread of another owner gets the same answer as a missing one.
            return await send({"type": "websocket.close", "code": NOT_FOUND})
        # Each look finds out anew for whom it works.
        look = asyncio.ensure_future(self._look_again(scope, thread_id))
        current_context.set(self._watcher.context)
        work = asyncio.ensure_future(self._watch(thread_id, send))
        gone = asyncio.ensure_future(until_gone(receive))
        tasks = [work, gone, look]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                close = look.result() if look.done() else {"code": FAILED}
                await emit(send, {"type": "websocket.close"} | close)
        except Gone:
            logger.info("A client has left", exc_info=True)
        finally:
            for task in tasks:
                task.cancel()
            runs.supervisor().client_streams.close(stream)
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self) -> ClientStream | None:
        """Count the connection as an open stream, unless it is one of staff.

        Raises:
            RequestRefused: If the person has too many.
        """
        if self._watcher.view is not None:
            return None
        context = self._watcher.context
        await check_streams(context)
        return runs.supervisor().client_streams.open(None, context)

    async def _look_again(self, scope: Message, thread_id: str) -> dict[str, Any]:
        """Return how to close the connection, when the person may not watch any more.

        The database may be away for one look, and not for two.
        """
        failed = False
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                async with asyncio.timeout(LOOK_TIMEOUT):
                    found = await database.call(admit_again, scope, thread_id)
            except REFUSALS as refusal:
                logger.info("Thread %s is not watched any more", thread_id)
                return closing(refusal)
            except Exception:
                logger.warning("Who watches %s is unknown", thread_id, exc_info=True)
                if failed:
                    return {"code": FAILED}
                failed = True
                continue
            failed = False
            if changed(self._watcher, found):
                return {"code": NOT_FOUND}
            self._watcher = found

    async def _watch(self, thread_id: str, send: Send) -> None:
        context = self._watcher.context
        try:
            with runs.supervisor().watching(thread_id, context) as watch:
                try:
                    run, before = await database.call(current, thread_id)
                finally:
                    # From now on a run that begins is seen, so the connection is
                    # accepted. After a failure it is closed again.
                    await emit(send, {"type": "websocket.accept"})
                watch.skip(before)
                while True:
                    if run is not None:
                        await self._show(run, send)
                    news = await watch.next()
                    if isinstance(news, Change):
                        run = None
                        await self._tell(news, send)
                    else:
                        run = await database.call(Run.objects.get, pk=news)
        except Run.DoesNotExist:
            logger.info("Thread %s was deleted", thread_id)
        except Gone:
            logger.info("A client has left", exc_info=True)
        except runs.drain.Draining:
            logger.info("Thread %s is watched in another process", thread_id)
        except Exception:
            logger.exception("Thread %s is not watched any more", thread_id)

    async def _tell(self, change: Change, send: Send) -> None:
        event = json.loads(change.chunk.removeprefix(b"data: "))
        event = await self._shown(event, StaffFrames())
        await send_json(send, {"run": None, "id": 0, "event": event})

    async def _show(self, run: Run, send: Send) -> None:
        key = str(run.pk)
        frames = StaffFrames()
        # A server that drains waits for the last frame.
        with runs.supervisor().watches.showing():
            # If the run has ended meanwhile, the watcher still sees its beginning.
            await send_json(send, {"run": key, "status": Run.Status.RUNNING})
            context = self._watcher.context
            events = runs.follow(run, context, join=True, watch=True)
            async with aclosing(events) as batches:
                async for batch in batches:
                    for number, chunk in batch:
                        event = json.loads(chunk.removeprefix(b"data: "))
                        event = await self._shown(event, frames)
                        frame = {"run": key, "id": number, "event": event}
                        await send_json(send, frame)
            if self._watcher.view is not None:
                for event in await database.call(hidden_events, run, context):
                    event = await self._shown(event, frames)
                    await send_json(send, {"run": key, "id": 0, "event": event})
            status = await database.call(status_of, run.pk)
            await send_json(send, {"run": key, "status": status})

    async def _shown(self, event: Any, frames: StaffFrames) -> Any:
        """Return an event as the person may see it."""
        view = self._watcher.view
        if view is None:
            return event
        event = frames.held_back(event)
        if needs_database(event):
            return await database.call(rewritten, event, view)
        return event


async def send_json(send: Send, value: dict[str, Any]) -> None:
    """Send a frame."""
    await emit(send, {"type": "websocket.send", "text": json.dumps(value)})


def closing(refusal: Exception) -> dict[str, Any]:
    """Return the code, and the words if there are some, with which a watch ends."""
    if isinstance(refusal, AuthenticationRequired):
        return {"code": LOGGED_OUT}
    if isinstance(refusal, RequestRefused):
        # A WebSocket takes 123 bytes.
        words = refusal.message.encode()[:123].decode(errors="ignore")
        return {"code": REFUSED, "reason": words}
    return {"code": NOT_FOUND}


def changed(before: Watcher, now: Watcher) -> bool:
    """Whether somebody else watches now, or somebody who may see less or more."""
    return (before.context.scope, before.view is None) != (
        now.context.scope,
        now.view is None,
    )


def current(thread_id: str) -> tuple[Run | None, list[uuid.UUID]]:
    """Return a thread's running run, and its recent runs. Not for the event loop."""
    rows = Run.objects.filter(thread_id=thread_id)
    # This comes first, so that a run that begins in between is not among them.
    before = list(runs.recent(rows).values_list("pk", flat=True))
    run = runs.find(rows)
    return run, before if run is None else [*before, run.pk]


def status_of(run_id: uuid.UUID) -> str:
    """Return how a run has ended. Not for the event loop.

    Raises:
        Run.DoesNotExist: If its thread was deleted.
    """
    return Run.objects.values_list("status", flat=True).get(pk=run_id)
