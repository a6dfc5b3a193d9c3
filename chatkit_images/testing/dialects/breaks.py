"""Dialects of breaking off: answers that begin and do not end as they should."""

from __future__ import annotations

import json
from collections.abc import Callable

from ..script import JSON, TERMINAL, ConnectionDropped
from .dialect import Dialect, Events, Rewrite, renumbered

#: With one of these an item, or a part of it, ends.
ENDS = ("_text.done", "_part.done", "_item.done", "_call.completed")


def breaking(*ends: Callable[[JSON], JSON]) -> Rewrite:
    """Return a rewriting that ends an answer before its last item is done.

    Args:
        ends: Each is called with the response and returns an event of the end. Without
            one the connection is cut.
    """

    async def rewrite(events: Events) -> Events:
        response: JSON = {}
        held: list[JSON] = []
        async for event in events:
            if event["type"] in TERMINAL:
                break
            response = event.get("response") or response
            if event["type"].endswith(ENDS):
                held.append(event)
                continue
            for ended in held:
                yield ended
            held.clear()
            yield event
        for end in ends:
            yield end(response)
        if not ends:
            raise ConnectionDropped

    return renumbered(rewrite)


async def _at_once(events: Events) -> Events:
    async for event in events:
        if "response" not in event:
            raise ConnectionDropped
        yield event


def _event(code: str | None, message: str) -> Callable[[JSON], JSON]:
    return lambda response: {
        "type": "error",
        "code": code,
        "message": message,
        "param": None,
    }


def _failed(code: str, message: str) -> Callable[[JSON], JSON]:
    error = {"code": code, "message": message}
    ended = {"status": "failed", "error": error}
    return lambda response: {"type": "response.failed", "response": response | ended}


def _incomplete(reason: str) -> Callable[[JSON], JSON]:
    ended = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    return lambda response: {
        "type": "response.incomplete",
        "response": response | ended,
    }


def _nested(response: JSON) -> JSON:
    # An error of the provider's, as a text in the error of a gateway.
    inner = {"error": {"code": "server_error", "message": "The model is down."}}
    return {"type": "error", "error": {"message": json.dumps(inner), "code": 500}}


def _junk(event: JSON) -> str:
    if event["type"] in TERMINAL:
        return 'data: {"type": "response.comp\n\n'
    return f"data: {json.dumps(event)}\n\n"


BREAKS = [
    Dialect(
        "rate-limited-by-event",
        "An answer breaks off with an error event of a rate limit.",
        breaking(_event("rate_limit_exceeded", "Please try again in 7.5s.")),
    ),
    Dialect(
        "rate-limited-by-failed-response",
        "An answer breaks off with a failed response of a rate limit.",
        breaking(_failed("rate_limit_exceeded", "Please try again in 7.5s.")),
    ),
    Dialect(
        "error-event",
        "An answer breaks off with an error event.",
        breaking(_event("server_error", "The server had an error.")),
    ),
    Dialect(
        "error-event-without-a-code",
        "An answer breaks off with an error event that has a message alone.",
        breaking(_event(None, "Something went wrong.")),
    ),
    Dialect(
        "error-event-nested",
        "An answer breaks off with an error event that has JSON as a text in it.",
        breaking(_nested),
    ),
    Dialect(
        "failed-response",
        "An answer breaks off with `response.failed`.",
        breaking(_failed("server_error", "The model failed.")),
    ),
    Dialect(
        "incomplete-response",
        "An answer breaks off because it has become too long.",
        breaking(_incomplete("max_output_tokens")),
    ),
    Dialect(
        "cut-off",
        "The connection is cut before the last item is done.",
        breaking(),
    ),
    Dialect(
        "cut-off-at-once",
        "The connection is cut before the first item.",
        _at_once,
    ),
    Dialect(
        "cut-json",
        "The last event is cut in the middle of its JSON.",
        frame=_junk,
    ),
]
