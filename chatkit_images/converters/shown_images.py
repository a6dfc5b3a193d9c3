"""Which images of a history go to the model: a number of them in all.

Generated, sent and named images count alike, and those that the person has sent with
the newest message come first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from chatkit import types

from ..queries.model_rows import tags

# Images of the newest message that go along, if more are sent than the number allows.
NEWEST = 20
# What tells the images of items apart: the ids of an item and of what is in it.
Place = tuple[str, str]


def chosen(
    items: Sequence[types.ThreadItem], named: Collection[str], count: int, newest: int
) -> set[Place]:
    """Return the places of the images that are shown.

    Args:
        items: The history, oldest first.
        named: The ids of the images that mentions can name.
        count: How many are shown.
        newest: How many images that came with the newest message are shown at least.
    """
    places = [place for item in items for place in _places(item, named)]
    sent = next(
        (i for i in reversed(items) if isinstance(i, types.UserMessageItem)), None
    )
    own = [(sent.id, file.id) for file in _images(sent)][:newest] if sent else []
    older = [place for place in places if place not in own]
    left = max(0, count - len(own))
    return {*own, *(older[-left:] if left else ())}


def _places(item: types.ThreadItem, named: Collection[str]) -> Iterator[Place]:
    """Yield the places of an item's images, that which goes first at the end."""
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
