"""Notes: what a person reads where an answer, or an image of it, has no result.

A note is an item of its thread, so it is there after a reload, and a retry deletes it
with the rest of the answer. No model reads it: the app's words are nobody's speech.

``queries.endings`` decides how an image ends, and ``failures`` why; here are the words.
"""

from __future__ import annotations

import datetime
import logging
import math
import re
import uuid

from chatkit import types
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from pydantic import Field

from . import failures
from .conf import settings
from .failures import Reason
from .models import GeneratedImage, Run

logger = logging.getLogger(__name__)
Row = GeneratedImage | Run
# How the ids of notes begin: of an answer or beside an image, and in place of an image.
PREFIX, IMAGE_PREFIX = "note_", GeneratedImage.ID_PREFIX
NOTE_ID = re.compile(rf"{PREFIX}.+|{IMAGE_PREFIX}[0-9a-f]{{32}}")
ROW = re.compile(rf"(?:{PREFIX}|{IMAGE_PREFIX})([0-9a-f]{{32}})")
WORDS = {
    Reason.BLOCKED: gettext_lazy("This request was blocked by the safety system."),
    Reason.REFUSED: gettext_lazy("This request was refused."),
    Reason.RATE_LIMITED: gettext_lazy("There are too many requests."),
    Reason.QUOTA: gettext_lazy("The quota of this service is used up."),
    Reason.NOT_ALLOWED: gettext_lazy("This site may not use the service for that."),
    Reason.BAD_REQUEST: gettext_lazy("The service does not accept this request."),
    Reason.REFUSED_INPUT: gettext_lazy(
        "The service does not accept an image or a file of this chat."
    ),
    Reason.TOO_LARGE: gettext_lazy("This is too large for the service."),
    Reason.GONE: gettext_lazy("Something that this needs is not there any more."),
    Reason.TIMEOUT: gettext_lazy("The service took too long. Try again."),
    Reason.BROKEN_OFF: gettext_lazy("The connection broke off. Try again."),
    Reason.TOO_LONG: gettext_lazy(
        "The answer became too long and was cut off. Try again."
    ),
    Reason.NO_RESULT: gettext_lazy("The service gave no answer. Try again."),
    Reason.OVERLOADED: gettext_lazy("The service cannot answer at the moment."),
    Reason.UNKNOWN: gettext_lazy("Something went wrong. Try again."),
    Reason.NOT_SAVED: gettext_lazy("The answer could not be saved. Try again."),
    Reason.INSTALLATION: gettext_lazy(
        "This site has a fault that its staff must mend."
    ),
    Reason.STOPPED: gettext_lazy("The answer was stopped."),
    Reason.STOPPED_BY_STAFF: gettext_lazy("The staff of this site ended the answer."),
    Reason.INTERRUPTED: gettext_lazy("The answer was interrupted. Try again."),
}
IMAGE_WORDS = {
    Reason.BLOCKED: gettext_lazy("The image was blocked by the safety system."),
    Reason.STOPPED: gettext_lazy("The image was stopped before it was ready."),
    Reason.INTERRUPTED: gettext_lazy("The image was interrupted before it was ready."),
    Reason.NOT_SAVED: gettext_lazy("The image was made but could not be saved."),
    Reason.NO_RESULT: gettext_lazy("The image could not be generated."),
    Reason.UNKNOWN: gettext_lazy("The image could not be generated."),
}
# What stands in the place of an image that somebody, or something, has removed.
REMOVED = gettext_lazy("This image was removed.")
# Likewise, of one that staff or a check keep from its person.
WITHHELD = {
    GeneratedImage.Visibility.HIDDEN: gettext_lazy("This image was hidden."),
    GeneratedImage.Visibility.HELD: gettext_lazy(
        "This image is being reviewed and cannot be shown yet."
    ),
}
# The code of an image whose bytes are safe, while its row cannot be written.
LATE = "saved_later"
# Reasons after which a person has to wait.
WAITING = (Reason.RATE_LIMITED, Reason.OVERLOADED)
OF_STATUS: dict[str, Reason] = {
    GeneratedImage.Status.BLOCKED: Reason.BLOCKED,
    GeneratedImage.Status.CANCELLED: Reason.STOPPED,
    GeneratedImage.Status.INTERRUPTED: Reason.INTERRUPTED,
}


class WithheldImage(types.GeneratedImage):
    """An image of an item, without a URL, of which a person reads words only.

    No JSON has the words: clients get them as an item of their own.
    """

    url: str = ""
    words: str = Field(exclude=True)


def words(row: Row) -> str:
    """Return what the person reads of a row that has no result, in the active language.

    The row has ``status``, ``reason``, ``error_code`` and ``failure``. The setting
    ``NOTES`` may give other words.
    """
    return _in_words_of_project(row, _default(row))


