"""Checks of ``CHATKIT_IMAGES["RETENTION"]``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks

from ..conf.retention import checked_retention


def check_retention(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Yield an error for each part of ``RETENTION`` that is none."""
    retention = values.get("RETENTION", {})
    parts = [retention]
    if isinstance(retention, dict):
        parts = [{key: value} for key, value in retention.items()]
    for part in parts:
        try:
            checked_retention(part)
        except (TypeError, ValueError) as error:
            yield checks.Error(
                f"CHATKIT_IMAGES['RETENTION']: {error}",
                hint="docs/retention.md has the keys. A value is a number of days, a "
                "timedelta or None.",
                id="chatkit_images.E038",
            )
