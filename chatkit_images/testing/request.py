"""What the body of a Responses API request asks for."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from .script import JSON

#: How the message begins in which ChatKit says what "@" names. It is nobody's words.
MENTIONS = "# User-provided context for @-mentions"


def messages(body: JSON) -> Iterator[JSON]:
    """Yield the input items, latest first; a bare string counts as one message."""
    given = body.get("input") or []
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    yield from (item for item in reversed(given) if isinstance(item, dict))


def parts(item: JSON) -> Iterator[JSON]:
    """Yield the content parts of a message, latest first."""
    content = item.get("content") or []
    if isinstance(content, str):
        content = [{"type": "input_text", "text": content}]
    yield from (part for part in reversed(content) if isinstance(part, dict))


def text_of(item: JSON) -> str:
    """Return the text of a message without its images and files."""
    texts = [str(p["text"]) for p in parts(item) if p.get("type") == "input_text"]
    return "\n".join(reversed(texts)).strip()


def last_user_message(body: JSON) -> JSON:
    """Return the last message in which the user wrote something, or an empty one."""
    users = (item for item in messages(body) if item.get("role") == "user")
    return next((i for i in users if text_of(i) and not is_mention(i)), {})


def is_mention(item: JSON) -> bool:
    """Return whether a message brings what the one before it names with "@"."""
    return text_of(item).startswith(MENTIONS)


def named_image(body: JSON) -> bytes | None:
    """Return the last image that the user's last message names with "@"."""
    last = last_user_message(body)
    for item in messages(body):
        if item is last:
            break
        if is_mention(item) and (found := image_in(item)):
            return found
    return None


def last_user_text(body: JSON) -> str:
    """Return what the user wrote last."""
    return text_of(last_user_message(body))


def image_in(item: JSON) -> bytes | None:
    """Return the last image that a message carries as a data URL."""
    for part in parts(item):
        if part.get("type") == "input_image":
            found = _data(part.get("image_url"))
            if found:
                return found
    return None


def last_image(body: JSON) -> bytes | None:
    """Return the last image that the input carries as a data URL."""
    return next(filter(None, map(image_in, messages(body))), None)


def image_tool(body: JSON) -> JSON | None:
    """Return the image generation tool of the request."""
    tools = body.get("tools") or []
    return next((t for t in tools if t.get("type") == "image_generation"), None)


def _data(url: object) -> bytes | None:
    # Fetching an https URL would take the loopback API off the loopback.
    if not isinstance(url, str) or not url.startswith("data:"):
        return None
    head, _, payload = url.partition(",")
    if not head.endswith(";base64"):
        return None
    try:
        return base64.b64decode(payload, validate=True)
    except binascii.Error:
        return None
