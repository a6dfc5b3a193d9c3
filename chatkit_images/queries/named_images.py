"""Images that a person can name in a message: the owner's, from all threads."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import Q

from .. import models
from ..cleaning import clean
from ..context import RequestContext
from ..querysets import GeneratedImageQuerySet
from .identity import key_of

# Images in one list to choose from.
MOST_FOUND = 20
# Among the newest images of the newest threads.
MOST_SEARCHED, MOST_THREADS, THREADS_AT_ONCE = 1000, 1000, 100
# Of what a person types, so many characters and words are looked for.
MOST_CHARACTERS, MOST_WORDS = 200, 8
# Images that one input of a model can name.
MOST_NAMED = 100


def search(query: str, context: RequestContext) -> list[models.GeneratedImage]:
    """Return the newest images whose prompts have all words of a query.

    It is asked at each key, so no statement sorts or searches more than the owner's
    ``MOST_SEARCHED`` newest images: with an order and a limit a database may read the
    images of everybody from the newest on.

    Args:
        query: What the person types; empty for the newest of all.
        context: Whose images they are.
    """
    keys = _newest(context)
    words = clean(query[:MOST_CHARACTERS]).split()[:MOST_WORDS]
    if words and keys:
        rows = models.GeneratedImage.objects.filter(pk__in=keys)
        for word in words:
            rows = rows.filter(
                Q(prompt__icontains=word) | Q(revised_prompt__icontains=word)
            )
        fitting = set(rows.order_by().values_list("pk", flat=True))
        keys = [key for key in keys if key in fitting]
    keys = keys[:MOST_FOUND]
    found = models.GeneratedImage.objects.select_related("thread").in_bulk(keys)
    # What is deleted meanwhile is not found.
    return [found[key] for key in keys if key in found]


def _newest(context: RequestContext) -> list[uuid.UUID]:
    """Return the keys of the newest images in the owner's newest threads, in order."""
    threads = models.Thread.objects.for_owner(context.owner)
    newest = threads.order_by("-created_at", "-id").values_list("pk", flat=True)
    ids = list(newest[:MOST_THREADS])
    found: list[tuple[datetime, uuid.UUID]] = []
    while ids and len(found) < MOST_SEARCHED:
        some, ids = ids[:THREADS_AT_ONCE], ids[THREADS_AT_ONCE:]
        rows = models.GeneratedImage.objects.filter(thread__in=some).shown()
        found += rows.order_by().values_list("created_at", "pk")
    found.sort(reverse=True)
    return [key for _, key in found[:MOST_SEARCHED]]


def get(image_id: str, context: RequestContext) -> models.GeneratedImage | None:
    """Return the owner's image with a client's id, with its thread."""
    key = key_of(image_id)
    if key is None:
        return None
    rows = _of_owner(context).select_related("thread")
    found: models.GeneratedImage | None = rows.filter(pk=key).one()
    return found


def newest_of(
    thread_id: str, context: RequestContext, other_than: object = None
) -> models.GeneratedImage | None:
    """Return the newest image of an owner's thread that is shown.

    Args:
        thread_id: The thread.
        context: Whose it is.
        other_than: Key of an image that is not meant.
    """
    rows = _of_owner(context).filter(thread_id=clean(thread_id))
    for image in rows.order_by("-created_at", "-pk")[:2]:
        if image.pk != other_than:
            return image
    return None


def _of_owner(context: RequestContext) -> GeneratedImageQuerySet:
    return models.GeneratedImage.objects.for_owner(context.owner).shown()
