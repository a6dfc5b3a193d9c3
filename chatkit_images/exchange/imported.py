"""What became of the lines of an import."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

# So many problems are kept in memory. Whoever wants all of them is told of each.
MOST_KEPT = 100
# After so many an import ends: the rest is not worth the time.
MOST_REFUSED = 10_000


@dataclass(frozen=True)
class Refusal:
    """What was not imported, or not as a whole.

    Attributes:
        place: Where it stands: ``"line 5"``, or the id of a thread.
        what: What it is, such as ``"image"``, with its id if that is known.
        why: Why, in a sentence.
    """

    place: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}: {self.why}"


class TooManyRefused(Exception):
    """So much was refused that the import has ended."""


@dataclass
class Imported:
    """What an import has done, or would do.

    Attributes:
        new: How many rows of each kind were made.
        there: How many were there already, and stay as they are.
        refused: How many of each kind were not imported.
        notes: How many were imported, but not as a whole.
        refusals: The first of both.
        tell: Is called with each of both.
    """

    new: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    tell: Callable[[Refusal], None] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether everything is there."""
        return not self.refused and not self.notes

    def refuse(self, kind: str, refusal: Refusal) -> None:
        """Note what was not imported.

        Raises:
            TooManyRefused: If these are too many.
        """
        self.refused[kind] += 1
        self._add(refusal)
        if self.refused.total() > MOST_REFUSED:
            raise TooManyRefused(
                f"More than {MOST_REFUSED} were refused; the import has ended."
            )

    def note(self, kind: str, refusal: Refusal) -> None:
        """Note what was not imported as a whole."""
        self.notes[kind] += 1
        self._add(refusal)

    def _add(self, refusal: Refusal) -> None:
        if len(self.refusals) < MOST_KEPT:
            self.refusals.append(refusal)
        if self.tell is not None:
            self.tell(refusal)
