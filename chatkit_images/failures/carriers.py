"""What an exception of a provider's library carries, whichever library it is.

No library is imported for it: they keep status, body and headers in a few attributes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import waits
from .bodies import Evidence, Reader
from .codes import strong, weak
from .reasons import Reason

STATUSES = ("status_code", "status", "http_status", "code")
BODIES = ("body", "details", "error", "errors", "provider_specific_fields")
NAMES = ("code", "type", "param", "request_id")
# Libraries that talk to providers. Sentences of other exceptions may speak of anything.
PROVIDERS = {
    "agents", "aiohttp", "anthropic", "anyio", "boto3", "botocore", "cohere",
    "fal_client", "google", "groq", "h11", "h2", "httpcore", "httpcore2", "httpx",
    "httpx2", "huggingface_hub", "litellm", "mistralai", "openai", "openrouter",
    "replicate", "requests", "stability_sdk", "together", "urllib3", "websockets",
    "xai_sdk", "mcp",
}  # fmt: skip
# Classes that say more than the status with which they come.
ABOVE_STATUS = {Reason.BLOCKED, Reason.TOO_LARGE, Reason.QUOTA}
TOLD = re.compile(r"\b(?:code|type|reason)='?([A-Za-z][\w.-]*[A-Za-z0-9])'?")
KEY = re.compile(r"api[_ ]key|credentials", re.IGNORECASE)


def evidence_of(error: BaseException) -> Evidence:
    """Return what an exception carries."""
    evidence = Evidence(error=type(error).__name__)
    reader = Reader(evidence)
    response = attribute(error, "response")
    evidence.status = _status(error, response)
    for name in BODIES:
        value = attribute(error, name)
        if isinstance(value, Mapping | list | str):
            reader.read(value)
    _read_response(reader, response)
    for name in NAMES:
        value = attribute(error, name)
        if not isinstance(value, str) or not value:
            continue
        if name in ("code", "type"):
            reader.read({name: value})
        elif not getattr(evidence, name):
            setattr(evidence, name, value)
    if not evidence.messages:
        reader.read(message_of(error))
    if type(error).__module__.startswith("agents."):
        # The SDK writes the provider's code into its own sentence.
        evidence.words += TOLD.findall(evidence.text)
    evidence.words += _class_words(error, evidence.status)
    return evidence


def is_of_provider(error: BaseException) -> bool:
    """Whether an exception comes from a library that talks to providers."""
    roots = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return not roots.isdisjoint(PROVIDERS)


def lacks_key(error: BaseException) -> bool:
    """Whether a client could not be made, because the project has given it no key."""
    plain = type(error).__name__ == "OpenAIError"
    return plain and KEY.search(message_of(error)) is not None


def message_of(error: BaseException) -> str:
    """Return an exception's own words."""
    message = attribute(error, "message")
    if isinstance(message, str) and message:
        return message
    try:
        return str(error)
    except Exception:
        # A project's class may have a mistake in it. Its name is told all the same.
        return ""


def attribute(source: Any, name: str) -> Any:
    """Return an attribute, ``None`` if it is not there or cannot be read."""
    try:
        return getattr(source, name, None)
    except Exception:
        # Some libraries raise if a request or a response was not read.
        return None


def _status(error: BaseException, response: Any) -> int | None:
    values = [attribute(error, name) for name in STATUSES]
    values += [attribute(response, name) for name in ("status_code", "status")]
    if isinstance(response, Mapping):  # botocore's
        meta = response.get("ResponseMetadata")
        values.append(meta.get("HTTPStatusCode") if isinstance(meta, Mapping) else None)
    for value in values:
        if isinstance(value, int) and 400 <= value < 600:
            return int(value)
    return None


def _read_response(reader: Reader, response: Any) -> None:
    evidence = reader.evidence
    headers = attribute(response, "headers")
    if isinstance(response, Mapping):
        reader.read({key: value for key, value in response.items() if key == "Error"})
        meta = response.get("ResponseMetadata")
        if isinstance(meta, Mapping):
            headers = meta.get("HTTPHeaders")
            evidence.request_id = str(meta.get("RequestId") or "")
    elif response is not None and not (evidence.messages or evidence.words):
        reader.read(_text(response))
    if isinstance(headers, Mapping):
        wait = waits.of_headers(headers)
        evidence.retry_after = wait if wait is not None else evidence.retry_after
        named = headers.get("x-request-id") or headers.get("request-id")
        evidence.request_id = evidence.request_id or str(named or "")


def _text(response: Any) -> str:
    # The body of a stream that was not read cannot be had any more.
    text = attribute(response, "text")
    return text if isinstance(text, str) else ""


def _class_words(error: BaseException, status: int | None) -> list[str]:
    names = [kind.__name__ for kind in type(error).__mro__ if kind is not object]
    if status is None:
        return [name for name in names if strong(name) or weak(name)]
    return [name for name in names if strong(name) in ABOVE_STATUS]
