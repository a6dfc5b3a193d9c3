"""Which call of a response an event is about, whatever its ids are worth.

Every event has the index of its item in the response, which is the first key. The
provider's id is the second: gateways leave it out, change it between two events, give
one id to several calls, or have one index for all calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .calls import ImageCall
from .finals import Final


@dataclass(eq=False)
class Place:
    """A call in its response.

    Attributes:
        call: The call.
        index: The index of its item; ``None`` if no event has told it.
        ids: The ids that its events had.
        began: Whether an event said that it begins.
        began_again: Whether one said so when it had its image.
        settled: Whether the output at the end of the response has repeated it.
    """

    call: ImageCall
    index: int | None
    ids: set[str] = field(default_factory=set)
    began: bool = False
    began_again: bool = False
    settled: bool = False

    @property
    def is_open(self) -> bool:
        """Whether its final is still to come."""
        return self.call.final is None

    @property
    def lacks_image(self) -> bool:
        """Whether it has no image so far, whatever was said about it."""
        return self.call.final is None or self.call.final.image is None

    def repeats(self, final: Final) -> bool:
        """Whether a final is the one that it has."""
        mine = self.call.final
        return mine is not None and mine.mark is not None and mine.mark == final.mark


def index_of(data: Any) -> int | None:
    """Return the index of an event's item. The client takes events without one."""
    index = getattr(data, "output_index", None)
    return index if isinstance(index, int) else None


class Places:
    """The calls of one response.

    Args:
        stream: The number of the stream in the turn.
        number: The ordinal of the response in its stream.
    """

    def __init__(self, stream: int, number: int = 0) -> None:
        self.stream = stream
        self.number = number
        # Whether the response has said that it is at its end.
        self.ended = False
        self.response_id = ""
        self._places: list[Place] = []

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def end(self) -> None:
        """Note that the end has come, which repeats the calls; it may come twice."""
        self.ended = True
        for place in self:
            place.settled = False

    def add(self, place: Place) -> None:
        """Note a new call."""
        self._places.append(place)

    def name(self, index: int | None) -> str:
        """Return what tells a new call at an index apart from all others of the turn.

        It is the same whenever the same events come, and not a word of the provider's.
        """
        at = sum(place.index == index for place in self._places)
        place = "x" if index is None else index
        return f"{self.stream}.{self.number}.{place}.{at}"

    def following(self) -> Places:
        """Return the calls of the response that follows, which has none so far."""
        return Places(self.stream, self.number + 1)

    def beginning(self, index: int | None, provider_id: str) -> Place | None:
        """Return the call that an event begins, if it has begun already."""
        here = self._at(index)
        if not provider_id:
            return _first(place for place in here if place.is_open)
        return _first(place for place in here if provider_id in place.ids)

    def unannounced(self, index: int | None) -> Place | None:
        """Return a call at an index whose beginning was not told, only what followed.

        A second event that begins a call there is of another call.
        """
        return _first(
            place for place in self._at(index) if place.is_open and not place.began
        )

    def of_event(self, index: int | None, provider_id: str) -> Place | None:
        """Return the call of an event that brings no final image."""
        here = self._at(index)
        known = [place for place in here or self if provider_id in place.ids]
        return (
            _first(place for place in known if place.is_open)
            or _first(known)
            or _first(place for place in here if place.is_open)
            or (_last(here) if not provider_id else None)
        )

    def of_preview(self, index: int | None, provider_id: str) -> Place | None:
        """Return the call of a preview, which may come after its final.

        Where every event of a call has another id, only the place tells.
        """
        found = self.of_event(index, provider_id)
        if found is None and index is not None and not self.ended:
            found = _last(self._at(index))
        return found

    def of_final(
        self, index: int | None, provider_id: str, final: Final
    ) -> Place | None:
        """Return the call of a finished item that has an image."""
        here = self._at(index)
        known = [place for place in here or self if provider_id in place.ids]
        if self.ended:
            # It is late, or of another response that did not say that it begins.
            here = []
        return (
            _first(place for place in known if place.is_open)
            or _first(place for place in here if place.is_open)
            or _first(place for place in [*known, *here] if place.repeats(final))
            or _first(place for place in known if place.lacks_image)
            or _first(place for place in here if place.lacks_image)
            # A call that began once ends once, whatever is sent for it again.
            or _first(
                place
                for place in known
                if place.began and not place.began_again and place.index == index
            )
        )

    def of_end(self, index: int, provider_id: str, final: Final) -> Place | None:
        """Return the call of an item in the output at the end of a response.

        Some gateways leave items out of the output, so an index there says little, and
        some give a call another id at the end.
        """
        left = [place for place in self if not place.settled]
        known = [place for place in left if provider_id in place.ids]
        place = _at_end(known, index, final) or _same(known, index)
        if place is None and not any(provider_id in place.ids for place in self):
            place = _at_end(left, index, final)
        if place is None and final.image is not None:
            place = _first(place for place in self if place.repeats(final))
        if place is not None:
            place.settled = True
        return place

    def _at(self, index: int | None) -> list[Place]:
        if index is None:
            return list(self._places)
        return [place for place in self._places if place.index == index]


def _at_end(places: list[Place], index: int, final: Final) -> Place | None:
    """Return which of some calls an item at the end of their response is about."""
    lacking = [place for place in places if place.lacks_image]
    here = [place for place in lacking if place.index == index]
    if final.image is None:
        # Of a call that has its image nothing more is to be learned.
        return _first(here) or _first(lacking)
    return (
        _first(place for place in here if place.is_open)
        or _first(place for place in places if place.repeats(final))
        or _first(here)
        or _first(lacking)
    )


def _same(known: list[Place], index: int) -> Place | None:
    """Return the call with an id, which has its image: the end sends it once more."""
    here = [place for place in known if place.index == index]
    return _first(here) or (known[0] if len(known) == 1 else None)


def _first(places: Iterator[Place] | list[Place]) -> Place | None:
    return next(iter(places), None)


def _last(places: list[Place]) -> Place | None:
    return places[-1] if places else None
