"""Columns of an image's row, read from the events of a response."""

from __future__ import annotations

from typing import Any

from openai.types.responses import Response
from openai.types.responses.response_output_item import ImageGenerationCall


def of_response(response: Response) -> dict[str, Any]:
    """Return the columns that are known when the model begins to answer."""
    columns: dict[str, Any] = {
        "model": str(response.model),
        "response_id": response.id,
    }
    for tool in response.tools or ():  # Some providers leave them out.
        if tool.type == "image_generation":
            for name in ("model", "size", "quality", "background", "output_format"):
                if value := getattr(tool, name, None):
                    columns[name] = str(value)
    return columns


def of_call(call: ImageGenerationCall) -> dict[str, Any]:
    """Return the columns that are known when a call has finished."""
    names = ("size", "quality", "background", "output_format", "revised_prompt")
    columns: dict[str, Any] = {
        name: str(value) for name in names if (value := getattr(call, name, None))
    }
    if call.error is not None:
        columns["error_code"] = call.error.code or call.error.type
        columns["error_message"] = call.error.message
        if call.error.moderation_details is not None:
            columns["moderation"] = call.error.moderation_details.model_dump(
                mode="json"
            )
    return columns
