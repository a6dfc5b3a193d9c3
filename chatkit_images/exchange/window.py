"""A file that is read while it is written, of which only the newest part is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from ..conf import settings
from .archive import IN_MEMORY, PIECE


class Window:
    """What has been written of a file and was not taken yet.

    A zip writes the size of an entry into the head of it, once it is known. So it goes
    back, but never behind the entry: the bytes before may be on their way.
    """

    def __init__(self) -> None:
        self._taken = 0
        # No disk may have what is encrypted in the storage. Such files are small.
        self._file: Any = BytesIO()
        if settings.FILE_CIPHER is None:
            self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed below

    def write(self, data: bytes) -> int:
        """Write at the present place."""
        return int(self._file.write(data))

    def tell(self) -> int:
        """Return the present place, from the beginning of all."""
        return self._taken + int(self._file.tell())

    def seek(self, place: int) -> int:
        """Go to a place that was not taken yet."""
        return self._taken + int(self._file.seek(place - self._taken))

    def flush(self) -> None:
        """Do nothing: whoever takes the bytes sends them on."""

    def take(self) -> Iterator[bytes]:
        """Yield what was written since, and forget it."""
        size = self._file.tell()
        self._file.seek(0)
        while piece := self._file.read(PIECE):
            yield piece
        self._taken += size
        self._file.seek(0)
        self._file.truncate()

    def close(self) -> None:
        """Forget all."""
        self._file.close()