def withheld(image: GeneratedImage) -> WithheldImage:
    """Return what an item has in the place of an image that is kept from its person."""
    standard = WITHHELD[GeneratedImage.Visibility(image.visibility)]
    text = image.hidden_words or str(standard)
    text = _in_words_of_project(image, text)
    return WithheldImage(id=image.image_id, words=text)


def removed(image: GeneratedImage) -> WithheldImage:
    """Return what an item has in the place of an image that is deleted."""
    return WithheldImage(id=image.image_id, words=str(REMOVED))


def _in_words_of_project(row: Row, default: str) -> str:
    if settings.NOTES is None:
        return default
    try:
        own = import_string(settings.NOTES)(row, default)
    except Exception:
        # Whatever the project's function does, the person reads why.
        logger.exception("CHATKIT_IMAGES['NOTES'] has failed")
        return default
    return str(own) if own else default


def preview_words(image: GeneratedImage) -> str:
    """Return what stands beside an image of which there is only a preview."""
    return _("This is only a preview. %(words)s") % {"words": words(image)}


def may_retry(row: Row) -> bool:
    """Whether the same request may succeed, without anybody's help."""
    return reason_of(row).may_retry


def reason_of(row: Row) -> Reason:
    """Return why a row has no result; rows of before say so with their status only."""
    try:
        return Reason(row.reason)
    except ValueError:
        pass  # It has none, or one of a later version.
    image = isinstance(row, GeneratedImage)
    if image and row.error_code == Reason.NOT_SAVED:
        return Reason.NOT_SAVED
    other = Reason.NO_RESULT if image else Reason.UNKNOWN
    return OF_STATUS.get(row.status, other)


def note_id(row: Row) -> str:
    """Return the id of the note of an answer, or of the one beside an image."""
    return f"{PREFIX}{row.pk.hex}"


def beside(message_id: str) -> str:
    """Return the id of the note beside an image, from the one that would replace it."""
    rest = message_id.removeprefix(IMAGE_PREFIX) or uuid.uuid4().hex
    return f"{PREFIX}{rest}"


def is_note(item: types.ThreadItem) -> bool:
    """Whether an item is a note."""
    message = isinstance(item, types.AssistantMessageItem)
    return message and NOTE_ID.fullmatch(item.id) is not None


def row_key(item_id: str) -> uuid.UUID | None:
    """Return the key of the image or the run of which a note is; the rest has none."""
    match = ROW.fullmatch(item_id)
    return uuid.UUID(match[1]) if match else None


def as_seen(item: types.ThreadItem) -> types.ThreadItem:
    """Return an item as a client shows it: words if the image of it is not shown.

    Staff, a sweep or an erasure may remove an image at any moment, staff and a check
    may withhold it, and its item stays.
    """
    if (
        not isinstance(item, types.GeneratedImageItem)
        or item.image is None
        or item.image.url
    ):
        return item
    image = item.image
    text = image.words if isinstance(image, WithheldImage) else str(REMOVED)
    return message(item.id, item.thread_id, item.created_at, text)


def message(
    key: str, thread_id: str, created_at: datetime.datetime, text: str
) -> types.AssistantMessageItem:
    """Return the item that shows a text where an image, or an answer, would stand."""
    return types.AssistantMessageItem(
        id=key,
        thread_id=thread_id,
        created_at=created_at,
        content=[types.AssistantMessageContent(text=text)],
    )


def _default(row: Row) -> str:
    reason = reason_of(row)
    if own := failures.rows.text_of(row, "words"):
        return own
    if isinstance(row, Run):
        return _with_wait(str(WORDS[reason]), reason, row)
    if row.error_code == LATE:
        return _("The image is made. It will be here as soon as it can be saved.")
    if reason in IMAGE_WORDS:
        return str(IMAGE_WORDS[reason])
    why = _with_wait(str(WORDS[reason]), reason, row)
    if row.error_code == Reason.NOT_SAVED:
        return _("The image was made but could not be saved. %(why)s") % {"why": why}
    return _("The image could not be generated. %(why)s") % {"why": why}


def _with_wait(text: str, reason: Reason, row: Row) -> str:
    if reason not in WAITING:
        return text
    wait = failures.rows.wait_of(row)
    if not wait:
        return f"{text} {_('Try again in a moment.')}"
    seconds = math.ceil(wait)
    if seconds < 120:
        again = ngettext(
            "Try again in %(count)d second.", "Try again in %(count)d seconds.", seconds
        ) % {"count": seconds}
    else:
        minutes = math.ceil(seconds / 60)
        again = ngettext(
            "Try again in %(count)d minute.", "Try again in %(count)d minutes.", minutes
        ) % {"count": minutes}
    return f"{text} {again}"
