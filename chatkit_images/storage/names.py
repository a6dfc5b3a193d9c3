"""Names of files: random and made here, so that they hold nothing of a client's.

The files of a tenant are in a folder of their own, ``chatkit_images/~<tenant>/``. One
storage may serve all tenants, and nothing may find, count or delete another's files.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import NamedTuple

from ..contexts import working_context

PREFIX = "chatkit_images"
# Other names are digested: some file systems do not tell upper from lower case. None of
# these begins as a digest does.
TENANT = re.compile(r"[a-z0-9_][a-z0-9_-]{0,62}")
# A storage such as S3 accepts ".." in a name; only names of this form are used.
NAME = re.compile(
    rf"(?P<folder>{PREFIX}(?:/~[a-z0-9_-]{{1,63}})?)/(?P<kind>[a-z]+)"
    r"/[0-9a-f]{2}/(?P<key>[0-9a-f]{32})\.[a-z0-9]{1,5}"
)
# The folders below that of a tenant. What else is there is somebody else's, such as the
# snapshots and the lost files of a file system, which not everybody may list.
FOLDER = re.compile(r"[a-z]+|[0-9a-f]{2}")


class Blob(NamedTuple):
    """A stored file.

    Attributes:
        name: Its name.
        alias: The alias in ``STORAGES`` of the storage that has it, as its row says:
            empty in rows of before.
    """

    name: str
    alias: str


def folder() -> str:
    """Return the folder of the files of the tenant for whom this code works."""
    context = working_context()
    if context is None or not context.tenant:
        return PREFIX
    name = context.tenant
    if not TENANT.fullmatch(name):
        name = "-" + hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"{PREFIX}/~{name}"


def is_own(name: str) -> bool:
    """Whether a name is one of the app's own, of this tenant."""
    match = NAME.fullmatch(name)
    return match is not None and match["folder"] == folder()


def may_have_own(name: str) -> bool:
    """Whether a folder of this name, below that of a tenant, may have its files."""
    return FOLDER.fullmatch(name) is not None


def new_key() -> str:
    """Return 128 random bits in hexadecimal."""
    return secrets.token_hex(16)


def name_of(kind: str, key: str, extension: str) -> str:
    """Return the name of the file that has a key."""
    return f"{folder()}/{kind}/{key[:2]}/{key}.{extension}"


def new_name(kind: str, extension: str) -> str:
    """Return a name that no other file has."""
    return name_of(kind, new_key(), extension)


def renamed(name: str) -> str:
    """Return another name for a copy of a file, with the same folder and extension."""
    folders, _, file = checked(name).rpartition("/")
    key = new_key()
    return f"{folders.rpartition('/')[0]}/{key[:2]}/{key}.{file.rpartition('.')[2]}"


def key_of(name: str) -> str:
    """Return the key in a name."""
    match = NAME.fullmatch(name)
    return match["key"] if match else ""


def is_named(name: str) -> bool:
    """Whether a name is one of the app's own, of whatever tenant."""
    return NAME.fullmatch(name) is not None


def checked(name: str) -> str:
    """Return a name of the app's own.

    Raises:
        ValueError: If it is not one.
    """
    if not is_named(name):
        raise ValueError(f"Not a name made by chatkit_images: {name!r}.")
    return name
