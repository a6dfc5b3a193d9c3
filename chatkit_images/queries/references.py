"""References to images and files in texts of rows, which stand for URLs.

A URL expires and names a host, so no row holds one of this app's. In a text of a row
``chatkit-image:<uuid>`` stands for an image, and ``chatkit-attachment:<id>`` for a file
that a person has sent. When the row is read, URLs take their places again.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .. import models, storage, url_tokens
from ..cleaning import map_strings

DATA_IMAGE = re.compile(
    r"data:image/[\w.+-]+(?:;[\w.=+-]+)*;base64,((?:[A-Za-z0-9+/=_-]|%2[bf]|%3d)+)",
    re.IGNORECASE,
)
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
REFERENCE = re.compile(rf"chatkit-image:({UUID})")
# An attachment's id in a token has these characters only, so it ends where they end.
FILE_REFERENCE = re.compile(r"chatkit-attachment:([\w~-]{1,64})(?![\w~-])")
# An absolute or relative URL whose last part is one of our tokens. The search begins
# once in a path. If it began at each slash, a long path would take minutes.
OUR_URL = re.compile(
    r"(?:https?://[^\s\"'()<>/]+|(?<![\w./-]))"
    r"(?:/[\w.-]++)*/((?:image|attachment)\.[\w.~-]+)/?"
)
# A URL of the route for the logged-in owner. It has no signature.
SESSION_URL = re.compile(
    r"(?:https?://[^\s\"'()<>/]+|(?<![\w./-]))"
    rf"(?:/[\w.-]++)*/images/({UUID})/[\w-]++/?"
)
# A URL of the storage's own. It ends in a name of ours, and a signature may follow.
STORAGE_URL = re.compile(
    r"(?<![^\s\"'()<>])(?:https?://|/)[^\s\"'()<>]*?"
    rf"({storage.NAME.pattern})(?:\?[^\s\"'()<>]*)?"
)


def is_ours(url: str) -> bool:
    """Whether this app has signed a URL, for any owner."""
    match = OUR_URL.fullmatch(url)
    return bool(match and url_tokens.is_signed(match[1]))


def refer(value: Any, owner: str, scope: str = "") -> Any:
    """Return JSON data with references in place of the URLs of an owner's files.

    Anybody can paste a URL. The URL of another owner's image stays text, because a
    reference never expires.

    Args:
        value: The data.
        owner: The owner.
        scope: The owner and their tenant, if there are tenants.
    """

    def change(text: str) -> str:
        text = OUR_URL.sub(lambda match: _of_token(match, scope or owner), text)
        return STORAGE_URL.sub(lambda match: _of_name(match, owner), text)

    return _refer_sessions(map_strings(value, change), owner)


def resolve(
    text: str,
    image_url: Callable[[str], str | None],
    file_url: Callable[[str], str | None],
) -> str:
    """Return a text of a row with URLs in place of its references.

    Args:
        text: The text.
        image_url: Returns the URL of an image by its key; ``None`` keeps the reference.
        file_url: Does the same for an attachment, by its id.
    """
    text = REFERENCE.sub(lambda match: _known(image_url(match[1]), match), text)
    return FILE_REFERENCE.sub(lambda match: _known(file_url(match[1]), match), text)


def readable(text: str, image: str, file: str) -> str:
    """Return a text of a row with words in place of its references."""
    return FILE_REFERENCE.sub(lambda _: file, REFERENCE.sub(lambda _: image, text))


def image_keys(rows: Iterable[models.ThreadItem]) -> set[uuid.UUID]:
    """Return the keys of the images to which the texts of rows refer."""
    return {
        uuid.UUID(key)
        for row in rows
        for text in strings(row.payload)
        for key in REFERENCE.findall(text)
    }


def file_ids(rows: Iterable[models.ThreadItem]) -> set[str]:
    """Return the ids of the attachments to which the texts of rows refer."""
    return {
        key
        for row in rows
        for text in strings(row.payload)
        for key in FILE_REFERENCE.findall(text)
    }


def to_image(key: object) -> str:
    """Return the reference that stands for an image."""
    return f"chatkit-image:{key}"


def strings(value: Any) -> Iterator[str]:
    """Yield every string of JSON data, without the keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def _known(url: str | None, match: re.Match[str]) -> str:
    return match[0] if url is None else url


def _of_token(match: re.Match[str], scope: str) -> str:
    # An expired URL was the owner's too.
    token = url_tokens.read(match[1], expired_ok=True)
    if token is None or not token.is_of(scope):
        return match[0]
    if token.kind == "image":
        return to_image(uuid.UUID(token.key))
    reference = f"chatkit-attachment:{token.key}"
    # Text that follows without a gap would be read as part of the id.
    following = match.string[match.end() : match.end() + 1]
    found = FILE_REFERENCE.match(reference + following)
    return reference if found and found[1] == token.key else match[0]


def _of_name(match: re.Match[str], owner: str) -> str:
    rows = models.GeneratedImage.objects.for_owner(owner).filter(file=match[1])
    key = rows.values_list("pk", flat=True).first()
    return to_image(key) if key else match[0]


def _refer_sessions(value: Any, owner: str) -> Any:
    keys = {
        key
        for text in strings(value)
        if "/images/" in text
        for key in SESSION_URL.findall(text)
    }
    if not keys:
        return value
    # One query for all of them.
    rows = models.GeneratedImage.objects.for_owner(owner).filter(pk__in=keys)
    owned = {str(key) for key in rows.values_list("pk", flat=True)}

    def refer_session(match: re.Match[str]) -> str:
        return to_image(match[1]) if match[1] in owned else match[0]

    return map_strings(value, lambda text: SESSION_URL.sub(refer_session, text))
