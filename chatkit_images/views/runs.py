"""Endpoints of running runs: their status, stops, and their streams for readers."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from .. import database, runs
from ..conf import settings
from ..context import RequestContext
from ..exceptions import NotFoundError
from ..models import Run
from ..queries import preflight, threads
from ..querysets import RunQuerySet
from . import errors
from .admission import JsonView, respond
from .streams import check_streams, last_seen, stream_response


def of_thread(thread_id: str, context: RequestContext) -> RunQuerySet:
    """Return the runs of an owner's thread. Not for the event loop.

    Raises:
        NotFoundError: If the owner has no such thread.
    """
    preflight.check_ids([thread_id])
    return threads.get(thread_id, context).runs.all()


def of_owner(run_id: uuid.UUID, context: RequestContext) -> Run:
    """Return an owner's run. Not for the event loop.

    Raises:
        NotFoundError: If the owner has no such run.
    """
    run = Run.objects.asked_by(context).filter(pk=run_id).first()
    if run is None:
        raise NotFoundError(f"Run {run_id} not found")
    return run


def current(thread_id: str, context: RequestContext) -> Run | None:
    """Return the running run of an owner's thread. Not for the event loop."""
    return runs.find(of_thread(thread_id, context))


class RunView(JsonView):
    """The base of the views of runs."""


class ThreadStatusView(RunView):
    """Says whether an answer is being written in a thread, and by which run."""

    async def get(self, request: HttpRequest, thread_id: str) -> HttpResponseBase:
        """Return ``{"busy": true, "run": "<id>"}``, or ``false`` and ``null``."""
        return await respond(request, self.answer, thread_id)

    async def answer(self, context: RequestContext, thread_id: str) -> HttpResponseBase:
        """Return the status of an admitted request's thread."""
        run = await database.call(current, thread_id, context)
        state = {"busy": run is not None, "run": run and str(run.pk)}
        response = JsonResponse(state)
        response["Cache-Control"] = "no-store"
        return response


class ThreadEventsView(RunView):
    """Shows a thread's live items as they are, then their events."""

    async def get(self, request: HttpRequest, thread_id: str) -> HttpResponseBase:
        """Return the stream; 204 if no answer is being written."""
        return await respond(request, self.answer, thread_id)

    async def answer(self, context: RequestContext, thread_id: str) -> HttpResponseBase:
        """Return the stream of an admitted request's thread."""
        run = await database.call(current, thread_id, context)
        if run is None:
            return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
        await check_streams(context)
        idle = settings.HEARTBEAT_SECONDS
        events = runs.follow(run, context, join=True, idle=idle)
        return await stream_response(run.pk, events, True)


class RunEventsView(RunView):
    """Resumes the stream of a run, after ``Last-Event-ID``."""

    async def get(self, request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
        """Return the rest of the stream; without a log, the items of the run."""
        return await respond(request, self.answer, run_id, last_seen(request))

    async def answer(
        self, context: RequestContext, run_id: uuid.UUID, after: int
    ) -> HttpResponseBase:
        """Return the rest of the stream of an admitted request's run."""
        run = await database.call(of_owner, run_id, context)
        await check_streams(context)
        idle = settings.HEARTBEAT_SECONDS
        events = runs.follow(run, context, after, idle=idle)
        return await stream_response(run.pk, events, True)


class StopView(RunView):
    """Stops the answer that is being written in a thread, or by a run."""

    async def post(
        self,
        request: HttpRequest,
        thread_id: str = "",
        run_id: uuid.UUID | None = None,
    ) -> HttpResponseBase:
        """Return ``{"stopped": true}`` if there was a run; its stream ends itself."""
        return await respond(request, self.answer, run_id or thread_id)

    async def answer(
        self, context: RequestContext, named: uuid.UUID | str
    ) -> HttpResponseBase:
        """Stop the run that a request names, or the running run of its thread."""
        if isinstance(named, uuid.UUID):
            run = await database.call(of_owner, named, context)
            rows = Run.objects.filter(pk=run.pk)
        else:
            rows = await database.call(of_thread, named, context)
        return JsonResponse({"stopped": await runs.stop(rows)})


class ReadyView(RunView):
    """Says whether this process takes new runs, for a load balancer."""

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return 200; 503 while the server drains."""
        if runs.drain.draining():
            retry = {"Retry-After": errors.spread(0)}
            return JsonResponse({"ready": False}, status=503, headers=retry)
        return JsonResponse({"ready": True})
