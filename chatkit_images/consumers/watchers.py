"""Who may watch a thread. Nothing here is for the event loop."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from chatkit import types
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.utils import timezone

from ..context import RequestContext
from ..contexts import context_class, within_tenant_of, working_for
from ..exceptions import AuthenticationRequired, NotFoundError
from ..models import Run, Thread, ThreadItem
from ..protocol import encoding
from ..queries import items, preflight, read_items, threads
from ..queries.brakes import check_block
from ..views import admission, origins
from ..views.admission import authenticating, context_of
from ..views.cookieless import without_cookies
from ..views.pages import CsrfCheck, no_response
from ..views.staff import StaffView, view_of
from .requests import make_request, renewed

REFUSALS = (*admission.REFUSALS, SuspiciousOperation, ValueError)


@dataclass(frozen=True)
class Watcher:
    """Who watches a thread.

    Attributes:
        context: For whom the thread is read: its owner.
        view: The thread as the admin shows it; ``None`` for the owner.
    """

    context: RequestContext
    view: StaffView | None = None


def admit(scope: dict[str, Any], thread_id: str) -> Watcher:
    """Return who opens a connection to watch a thread.

    Raises:
        AuthenticationRequired: If nobody is logged in.
        NotFoundError: If the person may not watch it, or the page is another site's.
        RequestRefused: If the person is blocked.
    """
    return _watcher(admissible(make_request(scope)), thread_id)


def admit_again(scope: dict[str, Any], thread_id: str) -> Watcher:
    """Return the same as it is by now: session, user and rows are read again.

    Raises:
        AuthenticationRequired: If the person has logged out, or is switched off.
        NotFoundError: If the thread is gone, or the person may not watch it any more.
        RequestRefused: If the person is blocked.
    """
    return admit(renewed(scope), thread_id)


def _watcher(request: HttpRequest, thread_id: str) -> Watcher:
    preflight.check_ids([thread_id])
    try:
        return Watcher(_owner(request, thread_id))
    except (AuthenticationRequired, NotFoundError):
        view = _view(request, thread_id)
        if view is None:
            raise
    owner, user = view.row.owner, view.row.user
    return Watcher(context_class().for_owner(owner, user, request), view)


def _owner(request: HttpRequest, thread_id: str) -> RequestContext:
    """Return the context of a thread's owner, if they send the request."""
    with working_for(context_of(request)) as context:
        threads.get(thread_id, context)
        check_block(context)
        return context


def _view(request: HttpRequest, thread_id: str) -> StaffView | None:
    with within_tenant_of(request), authenticating():
        return view_of(request, Thread, thread_id)


def hidden_events(run: Run, context: RequestContext) -> list[dict[str, Any]]:
    """Return what a run has kept from its person, as events: staff see it."""
    run = Run.objects.get(pk=run.pk)
    rows = ThreadItem.objects.filter(
        thread_id=run.thread_id,
        type__in=items.HIDDEN_TYPES,
        created_at__gte=run.created_at,
        created_at__lte=run.finished_at or timezone.now(),
    )
    rows = rows.order_by("created_at", "pk")
    found = read_items.to_items(list(rows), str(run.thread_id), context)
    events = [types.ThreadItemDoneEvent(item=item) for item in found]
    return [json.loads(encoding.dump(event)) for event in events]


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
