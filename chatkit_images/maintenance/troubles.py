"""What a job over many files could not do: counted, and the first of it kept."""

from __future__ import annotations

from collections import Counter

# Of a million files that a storage refuses, so many are kept in memory.
KEPT = 20


class Troubles(list[Exception]):
    """The first exceptions of a job, in their order, and how many there were of each.

    Attributes:
        counts: How many there were, by the names of their classes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def append(self, error: Exception) -> None:
        """Note an exception."""
        self.counts[type(error).__name__] += 1
        if len(self) < KEPT:
            super().append(error)

    @property
    def total(self) -> int:
        """How many there were."""
        return self.counts.total()

    def lines(self) -> list[str]:
        """Return what to print: each of the first ones, and how many more."""
        lines = [f"{type(error).__name__}: {error}" for error in self]
        if more := self.total - len(self):
            by_kind = ", ".join(f"{n} {name}" for name, n in self.counts.items())
            lines.append(f"and {more} more; in all {by_kind}")
        return lines
