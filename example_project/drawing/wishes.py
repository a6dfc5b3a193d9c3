"""What the words of a prompt say about the image."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .shapes import COLOURS, Colour

#: The subjects that can be drawn, by the words that name them.
SUBJECTS = {
    "fox": "fox foxes vixen",
    "cat": "cat cats kitten kittens",
    "house": "house houses cottage cabin home hut",
    "tree": "tree trees oak pine pines fir forest wood woods",
    "boat": "boat boats ship ships sailboat sail",
}
NAMES = {word: name for name, words in SUBJECTS.items() for word in words.split()}

NIGHT = frozenset(
    ["night", "dark", "midnight", "moon", "moonlit", "moonlight", "stars", "starry"]
)
SNOW = frozenset(["snow", "snowy", "winter", "snowing", "ice", "frost", "christmas"])
SUNSET = frozenset(["sunset", "sunrise", "dusk", "dawn", "evening"])
AUTUMN = frozenset(["autumn", "fall", "autumnal", "october"])
DAY = frozenset(
    ["day", "daylight", "morning", "noon", "sunny", "sun", "summer", "spring"]
)
WATER = frozenset(["water", "sea", "lake", "river", "ocean", "harbour", "beach"])
LAND = frozenset(
    ["hill", "hills", "mountain", "mountains", "landscape", "meadow", "field", "sky"]
)
MANY = {"trees": 3, "pines": 3, "forest": 4, "wood": 3, "woods": 4}
MORE = frozenset(["add", "another", "with", "and", "more", "beside"])


@dataclass(frozen=True)
class Wish:
    """The parts of a prompt that the drawing knows how to draw."""

    subjects: tuple[tuple[str, Colour | None], ...]
    colour: Colour | None
    night: bool
    snow: bool
    sunset: bool
    autumn: bool
    day: bool
    water: bool
    land: bool
    more: bool
    pine: bool

    @property
    def scenic(self) -> bool:
        """Return whether there is anything to draw a landscape for."""
        return bool(
            self.subjects
            or self.night
            or self.snow
            or self.sunset
            or self.autumn
            or self.day
            or self.water
            or self.land
        )


def knows(prompt: str) -> bool:
    """Return whether the drawing has anything for the words of a prompt."""
    return read(prompt).scenic


def read(prompt: str) -> Wish:
    """Return what the prompt wishes for; a colour belongs to the next subject."""
    words = re.findall(r"[a-z]+", prompt.lower())
    known = set(words)
    subjects: dict[str, tuple[Colour | None, int]] = {}
    colour = last_colour = None
    for word in words:
        if word in COLOURS:
            colour = last_colour = COLOURS[word]
        elif word in NAMES:
            count = MANY.get(word, 2 if word.endswith("s") else 1)
            subjects.setdefault(NAMES[word], (colour, count))
            colour = None
    return Wish(
        subjects=tuple(
            (name, colour)
            for name, (colour, count) in subjects.items()
            for _ in range(count)
        ),
        colour=last_colour,
        night=bool(known & NIGHT),
        snow=bool(known & SNOW),
        sunset=bool(known & SUNSET),
        autumn=bool(known & AUTUMN),
        day=bool(known & DAY),
        water=bool(known & WATER) or "boat" in subjects,
        land=bool(known & LAND),
        more=bool(known & MORE),
        pine=bool(known & {"pine", "pines", "fir", "christmas"} or known & SNOW),
    )
