"""Which images of a history go to the model: a number of them in all.

Generated, sent and named images count alike. Those that the person has sent with the
newest message go along in any case. So do those of the turn before, of which the
message may speak, as far as the number allows.

A converter of the project's may put other images into an input. As many of them go
along, the newest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from chatkit import types

from ..queries.model_rows import tags
from . import windows

# Images of the newest message that go along, if more are sent than the number allows.
NEWEST = 20
# What tells the images of items apart: the ids of an item and of what is in it.
Spot = tuple[str, str]


class ShownImages:
    """Says of each image of an input whether it is shown.

    Args:
        items: The history, oldest first.
        named: The ids of the images that mentions can name.
        count: How many are shown at most; the window over them moves in steps.
        newest: How many images that came with the newest message are shown at least.
    """

    def __init__(
        self,
        items: Sequence[types.ThreadItem],
        named: Collection[str],
        count: int,
        newest: int,
    ) -> None:
        self._known = {spot for item in items for spot in _spots(item, named)}
        self._chosen = chosen(items, named, count, newest)
        self._room = count

    def may_show(self, spot: Spot) -> bool:
        """Whether an image is shown; it is asked in the order newest first."""
        if spot not in self._known:
            self._known.add(spot)
            if self._room > 0:
                self._room -= 1
                self._chosen.add(spot)
        return spot in self._chosen


def chosen(
    items: Sequence[types.ThreadItem], named: Collection[str], count: int, newest: int
) -> set[Spot]:
    """Return the spots of the images that are shown; see ``ShownImages``."""
    spots: list[Spot] = []
    # How many there are before each message of the person's.
    before = [0]
    own: list[Spot] = []
    for item in items:
        if isinstance(item, types.UserMessageItem):
            before.append(len(spots))
            own = [(item.id, file.id) for file in _images(item)][:newest]
        spots += _spots(item, named)
    # Those since the message before the newest: the turn before, and the newest.
    lately = len(spots) - before[-2:][0]
    return windows.shown(spots, count, lately) | set(own)


def _spots(item: types.ThreadItem, named: Collection[str]) -> Iterator[Spot]:
    """Yield the spots of an item's images, the one that is wanted most at the end."""
    if isinstance(item, types.GeneratedImageItem) and item.image is not None:
        yield item.id, item.id
    elif isinstance(item, types.UserMessageItem):
        for tag in reversed(dict.fromkeys(tag.id for tag in tags([item]))):
            if tag in named:
                yield item.id, tag
        for file in reversed(_images(item)):
            yield item.id, file.id


def _images(item: types.UserMessageItem) -> list[types.Attachment]:
    return [
        file for file in item.attachments if isinstance(file, types.ImageAttachment)
    ]
