"""Rows of what images were made from."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from .. import models, url_tokens
from ..context import RequestContext
from . import own_urls
from .inputs import InputFile

Role = models.ImageSource.Role


def save(
    image: models.GeneratedImage,
    inputs: Iterable[InputFile],
    context: RequestContext,
) -> None:
    """Note the images and files from which a complete image was made.

    An image that was generated from words alone has none, whatever stood beside them.

    Args:
        image: The image.
        inputs: What went along to the model.
        context: Who asked.
    """
    details = image.details or {}
    found: list[models.ImageSource] = []
    if details.get("action") != "generate":
        found += _rows(image, Role.INPUT, inputs, context)
    mask = details.get("input_image_mask")
    if isinstance(mask, dict):
        found += _rows(image, Role.MASK, _ours(mask.get("image_url")), context)
    models.ImageSource.objects.bulk_create(found)


def _rows(
    image: models.GeneratedImage,
    role: str,
    inputs: Iterable[InputFile],
    context: RequestContext,
) -> list[models.ImageSource]:
    """Return the rows of those inputs that are still there."""
    files = list(dict.fromkeys(inputs))
    images = models.GeneratedImage.objects.for_owner(context.owner)
    attachments = models.Attachment.objects.for_owner(context.owner)
    known: set[tuple[str, str]] = {
        *(("image", str(pk)) for pk in _known(images, files, "image")),
        *(("attachment", pk) for pk in _known(attachments, files, "attachment")),
    }
    return [
        models.ImageSource(
            image=image,
            role=role,
            source_image_id=uuid.UUID(file.pk) if file.kind == "image" else None,
            attachment_id=file.pk if file.kind == "attachment" else None,
        )
        for file in files
        if file in known and file.pk != str(image.pk)
    ]


def _known(rows: Any, files: Iterable[InputFile], kind: str) -> Iterable[Any]:
    keys = [file.pk for file in files if file.kind == kind]
    return rows.filter(pk__in=keys).values_list("pk", flat=True) if keys else ()


def _ours(url: Any) -> list[InputFile]:
    """Return the image or file behind a URL of this app's."""
    match = own_urls.OUR_URL.fullmatch(url) if isinstance(url, str) else None
    token = url_tokens.read(match[1], expired_ok=True) if match else None
    if token is None:
        return []
    if token.kind == "image":
        return [InputFile("image", str(uuid.UUID(token.key)))]
    return [InputFile("attachment", token.key)]
