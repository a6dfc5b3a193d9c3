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

from .. import models

UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
REFERENCE = re.compile(rf"chatkit-image:({UUID})")
# An attachment's id in a token has these characters only, so it ends where they end.
FILE_REFERENCE = re.compile(r"chatkit-attachment:([\w~-]{1,64})(?![\w~-])")
# How many things of each kind the texts of one page may refer to. Further references
# stay text, so that no statement grows with what somebody has written.
MOST = 1000


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
    """Return the keys of the first images to which the texts of rows refer."""
    return {uuid.UUID(key) for key in _first(REFERENCE, rows)}


def file_ids(rows: Iterable[models.ThreadItem]) -> set[str]:
    """Return the ids of the first attachments to which the texts of rows refer."""
    return _first(FILE_REFERENCE, rows)


def to_image(key: object) -> str:
    """Return the reference that stands for an image."""
    return f"chatkit-image:{key}"


def to_attachment(key: str) -> str:
    """Return the reference that stands for an attachment."""
    return f"chatkit-attachment:{key}"


def is_whole(reference: str, following: str) -> bool:
    """Whether a reference ends where it should when a character follows it."""
    match = FILE_REFERENCE.match(reference + following)
    return match[0] == reference if match else bool(REFERENCE.fullmatch(reference))


def strings(value: Any) -> Iterator[str]:
    """Yield every string of JSON data, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def _first(pattern: re.Pattern[str], rows: Iterable[models.ThreadItem]) -> set[str]:
    """Return what the first references of a kind name."""
    found: set[str] = set()
    for row in rows:
        for text in strings(row.payload):
            for match in pattern.finditer(text):
                found.add(match[1])
                if len(found) == MOST:
                    return found
    return found


def _known(url: str | None, match: re.Match[str]) -> str:
    return match[0] if url is None else url
