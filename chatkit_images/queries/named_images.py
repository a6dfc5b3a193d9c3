"""Images that a person can name in a message: the owner's, from all of their chats."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from .. import models
from ..cleaning import clean
from ..context import RequestContext
from ..querysets import GeneratedImageQuerySet
from .identity import key_of

# Images in one list to choose from.
MOST_FOUND = 20
# Of what a person types, so many characters and words are looked for.
MOST_CHARACTERS, MOST_WORDS = 200, 8
# Images that one input of a model can name.
MOST_NAMED = 100


def search(query: str, context: RequestContext) -> list[models.GeneratedImage]:
    """Return the newest images whose prompts have all words of a query.

    Args:
        query: What the person types; empty for the newest of all.
        context: Whose images they are.
    """
    rows = _of_owner(context).select_related("thread")
    for word in clean(query[:MOST_CHARACTERS]).split()[:MOST_WORDS]:
        rows = rows.filter(
            Q(prompt__icontains=word) | Q(revised_prompt__icontains=word)
        )
    return list(rows.order_by("-created_at", "-pk")[:MOST_FOUND])


def get(image_id: str, context: RequestContext) -> models.GeneratedImage | None:
    """Return the owner's image with a client's id, with its thread."""
    key = key_of(image_id)
    if key is None:
        return None
    rows = _of_owner(context).select_related("thread")
    found: models.GeneratedImage | None = rows.filter(pk=key).one()
    return found


def named(
    ids: Iterable[str], context: RequestContext
) -> dict[str, models.GeneratedImage]:
    """Return the owner's images by the clients' ids that name them.

    Only the first ``MOST_NAMED`` different ids are looked up.
    """
    keys = [key for each in dict.fromkeys(ids) if (key := key_of(each))][:MOST_NAMED]
    if not keys:
        return {}
    rows = _of_owner(context).filter(pk__in=keys)
    return {image.image_id: image for image in rows}


def _of_owner(context: RequestContext) -> GeneratedImageQuerySet:
    return models.GeneratedImage.objects.for_owner(context.owner).shown()
