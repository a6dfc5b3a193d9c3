"""What a row keeps of a failure, whatever JSON is in its column.

Rows of other versions, of a project's own code and of hands may have anything there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cleaning import clean
from .failure import MOST_WORDS
from .waits import MOST_SECONDS


def text_of(row: Any, name: str) -> str:
    """Return a text of the failure of a run or an image; empty if there is none."""
    value = _facts(row).get(name)
    return clean(value)[:MOST_WORDS] if isinstance(value, str) else ""


def wait_of(row: Any) -> float:
    """Return the seconds that the provider has asked to wait; 0 if it has not."""
    value = _facts(row).get("retry_after")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    # JSON may have what is no number at all; that is above nothing.
    return float(min(value, MOST_SECONDS)) if value > 0 else 0.0


def moderation_of(row: Any) -> Mapping[str, Any]:
    """Return what a moderation has said; empty if there was none."""
    value = _facts(row).get("moderation")
    return value if isinstance(value, Mapping) else {}


def _facts(row: Any) -> Mapping[str, Any]:
    return row.failure if isinstance(row.failure, Mapping) else {}
