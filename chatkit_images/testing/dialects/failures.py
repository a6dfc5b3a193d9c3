"""Dialects of failing: the statuses of a provider that cannot answer."""

from __future__ import annotations

import json

from ..script import HTTPError
from .dialect import Dialect, Retell

HTML = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


def answering(error: HTTPError) -> Retell:
    """Return a retelling that answers every request with an error."""
    return lambda steps: [error]


def _http(
    name: str, about: str, status: int, code: str | None, message: str, **more: object
) -> Dialect:
    error = HTTPError(status, code, message, **more)  # type: ignore[arg-type]
    return Dialect(name, about, tell=answering(error))


FAILURES = [
    _http(
        "rate-limited",
        "Status 429 with a `retry-after`.",
        429,
        "rate_limit_exceeded",
        "Rate limit reached for images per minute. Please try again in 20s.",
        headers={"retry-after": "20"},
        type="requests",
    ),
    _http(
        "rate-limited-in-words",
        "Status 429 that says in words alone how long to wait.",
        429,
        None,
        "Rate limit reached. Please try again in 1m12s.",
    ),
    _http(
        "quota",
        "Status 429 that no waiting helps against: the account is used up.",
        429,
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
        type="insufficient_quota",
    ),
    _http(
        "payment-required",
        "Status 402: the account is used up.",
        402,
        None,
        "Insufficient credits.",
    ),
    _http(
        "unverified",
        "Status 403: the organization must be verified to use the model.",
        403,
        None,
        "Your organization must be verified to use the model `gpt-image-2`.",
    ),
    _http(
        "wrong-key",
        "Status 401.",
        401,
        "invalid_api_key",
        "Incorrect API key provided.",
    ),
    _http(
        "no-such-model",
        "Status 404.",
        404,
        "model_not_found",
        "The model `gpt-4.1` does not exist or you do not have access to it.",
        param="model",
    ),
    _http(
        "bad-request",
        "Status 400 for something that is not in the input.",
        400,
        "unsupported_parameter",
        "Unsupported parameter: 'tools[0].quality'.",
        param="tools[0].quality",
    ),
    _http(
        "context-too-long",
        "Status 400: the conversation is longer than the model reads.",
        400,
        "context_length_exceeded",
        "Your input exceeds the context window of this model.",
        param="input",
    ),
    _http("too-large", "Status 413.", 413, None, "Payload too large.", body=HTML),
    _http("server-error", "Status 500.", 500, "server_error", "An error occurred."),
    _http(
        "bad-gateway",
        "Status 502 with a page of HTML.",
        502,
        None,
        "",
        body=HTML,
    ),
    _http(
        "overloaded",
        "Status 503 with a `retry-after`.",
        503,
        "server_is_overloaded",
        "The engine is currently overloaded, please try again later.",
        headers={"retry-after": "5"},
    ),
    _http(
        "overloaded-529",
        "Status 529, in the words of Anthropic.",
        529,
        None,
        "Overloaded",
        body={"type": "error", "error": {"type": "overloaded_error"}},
    ),
    _http("gateway-timeout", "Status 504.", 504, None, "", body="upstream timed out"),
    _http(
        "error-as-a-text",
        "Status 500 with an error of the provider's as a text in another.",
        500,
        None,
        json.dumps({"error": {"code": "internal", "message": "It is down."}}),
    ),
    _http(
        "error-as-a-list",
        "Status 500 with an error that is a list.",
        500,
        None,
        "",
        body={"error": [{"message": "It is down."}], "detail": [{"msg": "down"}]},
    ),
    _http(
        "error-with-status-200",
        "Status 200 and an error in JSON instead of a stream.",
        200,
        None,
        "",
        body={"error": {"message": "The model is down.", "code": 500}},
    ),
]
