"""Dialects of moderation: where and how it is told that an image is blocked.

They speak the step `FailedImage`, which OpenAI tells on the call's own item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..script import JSON, FailedImage, HTTPError, Images, Step
from .dialect import (
    Dialect,
    Events,
    Retell,
    Rewrite,
    every,
    is_done,
    items_of,
    renumbered,
)

WORDS = "Your request was rejected as a result of our safety system."
AZURE: JSON = {
    "error": {
        "code": "content_filter",
        "message": "The response was filtered due to the prompt triggering Azure "
        "OpenAI's content management policy.",
        "param": "prompt",
        "type": None,
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"violence": {"filtered": True}},
        },
    }
}
GEMINI: JSON = {
    "error": {
        "code": 400,
        "status": "INVALID_ARGUMENT",
        "message": "The prompt was blocked: PROHIBITED_CONTENT",
        "details": [{"finishReason": "IMAGE_SAFETY"}],
    }
}


def blocked(end: Callable[[JSON, JSON], JSON]) -> Rewrite:
    """Return a rewriting that ends an answer where a call of it is blocked.

    Args:
        end: Called with the last event that had a response, and with the item of the
            call; returns the event that ends the answer.
    """

    async def rewrite(events: Events) -> Events:
        response: JSON = {}
        async for event in events:
            response = event.get("response") or response
            if is_done(event) and event["item"].get("error"):
                yield end(response, event["item"])
                return
            yield event

    return renumbered(rewrite)


def refused(error: HTTPError) -> Retell:
    """Return a retelling that answers a script with a blocked image with an error."""

    def tell(steps: Sequence[Step]) -> Sequence[Step]:
        images = [
            image
            for step in steps
            for image in (step.images if isinstance(step, Images) else [step])
        ]
        return [error] if any(isinstance(i, FailedImage) for i in images) else steps

    return tell


def on_the_item(error: JSON | None) -> Rewrite:
    """Return a rewriting of the error on the items of blocked calls."""

    def change(event: JSON) -> None:
        for item in items_of(event):
            if item.get("error"):
                item["error"] = error

    return every(change)


def _error(code: str | None, message: str = WORDS, kind: str | None = None) -> JSON:
    return {"code": code, "message": message, "param": None, "type": kind}


def _event(**fields: object) -> JSON:
    return {"type": "error", "message": WORDS, "param": None, **fields}


def _failed(response: JSON, code: str) -> JSON:
    error = {"code": code, "message": WORDS}
    ended = response | {"status": "failed", "error": error}
    return {"type": "response.failed", "response": ended}


def _incomplete(response: JSON, item: JSON) -> JSON:
    details = {"incomplete_details": {"reason": "content_filter"}}
    ended = response | {"status": "incomplete"} | details
    return {"type": "response.incomplete", "response": ended}


MODERATION = [
    Dialect(
        "blocked-by-type",
        "Moderation is told by the type of the item's error alone.",
        on_the_item(_error(None, kind="image_generation_user_error")),
    ),
    Dialect(
        "blocked-by-message",
        "Moderation is told by the words of the item's error alone.",
        on_the_item(_error("server_error", kind="server_error")),
    ),
    Dialect(
        "blocked-in-gemini-words",
        "Moderation is told on the item, in the words of Gemini.",
        on_the_item(_error("IMAGE_SAFETY", "finishReason: IMAGE_SAFETY", "FAILED")),
    ),
    Dialect(
        "blocked-in-azure-words",
        "Moderation is told on the item, in the words of Azure.",
        on_the_item(_error("contentFilter", AZURE["error"]["message"])),
    ),
    Dialect(
        "blocked-by-error-event",
        "Moderation is told by an `error` event.",
        blocked(lambda response, item: _error("moderation_blocked", kind="error")),
    ),
    Dialect(
        "blocked-by-nested-error-event",
        "Moderation is told by an `error` event with an object in it.",
        blocked(
            lambda response, item: _event(
                error=_error("moderation_blocked", kind="invalid_request_error")
            )
        ),
    ),
    Dialect(
        "blocked-by-failed-response",
        "Moderation is told by `response.failed`.",
        blocked(lambda response, item: _failed(response, "moderation_blocked")),
    ),
    Dialect(
        "blocked-by-policy",
        "Moderation is told by `response.failed`, as a violation of a policy.",
        blocked(
            lambda response, item: _failed(response, "image_content_policy_violation")
        ),
    ),
    Dialect(
        "blocked-by-incomplete-response",
        "Moderation is told by `response.incomplete` with the reason `content_filter`.",
        blocked(_incomplete),
    ),
    Dialect(
        "blocked-by-status",
        "The request is answered with status 400 and the code `moderation_blocked`.",
        tell=refused(HTTPError(400, "moderation_blocked", WORDS)),
    ),
    Dialect(
        "blocked-by-status-in-azure-words",
        "The request is answered with status 400, as Azure does.",
        tell=refused(HTTPError(400, body=AZURE)),
    ),
    Dialect(
        "blocked-by-status-in-gemini-words",
        "The request is answered with status 400, as Gemini does.",
        tell=refused(HTTPError(400, body=GEMINI)),
    ),
]
