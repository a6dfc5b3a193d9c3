"""The lineage of an image as JSON: what it was made from, and what became of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from .. import database, file_urls
from ..context import RequestContext
from ..contexts import within_tenant_of
from ..exceptions import NotFoundError
from ..models import Attachment, GeneratedImage
from ..models.lineage import Lineage
from ..queries import attachments
from .admission import JsonView, respond, unkept
from .staff import view_of

# Characters of a prompt.
WORDS = 500
# Makes the URL of a variant of an image, or of an attachment's preview.
Url = Callable[[Any, str], str]


class LineageView(JsonView):
    """Says what an image was made from, and what was made from it."""

    async def get(self, request: HttpRequest, key: uuid.UUID) -> HttpResponseBase:
        """Return ``{"image": ..., "whole": ..., "nodes": [...], "edges": [...]}``.

        It is for the owner, and for staff to whom an admin shows the image; for all
        others it is a 404.
        """
        return await respond(request, self.answer, request, key)

    async def answer(
        self, context: RequestContext, request: HttpRequest, key: uuid.UUID
    ) -> HttpResponseBase:
        """Return the lineage for an admitted request's person."""
        return unkept(await database.call(lineage_for, request, key, context))


def lineage_for(
    request: HttpRequest, key: uuid.UUID, context: RequestContext
) -> dict[str, Any]:
    """Return the lineage of an image as a person may see it. Not for the event loop.

    Raises:
        NotFoundError: If they may not see the image, or there is none.
    """
    owned = GeneratedImage.objects.for_owner(context.owner)
    image = owned.select_related("thread").filter(pk=key).one()
    if image is not None:
        return shown(image.lineage(), lambda row, variant: _url(row, variant, context))
    with within_tenant_of(request):
        view = view_of(request, GeneratedImage, key)
        if view is None:
            raise NotFoundError(f"Image {key} not found")
        rows = view.all(GeneratedImage), view.all(Attachment)
        return shown(view.row.lineage(*rows), view.image_url)


def shown(lineage: Lineage, url: Url) -> dict[str, Any]:
    """Return a lineage as JSON, with URLs that are made now."""
    relations = dict.fromkeys(lineage.family, "branch")
    relations |= dict.fromkeys(lineage.others, "other")
    for relation in ("ancestor", "descendant"):
        for each in getattr(lineage, f"{relation}s"):
            relations[each.pk] = relation
    relations[lineage.image.pk] = "self"
    images = {**lineage.family, **lineage.others}
    nodes = [_image(each, relations[each.pk], url) for each in images.values()]
    nodes += [_attachment(each, url) for each in lineage.attachments.values()]
    return {
        "image": lineage.image.image_id,
        "whole": lineage.is_whole,
        "nodes": sorted(nodes, key=lambda node: (node["created_at"], node["id"])),
        "edges": [
            {
                "from": images[edge.source_image].image_id
                if edge.source_image
                else edge.attachment,
                "to": images[edge.image].image_id,
                "role": edge.role,
            }
            for edge in lineage.edges
        ],
    }


def _image(image: GeneratedImage, relation: str, url: Url) -> dict[str, Any]:
    return {
        "id": image.image_id,
        "kind": "image",
        "relation": relation,
        "status": image.status,
        "superseded": image.superseded_at is not None,
        "prompt": (image.prompt or image.revised_prompt)[:WORDS],
        "model": image.model,
        "created_at": image.created_at.isoformat(),
        "thread_id": image.thread_id,
        "width": image.width,
        "height": image.height,
        "url": url(image, "full") if image.is_shown else None,
        "thumbnail_url": url(image, "thumbnail") if image.is_shown else None,
    }


def _attachment(row: Attachment, url: Url) -> dict[str, Any]:
    is_image = row.kind == Attachment.Kind.IMAGE
    return {
        "id": row.pk,
        "kind": "attachment",
        "relation": "other",
        "name": row.name,
        "mime_type": row.mime_type,
        "created_at": row.created_at.isoformat(),
        "thread_id": row.thread_id,
        "thumbnail_url": url(row, "thumbnail") if is_image else None,
    }


def _url(
    row: GeneratedImage | Attachment, variant: str, context: RequestContext
) -> str:
    """Return the URL of an owner's file for their browser."""
    if isinstance(row, Attachment):
        return attachments.preview_url(row, context)
    return file_urls.image_url(row, context, variant)
