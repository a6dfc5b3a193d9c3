"""How long to wait, from whatever says so: headers, the body of an error, its words."""

from __future__ import annotations

import datetime
import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import Any

# Nobody waits longer in front of a chat, and a clock that is wrong says anything.
MOST_SECONDS = 24 * 60 * 60.0
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|d|h|m|s)", re.ASCII)
SPANS = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:ms|d|h|m|s))+", re.ASCII)
AMOUNT = (
    r"(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s|sec|secs|seconds?|m|min|mins|minutes?|"
    r"h|hours?)(?![a-z])((?:\s*\d+(?:\.\d+)?\s*(?:ms|m|s)(?![a-z]))*)"
)
WORDS = re.compile(
    r"(?i)\b(?:try again|retry|retry after|available|wait|resets?)\b"
    rf"[^.\d]{{0,30}}?{AMOUNT}",
    re.ASCII,
)
# Epochs later than these are in milliseconds and in seconds.
EPOCH_MS, EPOCH = 10**12, 10**9


def of_headers(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the headers of a response ask to wait."""
    known = {str(name).lower(): str(value) for name, value in headers.items()}
    if (wait := number(known.get("retry-after-ms"), 0.001)) is not None:
        return wait
    if (wait := of_header(known.get("retry-after", ""))) is not None:
        return wait
    waits = [
        wait
        for name, value in known.items()
        if "ratelimit" in name
        and "reset" in name
        # A limit of which something is left is not the one that was hit.
        and known.get(name.replace("reset", "remaining"), "0").strip() in ("0", "")
        and (wait := of_header(value)) is not None
    ]
    return max(waits, default=None)


def of_header(value: str) -> float | None:
    """Return the seconds of a header: a number, a span such as ``6m0s``, or a date."""
    value = value.strip()
    if (wait := number(value)) is not None or not value:
        return wait
    if SPANS.fullmatch(value):
        return bounded(span(value))
    try:
        if "T" in value and "," not in value:
            then = datetime.datetime.fromisoformat(value)
        else:
            then = email.utils.parsedate_to_datetime(value)
        # A date without a zone is meant in UTC.
        then = then if then.tzinfo else then.replace(tzinfo=datetime.UTC)
        return bounded(then.timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def of_value(name: str, value: Any) -> float | None:
    """Return the seconds of an entry in the body of an error, if it is about waiting.

    Args:
        name: Its name, in small letters without signs.
        value: A number, a span, or Google's duration with ``seconds``.
    """
    if "retryafter" not in name and "retrydelay" not in name and "resetsin" not in name:
        return None
    if isinstance(value, Mapping):
        value = value.get("seconds")
    if isinstance(value, str):
        return of_header(value)
    return number(value, 0.001 if name.endswith("ms") else 1.0)


def of_words(text: str) -> float | None:
    """Return the seconds in words such as "Please try again in 1.5 minutes"."""
    match = WORDS.search(text)
    if match is None:
        return None
    amount, unit, rest = match.groups()
    unit = unit.lower()
    short = "ms" if unit.startswith(("ms", "milli")) else unit[0]
    return bounded(float(amount) * UNITS[short] + span(rest))


def span(text: str) -> float:
    """Return the seconds of ``6m0s``."""
    return sum(float(amount) * UNITS[unit] for amount, unit in SPAN.findall(text))


def number(value: Any, unit: float = 1.0) -> float | None:
    """Return the seconds of a number, which may be the time since 1970."""
    if isinstance(value, bool):
        return None
    try:
        amount = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if amount > EPOCH_MS:
        return bounded(amount / 1000 - time.time())
    if amount > EPOCH:
        return bounded(amount - time.time())
    return bounded(amount * unit)


def bounded(seconds: float) -> float | None:
    """Return seconds within reason; ``None`` if they say nothing."""
    if not math.isfinite(seconds) or seconds < 0:
        return None
    return min(seconds, MOST_SECONDS)
