"""The chunks of a log: the newest as they came, the older ones as a digest."""

from __future__ import annotations

from ...conf import settings
from .digest import Digest

Entry = tuple[int, bytes]
"""A chunk and its number; 0 for a chunk after which no reader can resume."""
Batch = list[Entry]
# Bytes that a reader takes at once: what it holds while its client does not read.
BATCH_BYTES = 64 * 2**10


class Chunks:
    """Chunks of a stream, numbered from 1, in a bounded memory.

    Invariants:

    - ``kept`` has the chunks ``first`` to ``last``, without a gap.
    - ``size`` is the sum of their bytes, at most ``RUN_LOG_BYTES``.
    - The digest shows the chunks 1 to ``digested``, and
      ``first - 1 <= digested <= last``: no chunk is in neither. So a reader that has
      got the digest reads on after ``digested`` and misses nothing.

    Attributes:
        kept: The chunks that are kept as they came.
        first: Number of the first of them, or of the next chunk if there is none.
        last: Number of the newest chunk.
        size: Bytes of the chunks that are kept.
        digested: Number of the last chunk that the digest shows.
    """

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.first = 1
        self.last = 0
        self.size = 0
        self.digested = 0
        self._digest = Digest()

    def append(self, chunk: bytes) -> None:
        """Add a chunk."""
        self.last += 1
        self.kept.append(chunk)
        self.size += len(chunk)
        limit = settings.RUN_LOG_BYTES
        if self.size > limit:
            # A quarter more is trimmed, so that trimming is not done for each chunk.
            self._trim(limit * 3 // 4)

    def restart(self, number: int, digest: list[bytes]) -> None:
        """Begin anew after a number, with the digest of all up to it."""
        self.kept, self.size = [], 0
        self.first, self.last, self.digested = number + 1, number, number
        self._digest = Digest()
        for chunk in digest:
            self._digest.add(chunk)

    def lack(self, position: int) -> bool:
        """Whether the chunk after a number is in the digest only."""
        return position + 1 < self.first

    def after(self, position: int) -> Batch:
        """Return the next chunks after a number, as many as one batch has."""
        size, batch = 0, []
        # An iterator would go through all chunks that the reader already has.
        for index in range(position + 1 - self.first, len(self.kept)):
            chunk = self.kept[index]
            position += 1
            size += len(chunk)
            batch.append((position, chunk))
            if size >= BATCH_BYTES:
                break
        return batch

    def digest(self, upto: int = 0) -> Batch:
        """Return the digest of the chunks up to a number, or further."""
        self._fold(upto)
        chunks = self._digest.chunks()
        # Only the last chunk has a number, so a reader that is cut off before the last
        # one gets all of the digest again.
        return [(0, chunk) for chunk in chunks[:-1]] + [
            (self.digested, chunk) for chunk in chunks[-1:]
        ]

    def _fold(self, upto: int) -> None:
        """Add the chunks up to a number to the digest."""
        while self.digested < upto:
            self._digest.add(self.kept[self.digested + 1 - self.first])
            self.digested += 1

    def _trim(self, size: int) -> None:
        """Keep the newest chunks of at most this size."""
        count = 0
        for chunk in self.kept:
            if self.size <= size:
                break
            self.size -= len(chunk)
            count += 1
        self._fold(self.first + count - 1)
        del self.kept[:count]
        self.first += count
