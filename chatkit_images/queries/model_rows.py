"""Rows of what a model's input is made of: a statement for each kind of rows."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from chatkit import types
from django.db.models import F, Q

from .. import models, notes
from ..cleaning import clean
from ..context import RequestContext
from . import identity, variants
from .named_images import MOST_NAMED

# The ids of a thread and an item, and the name of the image in the item.
Spot = tuple[str, str, str]


@dataclass
class ModelRows:
    """Rows for one input, all of them the owner's.

    Attributes:
        owner: Whose they are.
        images: The image of an image item, or the one in whose place a note stands, by
            the ids of thread and item, and by the name of the image.
        attachments: By their ids.
        named: The images that mentions name, by the ids that clients know.
        since: When the first of them was read.

    ``None`` is in the place of a row that is not there.
    """

    owner: str
    images: dict[Spot, models.GeneratedImage | None] = field(default_factory=dict)
    attachments: dict[str, models.Attachment | None] = field(default_factory=dict)
    named: dict[str, models.GeneratedImage | None] = field(default_factory=dict)
    since: float = field(default_factory=monotonic)

    def has(self, item: types.ThreadItem) -> bool:
        """Whether it is known which image an item shows or stands for, if any."""
        return not _has_image(item) or _spot(item) in self.images

    def covers(self, item: types.ThreadItem) -> bool:
        """Whether all is known that an input needs of an item."""
        if not isinstance(item, types.UserMessageItem):
            return self.has(item)
        return all(file.id in self.attachments for file in item.attachments) and all(
            tag.id in self.named for tag in tags([item])
        )

    def image(self, item: types.ThreadItem) -> models.GeneratedImage | None:
        """Return the image of an item, or the one in whose place a note stands."""
        return self.images.get(_spot(item))

    def __len__(self) -> int:
        return len(self.images) + len(self.attachments) + len(self.named)


def of_items(
    items: Sequence[types.ThreadItem], context: RequestContext, found: ModelRows
) -> ModelRows:
    """Look up the rows that an input of items needs, in two statements at most.

    Args:
        items: The items.
        context: Whose they are.
        found: Gets them. What it has by now is not looked up again.
    """
    shown = [item for item in items if not found.has(item)]
    ids = dict.fromkeys(tag.id for tag in tags(items) if tag.id not in found.named)
    named = list(ids)[: max(0, MOST_NAMED - len(found.named))]
    if shown or named:
        _find_images(shown, named, found)
    files = {
        file.id
        for item in items
        if isinstance(item, types.UserMessageItem)
        for file in item.attachments
    }
    find_files(files - found.attachments.keys(), context, found)
    return found


def find_named(name: str, found: ModelRows) -> None:
    """Look up one image that no item names, unless there are too many by now."""
    if len(found.named) < MOST_NAMED:
        _find_images((), (name,), found)


def find_files(ids: Collection[str], context: RequestContext, found: ModelRows) -> None:
    """Look attachments up, each with its form for models."""
    if not ids:
        return
    found.attachments.update(dict.fromkeys(ids))
    own = models.Attachment.objects.for_owner(context.owner)
    for row in variants.joined(own.filter(pk__in=set(map(clean, ids)))):
        found.attachments[row.pk] = row


def tags(items: Iterable[types.ThreadItem]) -> list[types.UserMessageTagContent]:
    """Return the mentions of images in items, those of the newest item first."""
    return [
        part
        for item in reversed(list(items))
        if isinstance(item, types.UserMessageItem)
        for part in item.content
        if isinstance(part, types.UserMessageTagContent) and identity.key_of(part.id)
    ]


def _find_images(
    items: Sequence[types.ThreadItem], named: Sequence[str], found: ModelRows
) -> None:
    """Look the images up that items show or replace, and those with ids of clients."""
    by_key: dict[uuid.UUID, list[types.ThreadItem]] = {}
    by_call: dict[str, list[types.ThreadItem]] = {}
    for item in items:
        found.images[_spot(item)] = None
        name = _name_in(item)
        key = identity.key_of(name)
        if key is not None:
            by_key.setdefault(key, []).append(item)
        else:
            by_call.setdefault(identity.call_key(name), []).append(item)
    found.named.update(dict.fromkeys(named))
    keys = {key for name in named if (key := identity.key_of(name))} | by_key.keys()
    for row in _images(keys, items if by_call else (), list(by_call), found.owner):
        if row.image_id in found.named:
            found.named[row.image_id] = visible(row)
        for item in by_key.get(row.pk, ()):
            is_image = isinstance(item, types.GeneratedImageItem)
            image = (shown if is_image else of_thread)(row, item.thread_id)
            found.images[_spot(item)] = image
        for item in by_call.get(row.call_id, ()):
            # The newest of those in the item, else the newest.
            spot = _spot(item)
            before = found.images[spot]
            if shown(row, item.thread_id) and (
                before is None
                or vars(row)["in_item"] == item.id
                or vars(before)["in_item"] != item.id
            ):
                found.images[spot] = row


def _images(
    keys: Collection[uuid.UUID],
    items: Iterable[types.ThreadItem],
    calls: Collection[str],
    owner: str,
) -> list[models.GeneratedImage]:
    """Return the owner's images, oldest first, each with its form for models."""
    wanted = Q(pk__in=keys)
    if calls:
        threads = {clean(item.thread_id) for item in items}
        wanted |= Q(thread_id__in=threads, call_id__in=calls)
    # Some databases would answer a condition on the owner by all that the owner has.
    rows = variants.joined(models.GeneratedImage.objects.filter(wanted)).annotate(
        whose=F("thread__owner"), in_item=F("item__item_id")
    )
    own = [row for row in rows.order_by() if vars(row)["whose"] == owner]
    return sorted(own, key=lambda row: (row.created_at, row.pk))


def _has_image(item: types.ThreadItem) -> bool:
    if isinstance(item, types.GeneratedImageItem):
        return item.image is not None
    note = isinstance(item, types.AssistantMessageItem) and notes.is_note(item)
    return note and identity.key_of(item.id) is not None


def _spot(item: types.ThreadItem) -> Spot:
    # A converter of the project's may put another image into an item.
    return item.thread_id, item.id, _name_in(item)


def _name_in(item: types.ThreadItem) -> str:
    if isinstance(item, types.GeneratedImageItem) and item.image is not None:
        return item.image.id
    return item.id


def of_thread(
    image: models.GeneratedImage | None, thread_id: str
) -> models.GeneratedImage | None:
    """Return an image if it is one of a thread."""
    return image if image is not None and image.thread_id == thread_id else None


def shown(
    image: models.GeneratedImage | None, thread_id: str
) -> models.GeneratedImage | None:
    """Return an image if an item of a thread has it, shown or withheld."""
    found = of_thread(image, thread_id)
    return found if found is not None and found.has_result else None


def visible(image: models.GeneratedImage | None) -> models.GeneratedImage | None:
    """Return an image if mentions may name it, as the query set's ``shown()`` says."""
    if image is None or image.superseded_at is not None:
        return None
    return image if image.is_shown else None
