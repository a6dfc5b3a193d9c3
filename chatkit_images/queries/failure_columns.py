"""What the rows of images and runs keep of a failure."""

from __future__ import annotations

from typing import Any

from .. import models
from ..cleaning import clean_columns
from ..failures import Failure, Reason

Status = models.GeneratedImage.Status
ENDED = {
    Reason.BLOCKED: Status.BLOCKED,
    Reason.STOPPED: Status.CANCELLED,
    Reason.STOPPED_BY_STAFF: Status.CANCELLED,
    Reason.INTERRUPTED: Status.INTERRUPTED,
}
# How images have ended of which a person sees a preview, with a note beside it.
PREVIEWS = (Status.FAILED, Status.CANCELLED, Status.INTERRUPTED)
NO_RESULT = Failure(
    Reason.NO_RESULT, code="no_result", message="The call had no result."
)
STREAM_ERROR = Failure(
    Reason.BROKEN_OFF, code="stream_error", message="The stream broke off."
)


def image_status(failure: Failure) -> Status:
    """Return how an image ends that a failure has ended, whoever told of it."""
    return ENDED.get(failure.reason, Status.FAILED)


def of_image(failure: Failure) -> dict[str, Any]:
    """Return the columns of an image's row, without its status."""
    columns = _shared(failure) | {"error_message": failure.message}
    if failure.moderation:
        columns["moderation"] = failure.moderation
    return clean_columns(models.GeneratedImage, columns)


def of_run(failure: Failure | None) -> dict[str, Any]:
    """Return the columns of a run's row, without its status."""
    if failure is None:
        # Staff may have asked for a stop that came too late.
        return {"reason": "", "error_code": "", "error": "", "failure": {}}
    columns = _shared(failure) | {"error": failure.summary()}
    return clean_columns(models.Run, columns)


def _shared(failure: Failure) -> dict[str, Any]:
    return {
        "reason": failure.reason.value,
        "error_code": failure.code or failure.type or failure.error,
        "failure": failure.facts(),
    }
