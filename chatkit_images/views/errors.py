"""Errors as JSON: ``{"error": {"code": ..., "message": ..., "allow_retry": ...}}``.

After the first event of a stream an error is an event: see ``event_stream``.
"""

from __future__ import annotations

import logging
import math
import secrets

from chatkit.errors import CustomStreamError
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import gettext as _
from pydantic import ValidationError

from .. import failures
from ..exceptions import AuthenticationRequired, NotFoundError, RequestRefused
from ..failures import Failure, Reason

logger = logging.getLogger(__name__)


def error(
    status: int, code: str, message: str, *, allow_retry: bool = False
) -> JsonResponse:
    """Return an error for a program and for a person."""
    body = {"code": code, "message": message, "allow_retry": allow_retry}
    response = JsonResponse({"error": body}, status=status)
    response["Cache-Control"] = "no-store"
    return response


def from_exception(exception: Exception) -> JsonResponse:
    """Return the error for a client. It never contains the exception's own message.

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
        message = _("Something went wrong. (%(incident)s)")
        return error(500, "server_error", message % {"incident": incident})
    # The database or the provider is away, or busy for too long. The client retries.
    message = _("The server is busy. Try again in a moment. (%(incident)s)")
    response = error(
        503, "unavailable", message % {"incident": incident}, allow_retry=True
    )
    if failure.retry_after:
        response["Retry-After"] = str(math.ceil(failure.retry_after))
    return response


def validation_message(exception: ValidationError) -> str:
    """Return which part of a request is wrong, without repeating the request."""
    first = exception.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
