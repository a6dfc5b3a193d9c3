"""Names of files: random and made here, so that they hold nothing of a client's."""

from __future__ import annotations

import re
import secrets

PREFIX = "chatkit_images"
# A storage such as S3 accepts ".." in a name; only names of this form are used.
NAME = re.compile(
    rf"{PREFIX}/(?P<kind>[a-z]+)/[0-9a-f]{{2}}/(?P<key>[0-9a-f]{{32}})\.[a-z0-9]{{1,5}}"
)


def new_key() -> str:
    """Return 128 random bits in hexadecimal."""
    return secrets.token_hex(16)


def name_of(kind: str, key: str, extension: str) -> str:
    """Return the name of the file that has a key."""
    return f"{PREFIX}/{kind}/{key[:2]}/{key}.{extension}"


def new_name(kind: str, extension: str) -> str:
    """Return a name that no other file has."""
    return name_of(kind, new_key(), extension)


def key_of(name: str) -> str:
    """Return the key in a name."""
    match = NAME.fullmatch(name)
    return match["key"] if match else ""


def checked(name: str) -> str:
    """Return a name of the app's own.

    Raises:
        ValueError: If it is not one.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"Not a name made by chatkit_images: {name!r}.")
    return name
