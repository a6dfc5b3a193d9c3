"""Encryption of files by the project's class, before any disk or storage has them."""

from __future__ import annotations

from functools import cache
from typing import Protocol, cast

from django.utils.module_loading import import_string

from ..conf import settings


class Cipher(Protocol):
    """What the class that ``FILE_CIPHER`` names must have.

    It is made once in each process, without arguments, and its methods are called in
    many threads at once.
    """

    def encrypt(self, name: str, data: bytes) -> bytes:
        """Return the bytes that are written under a name."""

    def decrypt(self, name: str, data: bytes) -> bytes:
        """Return what was encrypted; raise any exception if that is not to be had."""


@cache
def cipher(path: str) -> Cipher:
    """Return the project's cipher.

    Raises:
        Exception: If it cannot be imported or made. A check says so.
    """
    return cast("Cipher", import_string(path)())


def encrypt(name: str, data: bytes) -> bytes:
    """Return the bytes as they are written: encrypted, if the project wants that.

    Raises:
        Exception: The cipher's own.
        TypeError: If it returns no bytes.
    """
    path = settings.FILE_CIPHER
    return data if path is None else _bytes(path, cipher(path).encrypt(name, data))


def decrypt(name: str, data: bytes) -> bytes:
    """Return the bytes as they were before ``encrypt``.

    Raises:
        Exception: The cipher's own, for example if it does not have the key.
        TypeError: If it returns no bytes.
    """
    path = settings.FILE_CIPHER
    return data if path is None else _bytes(path, cipher(path).decrypt(name, data))


def _bytes(path: str, found: object) -> bytes:
    if not isinstance(found, bytes):
        raise TypeError(f"{path} must return bytes, not {type(found).__name__}.")
    return found
