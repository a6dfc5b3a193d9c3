"""Columns of an image's row, read from the events of a response."""

from __future__ import annotations

from typing import Any

from openai.types.responses import Response
from openai.types.responses.response_output_item import ImageGenerationCall
from pydantic import BaseModel

from ..run_state import digest_of

# Columns of their own, by the names that tools and calls have for them.
OPTIONS = ("size", "quality", "background", "output_format")
# What makes an image reproducible, and is in ``details``.
TOOL_DETAILS = (
    "action",
    "moderation",
    "input_fidelity",
    "output_compression",
    "partial_images",
    "complexity",
    "frame_count",
    "frame_duration_ms",
)
CALL_DETAILS = (*TOOL_DETAILS, "seed")
# Characters of a value of a provider's that are kept.
LONGEST = 2_000


def of_response(response: Response) -> dict[str, Any]:
    """Return the columns that are known when the model begins to answer.

    The model that draws is the tool's. Where the tool does not name it, it is unknown:
    the model that answers is another one.
    """
    columns: dict[str, Any] = {
        "chat_model": str(response.model or ""),
        "response_id": response.id or "",
    }
    for tool in response.tools or ():  # Some providers leave them out.
        if tool.type == "image_generation":
            columns |= _texts(tool, ("model", *OPTIONS))
            columns["details"] = _details(tool, TOOL_DETAILS)
            mask = _plain(getattr(tool, "input_image_mask", None))
            if isinstance(mask, dict):
                columns["details"]["input_image_mask"] = _without_bytes(mask)
    return columns


def of_call(call: ImageGenerationCall) -> dict[str, Any]:
    """Return the columns that are known when a call has finished."""
    columns = _texts(call, ("model", *OPTIONS, "revised_prompt"))
    if details := _details(call, CALL_DETAILS):
        columns["details"] = details
    if isinstance(usage := _plain(getattr(call, "svg_usage", None)), dict):
        columns["svg_usage"] = usage
    return columns


def merged(begun: dict[str, Any], ended: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a finished call; its details add to those of its begin."""
    details = {**(begun.get("details") or {}), **(ended.get("details") or {})}
    return ended | ({"details": details} if details else {})


def _texts(source: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: str(value) for name in names if (value := getattr(source, name, None))
    }


def _details(source: Any, names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: _plain(getattr(source, name, None)) for name in names}
    return {
        name: value[:LONGEST] if isinstance(value, str) else value
        for name, value in found.items()
        if isinstance(value, str | int | float | bool)
    }


def _without_bytes(mask: dict[str, Any]) -> dict[str, Any]:
    """Return what names a mask. Its bytes may be in it, too."""
    found = {
        name: value
        for name, value in mask.items()
        if isinstance(value, str) and len(value) <= LONGEST and value[:5] != "data:"
    }
    url = mask.get("image_url")
    if isinstance(url, str) and url[:5] == "data:":
        found["sha256"] = digest_of(url)
    return found


def _plain(value: Any) -> Any:
    # The text of a provider may be none that can be encoded; columns are cleaned.
    return value.model_dump(warnings=False) if isinstance(value, BaseModel) else value
