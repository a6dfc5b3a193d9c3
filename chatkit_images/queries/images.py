"""Rows of generated images: intent row, blob, state, in that order."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any

from django.db.models import F, ForeignKey
from django.db.models.functions import Coalesce
from django.utils import timezone

from .. import models, signals, storage
from ..conf import settings
from ..context import RequestContext
from ..exceptions import NotFoundError
from ..receiving import StoredImage
from ..run_state import current_run
from ..transactions import atomic
from ..verdicts import Verdict
from . import aside, fence, reviews, sources, threads, use
from .sources import Source


def begin(
    thread_id: str,
    identity: str,
    key: str,
    context: RequestContext,
    made_from: Sequence[Source] = (),
    **fields: Any,
) -> models.GeneratedImage:
    """Return the row of an image call, made before any of its bytes is written.

    May be retried: the row of a place is made once. What the image is made from is
    noted with it, so that an image that is recovered has its sources.

    Args:
        thread_id: Its thread.
        identity: The identity of the call.
        key: What a new row reserves for the name of its file.
        context: Who asked.
        made_from: The sources of a new image, each once.
        fields: Further columns of a new row.
    """
    thread = threads.get(thread_id, context)
    values = {"key": key, "run": own_run(), "prompt": last_words(thread), **fields}
    with fence.thread_first(thread.pk), atomic() if made_from else nullcontext():
        image, made = thread.images.get_or_create(identity=identity, defaults=values)
        if made and made_from:
            sources.save(image, made_from, context)
    run_id = image.run_id
    # The claim has reserved the first image of a run.
    if made and run_id and thread.images.filter(run=run_id).count() > 1:
        use.settle(run_id, ended=False)
    return image


def add_partial(
    image: models.GeneratedImage, index: int, stored: StoredImage, elapsed_ms: int
) -> models.PartialImage | None:
    """Note a stored partial image; ``None`` if the image has ended meanwhile.

    Likewise if staff keep the image from its person: the preview would stand where the
    person reads words.
    """
    with atomic():
        counted = (
            models.GeneratedImage.objects.filter(pk=image.pk)
            .unfinished()
            .exclude(visibility__in=aside.WITHHELD)
            .update(
                partial_count=F("partial_count") + 1,
                first_partial_ms=Coalesce("first_partial_ms", elapsed_ms),
            )
        )
        if not counted:
            models.DeletedFile.objects.schedule(stored.blobs())
            return None
        # The image's row is locked, so no other transaction makes the partial image.
        same = image.partials.select_for_update().filter(index=index)
        partial = same.one()
        if partial is None:
            partial = image.partials.create(index=index, **stored.columns())
        else:
            models.DeletedFile.objects.schedule(stored.blobs())
    return partial


def complete(
    image: models.GeneratedImage,
    stored: StoredImage,
    then: Callable[[models.GeneratedImage], None] | None = None,
    verdict: Verdict | None = None,
    **fields: Any,
) -> bool:
    """Make a stored file the file of the image, and drop its partial images.

    A complete image keeps its file: a replay changes nothing. A final that comes after
    the image was stopped or interrupted replaces the partial image shown for it.

    Args:
        image: The image.
        stored: The file.
        then: Is called with the row in the transaction that completes it.
        verdict: What the project's check says; ``None`` if nobody has asked it.
        fields: Further columns.

    Returns:
        Whether this call completed it.

    Raises:
        NotFoundError: If the row was deleted. Then the file is deleted too.
    """
    with atomic():
        rows = models.GeneratedImage.objects.locked().filter(pk=image.pk)
        row = rows.one()
        done = row is not None and row.status == row.Status.COMPLETED
        if row is None or done:
            # A takeover of this run may have recovered the image first.
            kept = {blob.name for blob in row.blobs()} if row else set()
            if row is not None and row.stored_in != stored.alias:
                kept = set()  # It has a copy in another storage.
            left = [blob for blob in stored.blobs() if blob.name not in kept]
            models.DeletedFile.objects.schedule(left)
        else:
            models.DeletedFile.objects.schedule(row.blobs())
            if row.file:
                row.variants.all().delete()  # They were made of the preview.
            values: dict[str, Any] = {
                **stored.columns(),
                # The reason of an earlier end does not count any more.
                "reason": "",
                "error_code": "",
                "error_message": "",
                "failure": {},
                "moderation": {},
                **fields,
                "thumbnail": stored.thumbnail,
                "sha256": stored.info.sha256,
                "status": models.GeneratedImage.Status.COMPLETED,
                "finished_at": timezone.now(),
            }
            values |= reviews.on_arrival(row, verdict, values["moderation"])
            rows.update(**values)
            for name, value in values.items():
                setattr(row, name, value)
            if row.partial_count and not settings.KEEP_PARTIAL_IMAGES:
                image.partials.all().delete()
            if then is not None:
                then(row)
    if row is None:
        raise NotFoundError(f"Thread {image.thread_id} not found")
    _copy(row, image)
    return not done


def _copy(row: models.GeneratedImage, image: models.GeneratedImage) -> None:
    """Do as ``refresh_from_db`` does, without reading the row again."""
    for field in row._meta.concrete_fields:
        setattr(image, field.attname, field.value_from_object(row))
        if isinstance(field, ForeignKey) and field.is_cached(image):
            # The thread may have been renamed since.
            field.delete_cached_value(image)


def announce(image: models.GeneratedImage, thumbnail: str = "") -> None:
    """Save the late thumbnail of a complete image, and send ``image_saved``.

    May be retried.
    """
    if thumbnail:
        rows = models.GeneratedImage.objects.filter(pk=image.pk)
        with atomic():
            # A row that was moved since does not get a file that was not.
            rows = rows.filter(storage_alias=image.storage_alias)
            taken = rows.filter(thumbnail__in=("", thumbnail))
            if not taken.update(thumbnail=thumbnail, timings=image.timings):
                blob = storage.Blob(thumbnail, image.storage_alias)
                models.DeletedFile.objects.schedule([blob])
        image.thumbnail = thumbnail
    signals.image_saved.send_robust(models.GeneratedImage, image=image)


def supersede(keys: Iterable[uuid.UUID]) -> None:
    """Take images out of their thread for good: a guardrail has removed their turn."""
    rows = models.GeneratedImage.objects.filter(pk__in=list(keys))
    rows.update(superseded_at=timezone.now())


def drop_replay(image: models.GeneratedImage, stored: StoredImage) -> None:
    """Delete the row of a call that was a replay, and the file that it has written."""
    with atomic():
        models.DeletedFile.objects.schedule(stored.blobs())
        models.GeneratedImage.objects.filter(pk=image.pk).delete()


def own_run() -> models.Run | None:
    """Return the run that is executing, unless staff have deleted its row."""
    run_id = current_run.get()
    return models.Run.objects.filter(pk=run_id).one() if run_id else None


def last_words(thread: models.Thread) -> str:
    """Return the text of a thread's newest user message."""
    row = thread.items.filter(type="user_message").order_by("-created_at", "-pk")[:1]
    content = row[0].payload.get("content", []) if row else []
    return "".join(
        part["text"] for part in content if part.get("type") == "input_text"
    ).strip()
