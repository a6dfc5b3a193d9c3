"""Settings of the app with more under ``TUNING``."""

from __future__ import annotations

from typing import Any


def merged(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return the first dict with the second on top, and both under ``TUNING``."""
    tuning = values.get("TUNING", {}) | more.get("TUNING", {})
    return values | more | {"TUNING": tuning}


def tuned(values: dict[str, Any], **tuning: Any) -> dict[str, Any]:
    """Return the dict with more under ``TUNING``."""
    return merged(values, {"TUNING": tuning})
