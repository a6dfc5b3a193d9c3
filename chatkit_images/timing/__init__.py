"""Where the time of runs and images goes, and whom a run has asked."""

from __future__ import annotations

from .asked import Asked
from .figures import (
    Figures,
    Subject,
    Timings,
    about,
    carried,
    count,
    measured,
    part_of,
    spend,
    subject,
    warn_of_try,
)

__all__ = [
    "Asked",
    "Figures",
    "Subject",
    "Timings",
    "about",
    "carried",
    "count",
    "measured",
    "part_of",
    "spend",
    "subject",
    "warn_of_try",
]
