"""How image calls end and why, whatever says so: a call, an event or an exception."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from openai.types.responses import ResponseStreamEvent
from openai.types.responses.response_output_item import ImageGenerationCall

from ..exceptions import ImageError, StorageUnavailable
from ..models import GeneratedImage
from ..run_state import current_state

Status = GeneratedImage.Status


@dataclass(frozen=True)
class ImageOutcome:
    """How an image call ends.

    Attributes:
        status: One of ``GeneratedImage.Status``.
        code: The reason as a short stable word, for programs.
        message: The reason in words, for staff.
        facts: Further columns from the source of the image, such as ``size``.
    """

    status: str
    code: str = ""
    message: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """Return the columns of the image's row, without its status."""
        return self.facts | {"error_code": self.code, "error_message": self.message}


NO_RESULT = ImageOutcome(Status.FAILED, "no_result", "The call had no result.")
GUARDRAIL = ImageOutcome(Status.BLOCKED, "guardrail", "A guardrail tripped.")


def without_image(call: ImageGenerationCall, facts: dict[str, Any]) -> ImageOutcome:
    """Return the outcome of a call that has no image."""
    status = Status.BLOCKED if _is_blocked(call) else Status.FAILED
    code, message = facts.get("error_code", ""), facts.get("error_message", "")
    return ImageOutcome(status, code, message, facts)


def of_refused(
    error: ImageError | StorageUnavailable, facts: dict[str, Any]
) -> ImageOutcome:
    """Return the outcome of a call whose image arrived and was refused."""
    return ImageOutcome(Status.FAILED, error.code, str(error), facts)


def unsaved(error: Exception) -> ImageOutcome:
    """Return the outcome of a call of which something could not be saved.

    The sweep looks for the bytes of images that end so.
    """
    return ImageOutcome(Status.FAILED, "not_saved", str(error))


def of_event(data: ResponseStreamEvent) -> ImageOutcome | None:
    """Return the outcome for open calls if an event says that the model has failed."""
    if data.type == "error":
        return ImageOutcome(Status.FAILED, data.code or "error", data.message)
    if data.type == "response.failed" and data.response.error is not None:
        error = data.response.error
        return ImageOutcome(Status.FAILED, error.code, error.message)
    if data.type == "response.incomplete" and data.response.incomplete_details:
        reason = data.response.incomplete_details.reason or "incomplete"
        message = f"The response is incomplete: {reason}."
        return ImageOutcome(Status.FAILED, reason, message)
    return None


def of_error(error: Exception) -> ImageOutcome:
    """Return the outcome for open calls if an exception has ended their stream."""
    return ImageOutcome(Status.FAILED, type(error).__name__, str(error))


def cut_off_status() -> Status:
    """Return the status of images whose answer the server or a person has cut off."""
    state = current_state.get()
    by_server = state is not None and state.interrupted
    return Status.INTERRUPTED if by_server else Status.CANCELLED


def _is_blocked(call: ImageGenerationCall) -> bool:
    error = call.error
    return error is not None and (
        error.moderation_details is not None or error.code == "moderation_blocked"
    )
