"""URLs of an owner's files in texts, and the references that take their place.

Anybody can paste a URL. The URL of another owner's file stays text, because a reference
never expires. All that a text mentions is collected first and looked up at once, and
only so much of it; the rest stays text.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from .. import models, storage, url_tokens
from ..cleaning import map_strings
from . import references
from .references import UUID

# How many different URLs of each kind are looked up for an item. A gallery has dozens.
MOST = 500
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
ABSOLUTE = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)
LONGEST = 2000
# What a text has that has a URL of the kind; most have none. It is found much sooner
# than where such a URL begins, of which a text of paths has very many.
SIGNS = {
    OUR_URL: re.compile(r"/(?:image|attachment)\."),
    SESSION_URL: re.compile(rf"/images/{UUID}/"),
    STORAGE_URL: re.compile(storage.NAME.pattern),
}


def is_signed(url: str) -> bool:
    """Whether a URL is one of the app's own, which it has signed for an image."""
    match = OUR_URL.fullmatch(url) if len(url) <= LONGEST else None
    return match is not None and url_tokens.read(match[1], expired_ok=True) is not None


def is_ours(url: str) -> bool:
    """Whether this app has signed a URL, for any owner."""
    match = OUR_URL.fullmatch(url)
    return bool(match and url_tokens.is_signed(match[1]))


def is_foreign(url: str) -> bool:
    """Whether a URL leads to a file that this app knows nothing of."""
    if len(url) > LONGEST or not ABSOLUTE.fullmatch(url):
        return False
    return not any(own.fullmatch(url) for own in (OUR_URL, SESSION_URL, STORAGE_URL))


def refer(value: Any, owner: str, scope: str = "") -> Any:
    """Return JSON data with references in place of the URLs of an owner's files.

    It takes two statements at most, whatever the texts mention.

    Args:
        value: The data.
        owner: The owner.
        scope: The owner and their tenant, if there are tenants.
    """
    texts = [text for text in references.strings(value) if "/" in text]
    known = _of_tokens(_mentioned(OUR_URL, texts), scope or owner)
    names, keys = _mentioned(STORAGE_URL, texts), _mentioned(SESSION_URL, texts)
    known |= _of_images(names, keys, owner) | _of_attachments(names, owner)
    if not known:
        return value

    def change(text: str) -> str:
        for pattern, sign in SIGNS.items():
            if sign.search(text):
                text = pattern.sub(lambda match: _replaced(match, known), text)
        return text

    return map_strings(value, change)


def _mentioned(pattern: re.Pattern[str], texts: Iterable[str]) -> list[str]:
    """Return what the first URLs of a kind name, each once."""
    found: dict[str, None] = {}
    for text in texts:
        if not SIGNS[pattern].search(text):
            continue
        for match in pattern.finditer(text):
            found[match[1]] = None
            if len(found) == MOST:
                return list(found)
    return list(found)


def _of_tokens(tokens: list[str], scope: str) -> dict[str, str]:
    """Return the references that stand for signed URLs of an owner's files."""
    found = {}
    for text in tokens:
        # An expired URL was the owner's too.
        token = url_tokens.read(text, expired_ok=True)
        if token is not None and token.is_of(scope):
            found[text] = (
                references.to_image(uuid.UUID(token.key))
                if token.kind == "image"
                else references.to_attachment(token.key)
            )
    return found


def _of_images(names: list[str], keys: list[str], owner: str) -> dict[str, str]:
    """Return the references to an owner's images, by names of files and by keys."""
    rows = models.GeneratedImage.objects.order_by()
    parts = [rows.filter(pk__in=keys)] if keys else []
    if names:
        parts += [rows.filter(file__in=names), rows.filter(thumbnail__in=names)]
    return {
        said: references.to_image(key)
        for file, thumbnail, key in _owned(parts, "thread__owner", owner)
        for said in (file, thumbnail, str(key))
    }


def _of_attachments(names: list[str], owner: str) -> dict[str, str]:
    """Return the references to an owner's attachments, by names of files."""
    rows = models.Attachment.objects.order_by()
    parts = [rows.filter(file__in=names), rows.filter(thumbnail__in=names)]
    return {
        said: references.to_attachment(key)
        for file, thumbnail, key in _owned(parts if names else [], "owner", owner)
        for said in (file, thumbnail)
    }


def _owned(
    parts: list[Any], owner_field: str, owner: str
) -> Iterator[tuple[str, str, Any]]:
    """Yield file, thumbnail and key of the owner's rows of several queries.

    It is one statement, of which each part uses an index of its own; one with OR would
    use none. A condition on the owner would have some databases begin with all that the
    owner has, and ask for each name again for each thread.
    """
    if not parts:
        return
    columns = ("file", "thumbnail", "pk", owner_field)
    first, *others = (rows.values_list(*columns) for rows in parts)
    # Django 6.1 orders a union as its first part is by default.
    rows = first.union(*others, all=True).order_by() if others else first
    for *found, whose in rows:
        if whose == owner:
            yield tuple(found)


def _replaced(match: re.Match[str], known: dict[str, str]) -> str:
    reference = known.get(match[1])
    if reference is None:
        return match[0]
    # Text that follows without a gap would be read as part of an attachment's id.
    following = match.string[match.end() : match.end() + 1]
    return reference if references.is_whole(reference, following) else match[0]
