"""Rows of what images were made from."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

from django.db.models import Q

from .. import models, url_tokens
from ..cleaning import clean
from ..context import RequestContext
from ..exceptions import NotFoundError
from ..transactions import atomic
from . import inputs, own_urls
from .identity import key_of
from .inputs import InputFile

Role = models.ImageSource.Role
# A row, or a client's id: ``img_...`` of an image, ``atc_...`` of an attachment.
Named = models.GeneratedImage | models.Attachment | str
# Sources of one role that a project can name for one image.
MOST = 100


class Source(NamedTuple):
    """What an image is made from.

    Attributes:
        file: The image or the attachment.
        role: One of ``ImageSource.Role``.
    """

    file: InputFile
    role: str


def named(
    given: Iterable[Named], context: RequestContext, role: str = Role.INPUT
) -> list[Source]:
    """Return what a project names as sources of an image, each once.

    Args:
        given: Rows, or clients' ids of images (``img_...``) and of attachments.
        context: Whose they must be.
        role: One of ``ImageSource.Role``, for all of them.

    Raises:
        NotFoundError: If the owner has no such image or attachment.
        ValueError: If there are more than ``MOST``.
    """
    files = list(dict.fromkeys(map(file_of, given)))
    if len(files) > MOST:
        raise ValueError(f"An image has {MOST} sources at most, got {len(files)}.")
    known = _known(files, context)
    for file in files:
        if file not in known:
            raise NotFoundError(f"{file.kind.capitalize()} {file.pk} not found")
    return [Source(file, role) for file in files]


def file_of(given: Named) -> InputFile:
    """Return what a row or a client's id names, whoever has it."""
    if isinstance(given, models.GeneratedImage):
        return InputFile("image", str(given.pk))
    if isinstance(given, models.Attachment):
        return InputFile("attachment", given.pk)
    if key := key_of(given):
        return InputFile("image", str(key))
    return InputFile("attachment", clean(given))


def of_hosted(
    details: dict[str, Any], inputs: Iterable[InputFile], edited: Iterable[InputFile]
) -> list[Source]:
    """Return the sources of an image that a provider's own tool has made.

    An image that was generated from words alone has none, whatever stood beside them.

    Args:
        details: Those of the image. Its action is that of the call, or else that which
            the tool was told; a provider that chooses says which it has chosen.
        inputs: What went along to the model.
        edited: Those of them of which a new version was asked for.
    """
    action, found = details.get("action"), []
    if action != "generate":
        versions = set(edited) if action == "edit" else set()
        found = [
            Source(file, Role.EDITED if file in versions else Role.INPUT)
            for file in inputs
        ]
    mask = details.get("input_image_mask")
    if isinstance(mask, dict):
        found += [Source(file, Role.MASK) for file in _ours(mask.get("image_url"))]
    return found


def save(
    image: models.GeneratedImage, sources: Iterable[Source], context: RequestContext
) -> None:
    """Note what an image was made from, as far as it is still there.

    It must be called within a transaction.

    Args:
        image: The image, of which nothing is noted so far.
        sources: What it was made from, each once.
        context: Who asked.
    """
    given = list(sources)
    known = inputs.kept(_known([source.file for source in given], context))
    models.ImageSource.objects.bulk_create(
        models.ImageSource(
            image=image,
            role=role,
            source_image_id=uuid.UUID(file.pk) if file.kind == "image" else None,
            attachment_id=file.pk if file.kind == "attachment" else None,
        )
        for file, role in given
        if file in known and file.pk != str(image.pk)
    )


def change(
    image: models.GeneratedImage,
    noted: Sequence[Source] | None,
    sources: Sequence[Source],
    context: RequestContext,
) -> None:
    """Note something else of an image than is noted so far.

    Args:
        image: The image.
        noted: What is noted so far; ``None`` if nobody knows.
        sources: What it was made from, each once.
        context: Who asked.
    """
    if noted and [each.file for each in noted] == [each.file for each in sources]:
        changed: dict[tuple[str, str], list[InputFile]] = {}
        for (file, before), (_, after) in zip(noted, sources, strict=True):
            if before != after:
                changed.setdefault((before, after), []).append(file)
        for (before, after), files in changed.items():
            rows = image.sources.filter(_are(files), role=before)
            rows.update(role=after)
        return
    with atomic() if sources else nullcontext():
        if noted is None or noted:
            image.sources.all().delete()
        save(image, sources, context)


def _are(files: Iterable[InputFile]) -> Q:
    """Return the condition that a source is one of some files."""
    keys: dict[str, list[str]] = {"image": [], "attachment": []}
    for file in files:
        keys[file.kind].append(file.pk)
    return Q(source_image__in=keys["image"]) | Q(attachment__in=keys["attachment"])


def _known(files: Collection[InputFile], context: RequestContext) -> set[InputFile]:
    """Return those of files that the owner has."""
    rows: dict[str, Any] = {
        "image": models.GeneratedImage.objects.for_owner(context.owner),
        "attachment": models.Attachment.objects.for_owner(context.owner),
    }
    keys = {kind: [file.pk for file in files if file.kind == kind] for kind in rows}
    found = {
        (kind, str(pk))
        for kind, some in keys.items()
        if some
        for pk in rows[kind].filter(pk__in=some).values_list("pk", flat=True)
    }
    return {file for file in files if file in found}


def _ours(url: Any) -> list[InputFile]:
    """Return the image or file behind a URL of this app's."""
    match = own_urls.OUR_URL.fullmatch(url) if isinstance(url, str) else None
    token = url_tokens.read(match[1], expired_ok=True) if match else None
    if token is None:
        return []
    if token.kind == "image":
        return [InputFile("image", str(uuid.UUID(token.key)))]
    return [InputFile("attachment", token.key)]
