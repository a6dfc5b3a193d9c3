"""A person's data out of this app and into it: archives of all that somebody has."""

from __future__ import annotations

from .exporting import export
from .files import Problem
from .imported import Imported, Refusal, TooManyRefused
from .importing import import_archive
from .people import context_of
from .reading import ArchiveRefused
from .survey import survey
from .writer import Export

__all__ = [
    "ArchiveRefused",
    "Export",
    "Imported",
    "Problem",
    "Refusal",
    "TooManyRefused",
    "context_of",
    "export",
    "import_archive",
    "survey",
]
