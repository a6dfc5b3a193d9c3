"""Citations, which the installed SDKs disagree about."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from agents import StreamEvent
from openai.types.responses.response_output_text import (
    Annotation,
    AnnotationContainerFileCitation,
    AnnotationFileCitation,
    AnnotationFilePath,
    AnnotationURLCitation,
    ResponseOutputText,
)
from pydantic import BaseModel

logger = logging.getLogger(__name__)
# The classes that ChatKit takes, and the texts of each that it cannot do without. If
# one is missing, another one that is there stands in for it.
KINDS: dict[Any, tuple[type[Annotation], dict[str, tuple[str, ...]]]] = {
    "url_citation": (AnnotationURLCitation, {"url": (), "title": ("url",)}),
    "file_citation": (AnnotationFileCitation, {"filename": ("file_id",)}),
    "container_file_citation": (
        AnnotationContainerFileCitation,
        {"filename": ("file_id",)},
    ),
    "file_path": (AnnotationFilePath, {}),
}
POSITIONS = ("index", "start_index", "end_index")


def make_convertible(event: StreamEvent) -> bool:
    """Give the citations of an event the classes that ChatKit's function takes.

    Since 3.5 ``openai`` has classes of its own for the annotations of a delta, and
    ``openai-chatkit`` 1.6.5 ends the answer with an error for any but those of a
    finished text.

    Returns:
        Whether the event can be handed on. An event that is a citation and cannot be
        converted costs itself and a line in the log, not the answer.
    """
    if event.type != "raw_response_event":
        return True
    data = event.data
    if data.type == "response.output_text.annotation.added":
        known = _known(data.annotation)
        data.annotation = known  # type: ignore[assignment]
        return known is not None
    if data.type in ("response.output_item.added", "response.output_item.done"):
        if data.item.type == "message":
            for part in data.item.content or ():
                _keep_known(part)
    elif data.type in ("response.content_part.added", "response.content_part.done"):
        _keep_known(data.part)
    return True


def _keep_known(part: Any) -> None:
    if isinstance(part, ResponseOutputText):
        sent: Any = getattr(part, "annotations", None)
        found = map(_known, sent if isinstance(sent, list) else ())
        part.annotations = [each for each in found if each is not None]


def _known(annotation: object) -> Annotation | None:
    """Return an annotation as ChatKit takes it, ``None`` if it says too little.

    ChatKit shows a citation without its position in the text, too.
    """
    if isinstance(annotation, BaseModel):
        # The client takes whatever the provider sends, so a value may have any type.
        annotation = annotation.model_dump(warnings=False)
    said: dict[str, Any] = annotation if isinstance(annotation, dict) else {}
    kind, needed = KINDS.get(said.get("type"), (None, {}))
    texts = {
        name: _first_text(said.get(key) for key in (name, *others))
        for name, others in needed.items()
    }
    if kind is None or None in texts.values():
        logger.warning("A citation is left out: it names no source that can be shown")
        return None
    positions = {
        name: value if type(value := said.get(name)) is int else None
        for name in POSITIONS
    }
    return kind.construct(**said | positions | texts)


def _first_text(values: Iterable[object]) -> str | None:
    texts = (value for value in values if isinstance(value, str) and value.strip())
    return next(texts, None)
