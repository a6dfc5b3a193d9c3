"""Where the time of runs and images goes: figures, and the requests to models."""

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
from .rows import figures_of

__all__ = [
    "Asked",
    "Figures",
    "Subject",
    "Timings",
    "about",
    "carried",
    "count",
    "figures_of",
    "measured",
    "part_of",
    "spend",
    "subject",
    "warn_of_try",
]
