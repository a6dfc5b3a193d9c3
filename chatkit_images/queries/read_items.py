"""Rows of thread items as ChatKit's types, in a few statements."""

from __future__ import annotations

import uuid

from chatkit import types
from django.db import models as db

from .. import models
from ..context import RequestContext
from . import attachments, identity, item_payloads, kept_rows, references, variants


def to_items(
    rows: list[models.ThreadItem],
    thread_id: str,
    context: RequestContext,
    *,
    for_model: bool = False,
) -> list[types.ThreadItem]:
    """Return rows of one thread as ChatKit's types, in at most three queries.

    Args:
        rows: The rows.
        thread_id: Their thread.
        context: Whose they are.
        for_model: Whether they may go to a model: then a run keeps what it has read.
    """
    for_model = for_model and kept_rows.are_kept()
    known = images_of(rows, thread_id, context, for_model=for_model)
    sent = {key for row in rows for key in row.payload.get("attachments", ())}
    named = references.file_ids(rows)
    owned = attachments.of_owner(sent | named, context, for_model=for_model)
    if for_model:
        kept_rows.keep(rows, context, known, owned)
    files = {
        row.pk: attachments.to_attachment(row, context)
        for row in owned
        if row.pk in sent
    }
    seen = [row for row in owned if row.pk in named]
    previews = {row.pk: attachments.preview_url(row, context) for row in seen}
    found = (
        item_payloads.to_item(row, context, known, files, previews) for row in rows
    )
    return [item for item in found if item is not None]


def images_of(
    rows: list[models.ThreadItem],
    thread_id: str,
    context: RequestContext,
    *,
    for_model: bool = False,
) -> dict[str, models.GeneratedImage]:
    """Return the images to which rows of one thread refer, by what names them."""
    shown = [
        row.payload["image"]
        for row in rows
        if row.type == "generated_image" and row.payload.get("image")
    ]
    calls = [image["id"] for image in shown if "key" not in image]
    keys = {uuid.UUID(image["key"]) for image in shown if "key" in image}
    keys |= references.image_keys(rows)
    if for_model:
        keys |= kept_rows.keys_of(rows)
    if calls or keys:
        # A text may refer to an image in another thread of the same owner. Some
        # databases would answer a condition on the owner by all that the owner has.
        found = models.GeneratedImage.objects.annotate(
            whose=db.F("thread__owner")
        ).filter(db.Q(thread_id=thread_id, call_id__in=calls) | db.Q(pk__in=keys))
        found = variants.joined(found) if for_model else found
        own = [row for row in found if vars(row)["whose"] == context.owner]
        return identity.by_payload(own, thread_id)
    return {}
