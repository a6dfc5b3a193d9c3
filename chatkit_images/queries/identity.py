"""Which row an image is: by its place, by a provider's id, by a client's id.

A provider's id is a fact about a call. Gateways repeat it in the next turn, change it
between two events, or leave it out. So the identity of a row is the place of its call,
and clients get an id of the app's own.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

from chatkit import types

from .. import models, url_tokens
from ..cleaning import clean
from ..querysets import GeneratedImageQuerySet
from . import own_urls

PREFIX = models.GeneratedImage.ID_PREFIX
IMAGE_ID = re.compile(rf"{PREFIX}([0-9a-f]{{32}})")
# Versions before had no other identity than the provider's id of the call.
BY_CALL = "call:"


def call_key(call_id: str | None) -> str:
    """Return a provider's id of a call as its column takes it, whatever it is."""
    return clean("" if call_id is None else str(call_id))[:255]


def key_of(image_id: str) -> uuid.UUID | None:
    """Return the primary key in a client's id of an image, if it is the app's own."""
    match = IMAGE_ID.fullmatch(image_id)
    return uuid.UUID(match[1]) if match else None


def replayed(image: models.GeneratedImage, sha256: str) -> models.GeneratedImage | None:
    """Return the complete image of its thread that an image repeats.

    A provider that replays a call sends the same id and the same bytes. The same id
    with other bytes is another image.
    """
    if not image.call_id:
        return None
    same = models.GeneratedImage.objects.filter(
        thread_id=image.thread_id,
        call_id=image.call_id,
        sha256=sha256,
        status=models.GeneratedImage.Status.COMPLETED,
    )
    found: models.GeneratedImage | None = (
        same.exclude(pk=image.pk).order_by("created_at", "pk").first()
    )
    return found


def of_image(
    image: types.GeneratedImage, thread_id: str, owner: str
) -> models.GeneratedImage | None:
    """Return the row of an image in an item that is to be saved, if there is one.

    ChatKit's own function gives an image the provider's id. Then its URL tells which of
    the images with that id it is.
    """
    rows = _of_thread(thread_id, owner)
    key = key_of(image.id)
    if key is None and (match := own_urls.OUR_URL.fullmatch(image.url)):
        token = url_tokens.read(match[1], expired_ok=True)
        if token is not None and token.kind == "image":
            key = uuid.UUID(token.key)
    if key is not None:
        found: models.GeneratedImage | None = rows.filter(pk=key).one()
        return found
    return _newest(rows.filter(call_id=call_key(image.id)))


def by_payload(
    images: Iterable[models.GeneratedImage], thread_id: str
) -> dict[str, models.GeneratedImage]:
    """Return images by what payloads of a thread's items name them.

    A payload of before names the provider's id only. Then the thread had one image with
    that id, and it is the oldest by now.
    """
    known: dict[str, models.GeneratedImage] = {}
    for image in images:
        known[str(image.pk)] = known[image.pk.hex] = image
        if image.thread_id != thread_id:
            continue
        earlier = known.get(image.call_id)
        if earlier is None or _age(image) < _age(earlier):
            known[image.call_id] = image
    return known


def _age(image: models.GeneratedImage) -> tuple[bool, float, str]:
    migrated = image.identity == f"{BY_CALL}{image.call_id}"
    return (not migrated, image.created_at.timestamp(), image.pk.hex)


def _of_thread(thread_id: str, owner: str) -> GeneratedImageQuerySet:
    own = models.GeneratedImage.objects.for_owner(owner)
    return own.filter(thread_id=clean(thread_id))


def _newest(rows: GeneratedImageQuerySet) -> models.GeneratedImage | None:
    found: models.GeneratedImage | None = rows.order_by("created_at", "pk").last()
    return found
