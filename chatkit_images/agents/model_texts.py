"""What a model reads of an image that a tool was to generate."""

from __future__ import annotations

import logging
from typing import Any

from agents import RunContextWrapper

from .. import failures, notes
from ..cleaning import clip
from ..failures import Failure, Reason
from ..models import GeneratedImage
from ..queries import failure_columns
from .outcomes import of_failure

logger = logging.getLogger(__name__)
# Characters of a prompt that are repeated. The model has written it.
MOST_PROMPT = 200


def of_image(image: GeneratedImage) -> str:
    """Return the answer of a tool whose image is there, and mostly seen."""
    if image.is_withheld:
        words = notes.withheld(image).words
        return f"The image is made, but is not shown. The person reads: {words}"
    prompt = clip(image.prompt, MOST_PROMPT)
    size = f" It has {image.width} x {image.height} pixels." if image.width else ""
    prompted = f' Prompt: "{prompt}".' if prompt else ""
    return (
        "The image is ready, and the person sees it in the chat. "
        f"Its id is {image.image_id}.{size}{prompted} Do not repeat it as a link."
    )


def of_failed(failure: Failure, image: GeneratedImage | None = None) -> str:
    """Return the answer of a tool that has no image, with the words for the person.

    Args:
        failure: Why there is none.
        image: The row of the image, if it has ended.
    """
    row = image or GeneratedImage(
        status=failure_columns.image_status(failure), **of_failure(failure).columns()
    )
    again = "You may try it once more." if failure.may_retry else "Do not try again."
    shown = " The person sees a preview of it." if row.is_shown else ""
    return f"There is no image.{shown} The person reads: {notes.words(row)} {again}"


def tool_error(context: RunContextWrapper[Any], error: Exception) -> str:
    """Return what the model reads of an exception in a tool that generates an image.

    For ``@function_tool(failure_error_function=tool_error)``. The SDK's own function
    says "Please try again", whatever the error: a model would ask again for what is
    blocked, or for one image more than the person may have.

    Args:
        context: The context of the tool.
        error: What the tool has raised.
    """
    failure = failures.of(error) or failure_columns.NO_RESULT
    if failure.reason is Reason.INSTALLATION:
        # The model goes on, so nobody else shows where the mistake is.
        logger.error("A tool that generates an image has failed", exc_info=error)
    return of_failed(failure)
