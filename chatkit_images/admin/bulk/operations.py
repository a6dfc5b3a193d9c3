"""What can be done to many images: each operation is one function of a lower layer."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import CHANGE, DELETION
from django.utils.translation import gettext_lazy as _

from ...maintenance import chosen_images
from ...queries import reviews
from .job import Job

# Returns why some of the images stay as they are.
Act = Callable[[Sequence[uuid.UUID], Job, Any], Mapping[uuid.UUID, str]]
ZIP, NOT_ALLOWED, UNCHANGED = "zip", "not_allowed", "unchanged"


@dataclass(frozen=True)
class Operation:
    """Something that is done to many images.

    Attributes:
        title: What the page is called, and its button.
        question: What the page says before it is done.
        done: What the result counts, with ``%(n)s``.
        permission: Which permission it needs, beside that to see the list.
        flag: How the admin's log calls it.
        message: What the log says of each image, with ``%(reason)s``.
        act: Does it, to some hundreds of images in one transaction.
        unchanged: Why an image stays that is as it shall be already.
        needs_reason: Whether it is not done without a reason.
        has_words: Whether the owner reads words.
    """

    title: Any
    question: Any
    done: Any
    permission: str
    flag: int
    message: Any
    act: Act
    unchanged: Any = ""
    needs_reason: bool = False
    has_words: bool = False

    def label_of(self, why: str) -> Any:
        """Return in words why an image stays as it is."""
        return self.unchanged if why == UNCHANGED else REASONS[why]


def _delete(keys: Sequence[uuid.UUID], job: Job, user: Any) -> Mapping[uuid.UUID, str]:
    return chosen_images.delete_images(keys, user, reason=job.reason)


def _hide(keys: Sequence[uuid.UUID], job: Job, user: Any) -> Mapping[uuid.UUID, str]:
    done = reviews.hide(keys, user, reason=job.reason, words=job.words)
    return _rest(keys, done)


def _restore(keys: Sequence[uuid.UUID], job: Job, user: Any) -> Mapping[uuid.UUID, str]:
    return _rest(keys, reviews.restore(keys, user, reason=job.reason))


def _keep(keys: Sequence[uuid.UUID], job: Job, user: Any) -> Mapping[uuid.UUID, str]:
    return _rest(keys, reviews.keep(keys, user, reason=job.reason))


def _rest(
    keys: Sequence[uuid.UUID], done: Sequence[uuid.UUID]
) -> Mapping[uuid.UUID, str]:
    return dict.fromkeys(set(keys) - set(done), UNCHANGED)


OPERATIONS: Mapping[str, Operation] = {
    "hide": Operation(
        title=_("Hide images"),
        question=_(
            "The owners read words in the place of these images, and no address of "
            "theirs opens any more. They may be restored."
        ),
        done=_("Hidden: %(n)s."),
        permission="moderate",
        flag=CHANGE,
        message=_("Hidden. %(reason)s"),
        act=_hide,
        unchanged=_("hidden with these words already, or removed meanwhile"),
        needs_reason=True,
        has_words=True,
    ),
    "restore": Operation(
        title=_("Restore images"),
        question=_("The owners see these images again."),
        done=_("Restored: %(n)s."),
        permission="moderate",
        flag=CHANGE,
        message=_("Restored. %(reason)s"),
        act=_restore,
        unchanged=_("neither hidden nor held, or removed meanwhile"),
    ),
    "keep": Operation(
        title=_("Keep images"),
        question=_(
            "These images were looked at and may stay: they leave the queue for "
            "review, and those that were held are shown. Hidden ones stay hidden."
        ),
        done=_("Kept: %(n)s."),
        permission="moderate",
        flag=CHANGE,
        message=_("Reviewed and kept. %(reason)s"),
        act=_keep,
        unchanged=_("not in the queue for review, or removed meanwhile"),
    ),
    "delete": Operation(
        title=_("Delete images"),
        question=_(
            "These images and their files will be gone for good. In the chats stands "
            "“This image was removed.” in their place. An image that a legal hold "
            "keeps stays."
        ),
        done=_("Deleted: %(n)s."),
        permission="delete",
        flag=DELETION,
        message=_("Deleted. %(reason)s"),
        act=_delete,
    ),
}
# Why an image stays as it is.
REASONS: Mapping[str, Any] = {
    chosen_images.HELD: _("kept by a legal hold"),
    chosen_images.GONE: _("removed meanwhile"),
    NOT_ALLOWED: _("not yours to change"),
}
