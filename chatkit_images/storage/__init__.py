"""Bytes in and out of the project's storage, off the event loop.

Names are random and made here. Files appear whole or not at all. Bytes that the storage
does not take wait in the spool.
"""

from __future__ import annotations

from . import backlog, room, spool
from .backend import get_storage, is_local, listing, unfinished
from .fields import ProjectStorage
from .lanes import call, decode, drain, later, run
from .names import NAME, PREFIX, key_of, name_of, new_key, new_name
from .reading import delete, exists, open_file, read
from .writing import Upload, flush_spool, keep, spooled, store, upload

__all__ = [
    "NAME",
    "PREFIX",
    "ProjectStorage",
    "Upload",
    "call",
    "decode",
    "delete",
    "drain",
    "exists",
    "flush_spool",
    "get_storage",
    "is_local",
    "keep",
    "key_of",
    "later",
    "listing",
    "backlog",
    "name_of",
    "new_key",
    "new_name",
    "open_file",
    "read",
    "room",
    "run",
    "spool",
    "spooled",
    "store",
    "unfinished",
    "upload",
]
