"""A WebSocket that shows what happens in a thread, to other tabs and to staff."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from contextlib import aclosing
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest

from .. import database, runs
from ..context import RequestContext
from ..contexts import context_class, within_tenant_of, working_for
from ..exceptions import NotFoundError
from ..models import Run, Thread
from ..queries import preflight, threads
from ..run_state import current_context
from ..views import admission, origins
from ..views.admission import authenticating, context_of
from ..views.cookieless import without_cookies
from ..views.pages import CsrfCheck, no_response
from .http import Gone, Message, Receive, Send, emit, until_gone
from .requests import make_request

logger = logging.getLogger(__name__)
PERMISSION = "chatkit_images.view_threaditem"
# Close codes of an application; Daphne sends no others. A connection is closed with the
# first one before it is accepted: servers answer with 403, and a script sees no code.
NOT_FOUND, FAILED = 4404, 4500
REFUSALS = (*admission.REFUSALS, SuspiciousOperation, ValueError)


class ThreadConsumer:
    """Sends a thread's live items as they are, then their events.

    Each frame is JSON: ``{"run": id, "status": "running"}`` when a run begins,
    ``{"run": id, "id": number, "event": {...}}`` for each of its events, as ChatKit's
    stream has them, and ``{"run": id, "status": "completed"}``, or another status, when
    it has ended. The owner of a thread may watch it, and staff with the permission to
    view items. A run does not go on for watchers.
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
            context = await database.call(admit, make_request(scope), thread_id)
        except Exception as refusal:
            if not isinstance(refusal, REFUSALS):
                logger.exception("Nobody watches thread %s", thread_id)
            # A thread of another owner gets the same answer as a missing one.
            return await send({"type": "websocket.close", "code": NOT_FOUND})
        current_context.set(context)
        work = asyncio.ensure_future(self._watch(thread_id, context, send))
        gone = asyncio.ensure_future(until_gone(receive))
        tasks = [work, gone]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                await emit(send, {"type": "websocket.close", "code": FAILED})
        except Gone:
            logger.info("A client has left", exc_info=True)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, thread_id: str, context: RequestContext, send: Send) -> None:
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
                        await self._show(run, context, send)
                    run_id = await watch.next()
                    run = await database.call(Run.objects.get, pk=run_id)
        except Run.DoesNotExist:
            logger.info("Thread %s was deleted", thread_id)
        except Gone:
            logger.info("A client has left", exc_info=True)
        except runs.drain.Draining:
            logger.info("Thread %s is watched in another process", thread_id)
        except Exception:
            logger.exception("Thread %s is not watched any more", thread_id)

    async def _show(self, run: Run, context: RequestContext, send: Send) -> None:
        key = str(run.pk)
        # A server that drains waits for the last frame.
        with runs.supervisor().watches.showing():
            # If the run has ended meanwhile, the watcher still sees its beginning.
            await send_json(send, {"run": key, "status": Run.Status.RUNNING})
            events = runs.follow(run, context, join=True, watch=True)
            async with aclosing(events) as batches:
                async for batch in batches:
                    for number, chunk in batch:
                        event = json.loads(chunk.removeprefix(b"data: "))
                        frame = {"run": key, "id": number, "event": event}
                        await send_json(send, frame)
            status = await database.call(status_of, run.pk)
            await send_json(send, {"run": key, "status": status})


async def send_json(send: Send, value: dict[str, Any]) -> None:
    """Send a frame."""
    await emit(send, {"type": "websocket.send", "text": json.dumps(value)})


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


def admit(request: HttpRequest, thread_id: str) -> RequestContext:
    """Return the context in which a thread is read. Not for the event loop.

    Raises:
        AuthenticationRequired: If nobody is logged in.
        NotFoundError: If the person may not watch it, or the page is another site's.
    """
    request = admissible(request)
    preflight.check_ids([thread_id])
    contexts = context_class()
    with within_tenant_of(request), authenticating():
        user: Any = contexts.get_user(request)
        # A project's own users may have neither.
        staff = getattr(user, "is_staff", False) and user.has_perm(PERMISSION)
        rows = Thread.objects.select_related("user").filter(pk=thread_id)
        thread = rows.first() if staff else None
        if thread is not None:
            return contexts.for_owner(thread.owner, thread.user, request)
    with working_for(context_of(request)) as context:
        threads.get(thread_id, context)
        return context


def admissible(request: HttpRequest) -> HttpRequest:
    """Return a request as the page that opens a WebSocket may send it.

    Raises:
        NotFoundError: If the page is another site's.
    """
    if CsrfCheck(no_response).is_own_page(request):
        return request
    # Such a page may read answers, which does not say that it may use cookies.
    bare = without_cookies(request) if origins.is_listed_for_cors(request) else None
    if bare is None:
        raise NotFoundError("Another site's page")
    return bare
