"""Transactions that end images without a final, and show in their threads how."""

from __future__ import annotations

import datetime
import logging
import uuid
from contextlib import suppress

from chatkit import types
from django.db import Error
from django.db.models import Q

from .. import file_urls, models, notes, times
from ..contexts import context_class
from ..exceptions import ClaimLost, NotFoundError
from ..failures import Failure, Reason
from ..querysets import GeneratedImageQuerySet
from ..transactions import atomic
from . import failure_columns, items, recovery, untold, use

logger = logging.getLogger(__name__)
Status = models.GeneratedImage.Status


def message_id(image: models.GeneratedImage) -> str:
    """Return the id by which ``items.save`` links an item to its image's row."""
    return f"{items.IMAGE_PREFIX}{image.pk.hex}"


def interrupt(images: GeneratedImageQuerySet) -> int:
    """End images whose run has died and show them in their threads.

    If the bytes of an image are on a disk of this host, it is complete after all. If
    they are not, its newest partial image becomes the image.

    Returns:
        How many images this call ended.
    """
    return _end(images, Failure(Reason.INTERRUPTED))


def end_images_of(
    run_id: uuid.UUID, run_status: str, failure: Failure | None = None
) -> None:
    """End the images that a run leaves unfinished, and show those that it did not show.

    ChatKit's own function loses images that are generated in parallel. If a run has
    failed, the SDK has taken back what it did not show, so those stay hidden.

    Args:
        run_id: The run.
        run_status: How it ended.
        failure: Why it failed.
    """
    images = models.GeneratedImage.objects.filter(run_id=run_id)
    if run_status == models.Run.Status.COMPLETED:
        _end(images, failure_columns.NO_RESULT)
    elif run_status == models.Run.Status.INTERRUPTED:
        _end(images, Failure(Reason.INTERRUPTED))
    elif run_status == models.Run.Status.CANCELLED:
        # Complete images too: the cancellation may have come before their items.
        _end(images, failure or Failure(Reason.STOPPED))
    else:
        lacking = images.exclude(status=Status.COMPLETED)
        _end(lacking, failure or failure_columns.STREAM_ERROR)


def note_of(run: models.Run, created_at: datetime.datetime) -> types.ThreadItem:
    """Return the note of an answer that has ended without its result."""
    thread_id = run.thread_id or ""
    return notes.message(notes.note_id(run), thread_id, created_at, notes.words(run))


def tells(run: models.Run) -> bool:
    """Whether an image of a run tells already why the run has no result.

    Outside of a run its images are those since the answer began.
    """
    return models.GeneratedImage.objects.filter(
        # A note is in its place, or beside its preview.
        Q(item__type="assistant_message", item__is_note=True)
        | Q(item__type="generated_image", status__in=failure_columns.PREVIEWS),
        thread=run.thread_id,
        created_at__gte=run.created_at,
        reason=run.reason,
    ).exists()


def note(run: models.Run) -> None:
    """Leave the note of an ended answer in its thread, unless the run has left it.

    Call it in the transaction that has locked the thread and ended the run.
    """
    thread = run.thread
    if thread is None or thread.items.filter(item_id=notes.note_id(run)).exists():
        return
    if not tells(run):
        item = note_of(run, times.to_naive(run.finished_at or run.created_at))
        context = context_class().for_owner(thread.owner, thread.user)
        items.save(thread.pk, item, context, fenced=False)


def recover_all(
    images: GeneratedImageQuerySet, errors: list[Exception] | None = None
) -> int:
    """Complete ended images whose bytes are there after all, and show them.

    Args:
        images: The images; all are tried.
        errors: Gets what the storage raises about each.

    Returns:
        How many images this call completed.

    Raises:
        Exception: The first of the errors, after all images, if nobody wants them.
    """
    recovered = 0
    found = [] if errors is None else errors
    for image in images.select_related("run__user"):
        with recovery.working_on(image):
            try:
                is_there = recovery.recover(image)
            except Error:
                raise  # Of the database.
            except Exception as error:
                logger.warning("Image %s cannot be looked for: %r", image.pk, error)
                found.append(error)
                continue
            if is_there:
                recovered += 1
                if image.run is not None:
                    running = image.run.status == models.Run.Status.RUNNING
                    use.settle(image.run.pk, ended=not running)
                _take_note_away(image)
                if image.superseded_at is None:
                    # An image that a guardrail or a retry took back stays out.
                    _show(image)
    if errors is None and found:
        raise found[0]
    return recovered


