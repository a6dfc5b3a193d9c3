"""Bytes in and out of the project's storage, off the event loop.

Names are random and made here. Files appear whole or not at all. Bytes that the storage
does not take wait in the spool.
"""

from __future__ import annotations

from . import (
    backlog,
    kept_parts,
    marker,
    presigned,
    presigned_urls,
    room,
    spool,
    whereabouts,
)
from .backend import (
    current_alias,
    get_storage,
    is_local,
    listed_names,
    listing,
    sized_listing,
    unfinished,
)
from .deleting import delete_all
from .encryption import Cipher
from .fields import ProjectStorage
from .flushing import flush_spool, moving
from .lanes import (
    begin,
    begin_for,
    begin_quietly,
    begin_spare,
    call,
    decode,
    drain,
    later,
    run,
)
from .names import (
    NAME,
    PREFIX,
    Blob,
    is_named,
    key_of,
    name_of,
    new_key,
    new_name,
    renamed,
)
from .patience import Patience, patiently
from .presigned_urls import url
from .readers import (
    PIECE,
    Reader,
    is_elsewhere,
    is_object,
    open_reader,
    path_on_disk,
    stored_size,
)
from .reading import delete, exists, open_file, read
from .writing import Upload, keep, spooled, store, upload

__all__ = [
    "NAME",
    "PIECE",
    "PREFIX",
    "Blob",
    "Cipher",
    "Patience",
    "ProjectStorage",
    "Reader",
    "Upload",
    "begin",
    "begin_for",
    "begin_quietly",
    "begin_spare",
    "call",
    "current_alias",
    "decode",
    "delete",
    "delete_all",
    "drain",
    "exists",
    "flush_spool",
    "get_storage",
    "is_elsewhere",
    "is_local",
    "is_named",
    "is_object",
    "keep",
    "kept_parts",
    "key_of",
    "later",
    "listed_names",
    "listing",
    "marker",
    "moving",
    "backlog",
    "name_of",
    "new_key",
    "new_name",
    "open_file",
    "open_reader",
    "path_on_disk",
    "patiently",
    "presigned",
    "presigned_urls",
    "read",
    "renamed",
    "room",
    "run",
    "sized_listing",
    "spool",
    "spooled",
    "store",
    "stored_size",
    "unfinished",
    "upload",
    "url",
    "whereabouts",
]
