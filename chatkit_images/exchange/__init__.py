"""A person's data out of this app and into it: archives of all that somebody has."""

from __future__ import annotations

from .exporting import export
from .files import Problem
from .people import context_of
from .survey import survey
from .writer import Export

__all__ = [
    "Export",
    "Problem",
    "context_of",
    "export",
    "survey",
]
