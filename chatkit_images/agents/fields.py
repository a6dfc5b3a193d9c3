"""What the events of a response say, as columns of rows."""

from __future__ import annotations

from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_output_item import ImageGenerationCall


def add_usage(before: dict[str, Any], usage: dict[str, Any]) -> dict[str, Any]:
    """Return the tokens of two responses, figure by figure.

    Some providers put words beside the figures; of these the newer one stays.
    """
    total = dict(before)
    for key, value in usage.items():
        earlier = before.get(key)
        if isinstance(value, dict):
            total[key] = add_usage(earlier if isinstance(earlier, dict) else {}, value)
        elif _is_figure(value) and _is_figure(earlier):
            total[key] = earlier + value
        else:
            total[key] = value
    return total


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def failure(data: ResponseStreamEvent) -> tuple[str, str] | None:
    """Return code and message of an event that tells why there is no more."""
    if data.type == "error":
        return data.code or "error", data.message
    if data.type == "response.failed" and data.response.error is not None:
        return data.response.error.code, data.response.error.message
    if data.type == "response.incomplete" and data.response.incomplete_details:
        reason = data.response.incomplete_details.reason or "incomplete"
        return reason, f"The response is incomplete: {reason}."
    return None


def of_request(response: Response) -> dict[str, Any]:
    """Return the columns that are known when the model starts to answer."""
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


def of_result(call: ImageGenerationCall) -> dict[str, Any]:
    """Return the columns that a finished call tells."""
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
