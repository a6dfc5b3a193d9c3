"""Content credentials (C2PA): whether an image carries a manifest that is its own.

A manifest says who or what made an image, signed, and has a hash of all other bytes. So
an image keeps it whole or not at all. Only a manifest whose hash fits counts: one that
was put there as it is, or whose image was changed since, proves nothing and protects no
metadata beside it. The signature is not checked, as that takes a list of whom to trust.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .layout import Layout

# Types of the boxes of a store, of one manifest, and of its parts, as C2PA names them.
SUFFIX = bytes.fromhex("00110010800000aa00389b71")
STORE, ASSERTIONS, CLAIM, SIGNATURE = (
    kind + SUFFIX for kind in (b"c2pa", b"c2as", b"c2cl", b"c2cs")
)
MANIFESTS = (b"c2ma" + SUFFIX, b"c2um" + SUFFIX)
HASH = b"c2pa.hash."
DIGESTS = {32: hashlib.sha256, 48: hashlib.sha384, 64: hashlib.sha512}
# Far beyond any real manifest.
MAX_BOXES, MAX_VALUES, MAX_DEPTH = 1000, 1000, 8


@dataclass(frozen=True)
class Box:
    """A superbox of JUMBF: its type, its label, and where its content is."""

    kind: bytes
    label: bytes
    start: int
    stop: int


def are_own(data: bytes, layout: Layout) -> bool:
    """Whether an image has content credentials that were made for its bytes.

    Args:
        data: The image, without bytes after its end.
        layout: Its layout.
    """
    store = b"".join(data[start:stop] for start, stop in layout.credentials)
    try:
        return bool(store) and _fit(store, data)
    except (struct.error, IndexError, KeyError, TypeError, ValueError):
        # It is no manifest, or not as one has to be.
        return False


def _fit(store: bytes, data: bytes) -> bool:
    [root] = _superboxes(store, 0, len(store))
    if root.kind != STORE or root.label != b"c2pa":
        return False
    *_, manifest = (
        box
        for box in _superboxes(store, root.start, root.stop)
        if box.kind in MANIFESTS
    )
    parts = {box.kind: box for box in _superboxes(store, manifest.start, manifest.stop)}
    if not {ASSERTIONS, CLAIM, SIGNATURE} <= parts.keys():
        return False
    told = parts[ASSERTIONS]
    hashes = [
        box
        for box in _superboxes(store, told.start, told.stop)
        if box.label.startswith(HASH)
    ]
    plain = [box for box in hashes if box.label.startswith(HASH + b"data")]
    if not plain:
        # An update, whose hash is in the manifest before it, or a hash of another kind.
        return bool(hashes) or manifest.kind == MANIFESTS[1]
    return _is_hash_of(_content(store, plain[0]), data)


def _is_hash_of(said: Any, data: bytes) -> bool:
    """Whether a ``c2pa.hash.data`` assertion is about an image."""
    view = memoryview(data)
    found = DIGESTS[len(said["hash"])]()
    position = 0
    for each in said.get("exclusions", ()):
        start, length = each["start"], each["length"]
        if not position <= start <= start + length <= len(data):
            return False
        found.update(view[position:start])
        position = start + length
    found.update(view[position:])
    return bool(found.digest() == said["hash"])


def _content(store: bytes, box: Box) -> Any:
    for kind, start, stop in _boxes(store, box.start, box.stop):
        if kind == b"cbor":
            return _Reader(store[start:stop]).value()
    raise ValueError("The assertion has no content.")


def _superboxes(store: bytes, start: int, stop: int) -> Iterator[Box]:
    for kind, begin, end in _boxes(store, start, stop):
        if kind != b"jumb":
            continue
        name, first, last = next(_boxes(store, begin, end))
        if name != b"jumd":
            raise ValueError("A superbox has no description.")
        label = store[first + 17 : last].partition(b"\0")[0]
        yield Box(store[first : first + 16], label, last, end)


def _boxes(store: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and stop of the content of each box."""
    for _ in range(MAX_BOXES):
        if start == stop:
            return
        length, kind = struct.unpack_from(">I4s", store, start)
        if length < 8 or start + length > stop:
            break
        yield kind, start + 8, start + length
        start += length
    raise ValueError("The boxes do not fit.")


class _Reader:
    """Reads the CBOR of an assertion: maps, lists, texts, bytes and whole numbers."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._left = data, 0, MAX_VALUES

    def value(self, depth: int = MAX_DEPTH) -> Any:
        """Return the next value.

        Raises:
            ValueError: If it is of another type, too deep, or there are too many.
            IndexError: If the data ends early.
        """
        self._left -= 1
        if not depth or not self._left:
            raise ValueError("The assertion is too large.")
        major, size = self._head()
        if major == 0:
            return size
        if major in (2, 3):
            self._at += size
            found = self._data[self._at - size : self._at]
            if len(found) < size:
                raise IndexError("The assertion ends early.")
            return found.decode() if major == 3 else found
        if size > MAX_VALUES:
            raise ValueError("The assertion is too large.")
        if major == 4:
            return [self.value(depth - 1) for _ in range(size)]
        if major == 5:
            return {self.value(depth - 1): self.value(depth - 1) for _ in range(size)}
        raise ValueError("The assertion has a value of another type.")

    def _head(self) -> tuple[int, int]:
        first = self._data[self._at]
        major, size = first >> 5, first & 31
        self._at += 1
        if size >= 24:
            width = 1 << size - 24
            if width > 8:
                raise ValueError("A length is left open.")
            size = int.from_bytes(self._data[self._at : self._at + width], "big")
            self._at += width
        return major, size
