"""Endpoints of running runs: their status, stops, and their streams for readers."""

from __future__ import annotations

import re
import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from .. import database, runs
from ..conf import settings
from ..context import RequestContext
from ..exceptions import NotFoundError
from ..models import Run
from ..queries import preflight, states, threads
from ..querysets import RunQuerySet
from . import errors
from .admission import JsonView, respond, unkept
from .streams import check_streams, last_seen, stream_response

NUMBER = re.compile(r"\d{1,6}", re.ASCII)


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


def status_of(
    thread_id: str, limit: int | None, after: str | None, context: RequestContext
) -> dict[str, Any]:
    """Return what is told of an owner's thread. Not for the event loop.

    Raises:
        NotFoundError: If the owner has no such thread, or it has no item ``after``.
    """
    preflight.check_ids([thread_id, *([after] if after else [])])
    thread = threads.get(thread_id, context)
    run = runs.find(thread.runs.all())
    end = states.end_of(thread) if run is None else None
    state = {"busy": run is not None, "run": run and str(run.pk), "end": end}
    if limit is not None:
        state["items"] = states.of_items(thread, after, limit, context)
    return state


class RunView(JsonView):
    """The base of the views of runs."""


class ThreadStatusView(RunView):
    """Says whether an answer is being written in a thread, and how the last one ended.

    With ``?items=20`` it also says what the newest 20 items do not say themselves, and
    with ``&after=<item>`` the same of the items before that one.
    """

    async def get(self, request: HttpRequest, thread_id: str) -> HttpResponseBase:
        """Return ``busy``, ``run``, ``end`` and maybe ``items``; see ``states``."""
        asked = request.GET.get("items"), request.GET.get("after") or None
        return await respond(request, self.answer, thread_id, *asked)

    async def answer(
        self,
        context: RequestContext,
        thread_id: str,
        count: str | None = None,
        after: str | None = None,
    ) -> HttpResponseBase:
        """Return the status of an admitted request's thread."""
        if count is not None and not NUMBER.fullmatch(count):
            message = _("The number of items is not a number.")
            return errors.error(400, "invalid_request", message)
        limit = None if count is None else int(count)
        state = await database.call(status_of, thread_id, limit, after, context)
        return unkept(state)


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
