"""Rows of what images were made from."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from .. import models, url_tokens
from ..context import RequestContext
from . import references

Role = models.ImageSource.Role
IMAGE, ATTACHMENT = "image", "attachment"


def save(
    image: models.GeneratedImage,
    inputs: Sequence[tuple[str, Any]],
    context: RequestContext,
) -> None:
    """Note the images and files from which a complete image was made.

    An image that was generated from words alone has none, whatever stood beside them.

    Args:
        image: The image.
        inputs: What went along to the model: pairs of kind and primary key.
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
    inputs: Sequence[tuple[str, Any]],
    context: RequestContext,
) -> list[models.ImageSource]:
    """Return the rows of those inputs that are still there."""
    images = models.GeneratedImage.objects.for_owner(context.owner)
    files = models.Attachment.objects.for_owner(context.owner)
    known_images = set(_known(images, inputs, IMAGE))
    known_files = set(_known(files, inputs, ATTACHMENT))
    rows = []
    for kind, key in dict.fromkeys(inputs):
        if kind == IMAGE and key in known_images and key != image.pk:
            rows.append(models.ImageSource(image=image, role=role, source_image_id=key))
        elif kind == ATTACHMENT and key in known_files:
            rows.append(models.ImageSource(image=image, role=role, attachment_id=key))
    return rows


def _known(rows: Any, inputs: Iterable[tuple[str, Any]], kind: str) -> Iterable[Any]:
    keys = {key for each, key in inputs if each == kind}
    return rows.filter(pk__in=keys).values_list("pk", flat=True) if keys else ()


def _ours(url: Any) -> list[tuple[str, Any]]:
    """Return the image or file behind a URL of this app's."""
    match = references.OUR_URL.fullmatch(url) if isinstance(url, str) else None
    token = url_tokens.read(match[1], expired_ok=True) if match else None
    if token is None:
        return []
    if token.kind == IMAGE:
        return [(IMAGE, uuid.UUID(token.key))]
    return [(ATTACHMENT, token.key)]
