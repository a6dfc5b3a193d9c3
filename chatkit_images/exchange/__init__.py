"""A person's data out of this app and into it: archives of all that somebody has."""

from __future__ import annotations

from .exporting import export
from .files import Problem
from .from_store import import_store
from .image_zip import zip_of
from .imported import Imported, Refusal, TooManyRefused
from .importing import import_archive
from .people import context_of
from .places import StoreRefused, Tenancy, people_of, store_of
from .reading import ArchiveRefused
from .survey import survey
from .writer import Export
from .zip_parts import Part, part_of

__all__ = [
    "ArchiveRefused",
    "Export",
    "Imported",
    "Part",
    "Problem",
    "Refusal",
    "StoreRefused",
    "Tenancy",
    "TooManyRefused",
    "context_of",
    "export",
    "import_archive",
    "import_store",
    "part_of",
    "people_of",
    "store_of",
    "survey",
    "zip_of",
]
