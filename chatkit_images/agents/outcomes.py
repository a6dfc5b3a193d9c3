"""How image calls end and why, whatever says so: a call, an event or an exception."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import Error
from openai.types.responses.response_output_item import ImageGenerationCall

from .. import failures, notes
from ..exceptions import StorageUnavailable
from ..failures import Failure, Reason
from ..models import GeneratedImage
from ..queries import failure_columns
from ..run_state import RunState, current_state

Status = GeneratedImage.Status


@dataclass(frozen=True)
class ImageOutcome:
    """How an image call ends.

    Attributes:
        status: One of ``GeneratedImage.Status``.
        failure: Why there is no image.
        facts: Further columns from the source of the image, such as ``size``.
    """

    status: str
    failure: Failure | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """Return the columns of the image's row, without its status."""
        if self.failure is None:
            return self.facts
        return self.facts | failure_columns.of_image(self.failure)


def of_failure(failure: Failure, facts: dict[str, Any] | None = None) -> ImageOutcome:
    """Return the outcome of a call that a failure has ended, whoever told of it."""
    status = failure_columns.image_status(failure)
    return ImageOutcome(status, failure, facts or {})


NO_RESULT = of_failure(failure_columns.NO_RESULT)
GUARDRAIL = of_failure(
    Failure(Reason.BLOCKED, code="guardrail", message="A guardrail tripped.")
)
STREAM_ERROR = of_failure(failure_columns.STREAM_ERROR)


def without_image(call: ImageGenerationCall, facts: dict[str, Any]) -> ImageOutcome:
    """Return the outcome of a call that has no image; it may not say why."""
    failure = failures.of(call)
    if failure is None:
        return ImageOutcome(Status.FAILED, facts=facts)
    return of_failure(failure, facts)


def unsaved(error: Exception, *, arrived: bool) -> ImageOutcome:
    """Return the outcome of a call of which something could not be saved.

    If it is only the database that is away, the bytes are on a disk by then, and become
    an image when the run is released.

    Args:
        error: What has failed.
        arrived: Whether the image has come, and has a row.
    """
    known = failures.of(error)
    remedy = known.remedy if known is not None else ""
    late = arrived and isinstance(error, Error) and not remedy
    return of_failure(
        Failure(
            Reason.INSTALLATION if remedy else Reason.NOT_SAVED,
            code=notes.LATE if late else StorageUnavailable.code,
            message=str(error),
            error=type(error).__name__,
            remedy=remedy,
        )
    )


def of_error(error: Exception, facts: dict[str, Any] | None = None) -> ImageOutcome:
    """Return the outcome of a call that an exception has ended.

    It has ended the stream of the call, or has refused the image that came.
    """
    return of_failure(failures.of(error) or failure_columns.STREAM_ERROR, facts)


def cut_off() -> ImageOutcome:
    """Return the outcome of images whose answer the server or a person has cut off."""
    state = current_state.get() or RunState()
    return of_failure(
        Failure(Reason.INTERRUPTED) if state.interrupted else state.stopped
    )
