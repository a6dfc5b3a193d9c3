"""Text of any kind, changed so that the columns of every database take it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from django.db import models as db

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def clean(text: str) -> str:
    """Return a text without NUL and without halves of characters.

    PostgreSQL refuses NUL. UTF-8 has no lone surrogates, which a model's JSON has if it
    was cut in the middle of an emoji. Each is replaced by the replacement character.
    """
    if is_clean(text):
        return text
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def is_clean(text: str) -> bool:
    """Whether a text has neither NUL nor halves of characters."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return "\x00" not in text


def clean_json(value: Any) -> Any:
    """Return JSON data with every string cleaned, keys included."""
    return map_strings(value, clean)


def clean_source(source: str) -> str:
    """Return a JSON document with every string cleaned, anything else as it is.

    A half of a character is plain ASCII in JSON, so ``clean`` does not see it there.
    """
    if not SURROGATE.search(source):
        return source
    try:
        said = json.loads(source)
    except ValueError:
        return source
    cleaned = clean_json(said)
    return source if cleaned == said else json.dumps(cleaned)


def clean_columns(model: type[db.Model], fields: dict[str, Any]) -> dict[str, Any]:
    """Return columns with their strings cleaned and cut to the length of their column.

    PostgreSQL refuses the whole row if one text is longer than its column.
    """
    cleaned: dict[str, Any] = clean_json(fields)
    for name, value in cleaned.items():
        if isinstance(value, str):
            limit = getattr(model._meta.get_field(name), "max_length", None)
            cleaned[name] = value[:limit]
    return cleaned


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """Return JSON data with every string changed, keys included.

    ``NaN`` and infinities become ``None``. Python reads and writes them, but JSON has
    none, and PostgreSQL and MariaDB refuse the whole row.
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        # JSON has no other keys than strings.
        return {change(str(k)): map_strings(v, change) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [map_strings(v, change) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
