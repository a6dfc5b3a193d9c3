"""Errors as JSON: ``{"error": {"code": ..., "message": ..., "allow_retry": ...}}``.

The message stands at the top level too, where ChatKit.js looks for it. A client that
takes nothing but a stream gets the error as the only event of one. After the first
event of a stream an error is an event in any case: see ``event_stream``.
"""

from __future__ import annotations

import logging
import math
import random
import secrets

from chatkit.errors import CustomStreamError
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.utils.log import log_response
from django.utils.translation import gettext as _
from pydantic import ValidationError

from .. import failures
from ..exceptions import AuthenticationRequired, NotFoundError, RequestRefused
from ..failures import Failure, Reason
from ..protocol import event_stream
from ..run_state import current_context

logger = logging.getLogger(__name__)
# In a request: the client can resume a stream. It asks for the numbers of events.
RESUME = "ChatKit-Resume"


# Seconds over which clients spread that repeat a request after an outage.
SPREAD_SECONDS = 4
# Characters of what is said about a request that makes no sense.
MAX_MESSAGE = 500


class Refusal(JsonResponse):
    """An error for a program and for a person.

    Attributes:
        message: What the person may read.
        allow_retry: Whether the same request may succeed later.
    """

    def __init__(
        self, status: int, code: str, message: str, allow_retry: bool = False
    ) -> None:
        told = {"code": code, "message": message, "allow_retry": allow_retry}
        super().__init__({"message": message, "error": told}, status=status)
        self["Cache-Control"] = "no-store"
        self.message = message
        self.allow_retry = allow_retry

    def as_stream(self) -> HttpResponse:
        """Return the same as a stream that ends with it.

        Its status is 200, as such a client reads no body of any other.
        """
        response = HttpResponse(event_stream.refusal(self.message, self.allow_retry))
        for name, value in [*self.items(), *event_stream.HEADERS.items()]:
            response[name] = value
        response.cookies = self.cookies
        return response


def error(
    status: int,
    code: str,
    message: str,
    *,
    allow_retry: bool = False,
    retry_after: float | None = None,
) -> Refusal:
    """Return an error for a program and for a person.

    Args:
        status: The status.
        code: A short stable word for programs.
        message: What the person may read.
        allow_retry: Whether the same request may succeed later.
        retry_after: Seconds after which it may, if that is known.
    """
    response = Refusal(status, code, message, allow_retry)
    if status == 503:
        response["Retry-After"] = spread(retry_after or 0)
    elif retry_after is not None:
        response["Retry-After"] = str(max(0, math.ceil(retry_after)))
    return response


def spread(seconds: float) -> str:
    """Return a ``Retry-After`` that is not the same for all who wait.

    After an outage every open page repeats its request, and the fewest at once is best.
    """
    more = max(SPREAD_SECONDS, seconds / 2)
    return str(max(1, math.ceil(seconds + random.uniform(0, more))))


def shown(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return an answer as its client can read it: a refusal may have to be a stream.

    So it is for a POST that accepts ``text/event-stream`` and no JSON, unless it says
    that it can resume, as ``createFetch()`` does: that reads refusals.
    """
    if (
        not isinstance(response, Refusal)
        or request.method != "POST"
        or request.headers.get(RESUME) == "1"
        or request.accepts("application/json")
        or not request.accepts("text/event-stream")
    ):
        return response
    # Django logs an answer by its status, and this is none of 200.
    reason = response.reason_phrase
    log_response("%s: %s", reason, request.path, response=response, request=request)
    return response.as_stream()


def from_exception(exception: Exception) -> Refusal:
    """Return the error for a client. It never contains the exception's own message.

    Staff also read what mends it.

    An unexpected exception is logged under an id that is in the answer.
    """
    match exception:
        case AuthenticationRequired():
            return error(401, "not_authenticated", _("Log in to chat."))
        case PermissionDenied():
            return error(403, "forbidden", _("You may not do that."))
        case NotFoundError() | Http404():
            # A row of another owner gets the same answer as a missing row.
            return error(404, "not_found", _("This was not found."))
        case RequestRefused():
            return error(
                exception.status,
                exception.code,
                exception.message,
                allow_retry=exception.allow_retry,
                retry_after=exception.retry_after,
            )
        case CustomStreamError():
            return error(
                409, "refused", exception.message, allow_retry=exception.allow_retry
            )
        case MultiPartParserError() | SuspiciousOperation():
            # The CSRF check reads a form in any view, and uploads are forms.
            return error(400, "bad_form", _("The form cannot be read."))
        case ValidationError():
            return error(400, "invalid_request", validation_message(exception))
        case NotImplementedError():
            logger.error("%s", exception)
            return error(501, "not_implemented", _("This server cannot do that."))
    incident = secrets.token_hex(4)
    logger.error("Request failed, incident %s", incident, exc_info=exception)
    failure = failures.of(exception) or Failure(Reason.INSTALLATION)
    if not failure.may_retry:
        failures.tell(failure, f"Incident {incident}")
        message = _("Something went wrong. (%(incident)s)") % {"incident": incident}
        context = current_context.get()
        user = context.user if context is not None else None
        told = failures.for_staff(message, failure.remedy, user)
        return error(500, "server_error", told)
    # The database or the provider is away, or busy for too long. The client retries.
    message = _("The server is busy. Try again in a moment. (%(incident)s)")
    return error(
        503,
        "unavailable",
        message % {"incident": incident},
        allow_retry=True,
        retry_after=failure.retry_after,
    )


def validation_message(exception: ValidationError) -> str:
    """Return which part of a request is wrong, without repeating the request.

    A key and a type are the client's own words, and may be a whole body.
    """
    first = exception.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    words = f"{where}: {first['msg']}" if where else str(first["msg"])
    return words if len(words) <= MAX_MESSAGE else f"{words[:MAX_MESSAGE]}…"