def show_late(images: GeneratedImageQuerySet) -> int:
    """Show complete images whose threads say that they have no result, or say nothing.

    A process that was asleep may receive an image after its run was taken over, when a
    text stands in the place of the image. The process may not write into the thread,
    which may have another run by now. So the image replaces its own text only.

    Returns:
        How many images this call showed.
    """
    late = untold.late_among(images)
    shown = 0
    for found in list(late.select_related("run__user")):
        with recovery.working_on(found), atomic():
            # The thread is locked, so that an item that is deleted meanwhile stays so.
            models.Thread.objects.locked().filter(pk=found.thread_id).first()
            image = late.filter(pk=found.pk).select_related("item").first()
            # A project's own item may have such an id, and contain the image.
            if image and (not image.item or image.item.item_id == message_id(image)):
                _show(image, fenced=False)
                shown += 1
    return shown


def _take_note_away(image: models.GeneratedImage) -> None:
    """Delete the note beside a preview whose final image is there after all."""
    rows = models.ThreadItem.objects.filter(thread_id=image.thread_id)
    rows.filter(item_id=notes.note_id(image), is_note=True).delete()


def _end(images: GeneratedImageQuerySet, failure: Failure) -> int:
    ended = 0
    status = failure_columns.image_status(failure)
    columns = failure_columns.of_image(failure)
    # While the database was away a note may have taken the place of an image whose row
    # has no end yet.
    left = Q(item=None) | Q(status=Status.GENERATING)
    hidden = images.filter(left, superseded_at=None)
    for image in hidden.select_related("run__user"):
        # The thread may be deleted at any moment. If the image began after its run was
        # taken over, it has no place in the thread.
        gone = suppress(NotFoundError, models.GeneratedImage.DoesNotExist, ClaimLost)
        with gone, recovery.working_on(image):
            ended += recover_here(image) or image.end(status, **columns)
            _show(image)
    return ended


def recover_here(image: models.GeneratedImage) -> bool:
    """Complete an image whose bytes are on a disk of this host; ``False`` if none is.

    Those are quick to look for, and no image ends as lost while a disk has it.
    """
    try:
        return recovery.recover(image, here=True)
    except Exception:
        # A disk or a storage does not answer now. The sweep tries again.
        logger.warning("Image %s is not looked for", image.pk, exc_info=True)
        return False


def _show(ended: models.GeneratedImage, *, fenced: bool = True) -> None:
    # A user who is read alone would come from where the project reads users, which may
    # be a replica that lags.
    rows = models.GeneratedImage.objects.select_related("thread__user", "item")
    image: models.GeneratedImage | None = rows.filter(pk=ended.pk).one()
    if image is None:
        raise NotFoundError(f"Thread {ended.thread_id} not found")
    if image.item is not None and image.item.type == "generated_image":
        return  # Its item is there already, and its URL is made when it is read.
    _save_end(image, fenced)


@atomic()
def _save_end(image: models.GeneratedImage, fenced: bool) -> None:
    context = context_class().for_owner(image.thread.owner, image.thread.user)
    key, created_at = message_id(image), times.to_naive(image.created_at)
    item: types.ThreadItem
    if image.has_result:
        url = file_urls.image_url(image, context)
        item = types.GeneratedImageItem(
            id=key,
            thread_id=image.thread_id,
            created_at=created_at,
            image=types.GeneratedImage(id=image.image_id, url=url),
        )
    else:
        item = notes.message(key, image.thread_id, created_at, notes.words(image))
    items.save(image.thread_id, item, context, fenced=fenced)
    if image.has_result and image.status != Status.COMPLETED:
        text, key = notes.preview_words(image), notes.note_id(image)
        item = notes.message(key, image.thread_id, created_at, text)
        items.save(image.thread_id, item, context, fenced=fenced)
