"""The same request again: which run answers it already. Not for the event loop."""

from __future__ import annotations

import hashlib
import json

from chatkit import types
from django.utils.translation import gettext as _

from .. import models
from ..cleaning import clean
from ..context import RequestContext
from ..exceptions import RequestRefused


class Repeated(Exception):
    """The same request was sent before; ``run`` is the one that answers it."""

    def __init__(self, run: models.Run) -> None:
        super().__init__(str(run.pk))
        self.run = run


def request_digest(request: types.ChatKitReq) -> str:
    """Return what tells a request from another: 64 hexadecimal digits.

    Its operation and its parameters count: the thread, the words, the files and their
    order, and what was chosen in the composer. What its client may say in another way
    the next time does not: ``metadata``, the order of keys, white space between them,
    a ``null`` in place of a key that is left out, and keys that ChatKit does not know.
    """
    counts = {"type", "params"}
    told = request.model_dump(mode="json", include=counts, exclude_none=True)
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_repetition(
    request: types.ChatKitReq,
    context: RequestContext,
    idempotency_key: str | None,
    *,
    seen: bool = False,
) -> None:
    """Check whether a run answers this request already.

    With a key that is the run with this key, also after its end. Without one it is the
    live run of the thread, if it answers the very same request and nobody has stopped
    it: who says the same twice on purpose waits for the answer, or has a key.

    Args:
        request: The request.
        context: Who asks.
        idempotency_key: The key of the request.
        seen: Whether the client has seen events of the run, so that it may have ended.

    Raises:
        Repeated: If there is one.
        RequestRefused: If the key is that of another request.
    """
    digest = request_digest(request)
    runs = models.Run.objects.asked_by(context)
    if idempotency_key is not None:
        runs = runs.filter(idempotency_key=idempotency_key)
        run = runs.order_by("created_at").first()
        # Runs of versions before have no digest.
        if run is not None and run.request_digest not in ("", digest):
            raise RequestRefused(
                "idempotency_key_reused",
                _("Two different requests were sent as one. Send yours again."),
                status=422,
            )
    else:
        thread_id = getattr(request.params, "thread_id", None)
        if thread_id is None:
            return
        runs = runs.filter(thread_id=clean(thread_id), request_digest=digest)
        if not seen:
            runs = runs.running().filter(stop_requested_at=None)
        run = runs.order_by("-created_at").first()
    if run is not None:
        raise Repeated(run)
