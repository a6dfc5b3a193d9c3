"""Citations, which the installed SDKs disagree about."""

from __future__ import annotations

import logging
from typing import Any

from agents import StreamEvent
from openai.types.responses.response_output_text import Annotation, ResponseOutputText
from pydantic import BaseModel, TypeAdapter, ValidationError

logger = logging.getLogger(__name__)
ANNOTATION: TypeAdapter[Annotation] = TypeAdapter(Annotation)


def make_convertible(event: StreamEvent) -> bool:
    """Give the citations of an event the classes that ChatKit's function takes.

    Since 3.5 ``openai`` has classes of its own for the annotations of a delta, and
    ``openai-chatkit`` 1.6.5 ends the answer with an error for any but those of a
    finished text.

    Returns:
        Whether the event can be handed on. A citation that cannot be converted is left
        out with a line in the log; the answer goes on.
    """
    if event.type != "raw_response_event":
        return True
    data = event.data
    if data.type == "response.output_text.annotation.added":
        known = _known(data.annotation)
        data.annotation = known  # type: ignore[assignment]
        return known is not None
    if data.type == "response.output_item.done" and data.item.type == "message":
        for part in data.item.content:
            _keep_known(part)
    elif data.type in ("response.content_part.added", "response.content_part.done"):
        _keep_known(data.part)
    return True


def _keep_known(part: Any) -> None:
    if isinstance(part, ResponseOutputText):
        sent = map(_known, part.annotations or ())
        part.annotations = [annotation for annotation in sent if annotation is not None]


def _known(annotation: object) -> Annotation | None:
    if isinstance(annotation, BaseModel):
        annotation = annotation.model_dump()
    try:
        return ANNOTATION.validate_python(annotation)
    except ValidationError as error:
        logger.warning("A citation is left out: %s", error.errors()[0]["msg"])
        return None
