"""The figures that a row keeps, whatever JSON is in its column ``timings``."""

from __future__ import annotations

import re
from typing import Any

from .figures import Figures

MOST = 10**12
TIMES = re.compile(r"[a-z_]{1,40}_(?:ms|tries)")
COUNTS = {
    *("read_files", "requests", "model_retries", "database_failures"),
    *("images", "images_completed"),
}
PLACES = ("storage", "spool")


def figures_of(row: Any) -> Figures:
    """Return the figures of a run or an image, without what is none."""
    kept = row.timings if isinstance(row.timings, dict) else {}
    return {name: value for name, value in kept.items() if _is_figure(name, value)}


def _is_figure(name: str, value: Any) -> bool:
    if name == "stored_in":
        return value in PLACES
    if name == "recovered":
        return value is True
    if name not in COUNTS and TIMES.fullmatch(name) is None:
        return False
    return type(value) is int and 0 <= value < MOST
