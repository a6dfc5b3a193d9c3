"""What staff, and the project's own check, have decided on images."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..querysets import FreshQuerySet
from .keys import KeyField


class Visibility(models.TextChoices):
    """Whether a person may see an image, whatever its status is."""

    SHOWN = "shown", _("shown")
    UNCHECKED = "unchecked", _("not checked yet")
    HELD = "held", _("held for review")
    HIDDEN = "hidden", _("hidden")


class ReviewReason(models.TextChoices):
    """Why staff have to look at an image."""

    CHECK = "check", _("the check of images")
    REPORT = "report", _("a person's report")
    REMARK = "remark", _("a remark of the provider")
    STAFF = "staff", _("asked for by staff")


class WithVisibility(models.Model):
    """An image that may be kept from its person, and restored.

    ``UNCHECKED`` is an image of which no final has passed the check of images: its
    previews have, one by one. If it ends without a final, its newest preview is shown,
    and a final that is found later is held.
    """

    Visibility = Visibility
    ReviewReason = ReviewReason

    visibility = models.CharField(
        _("visibility"),
        max_length=16,
        choices=Visibility.choices,
        default=Visibility.SHOWN,
        db_default=Visibility.SHOWN,
        help_text=_("Whether its person may see it, whatever its status is."),
    )
    hidden_words = models.CharField(
        _("words in its place"),
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text=_("What the person reads; empty for a standard sentence."),
    )
    review_since = models.DateTimeField(
        _("to be reviewed since"),
        null=True,
        blank=True,
        help_text=_("When staff were asked to look at it; empty if nobody has to."),
    )
    review_reason = models.CharField(
        _("to be reviewed because of"),
        max_length=16,
        choices=ReviewReason.choices,
        blank=True,
        default="",
        db_default="",
    )

    is_aside = models.BooleanField(
        _("moved aside"),
        default=False,
        db_default=False,
        editable=False,
        help_text=_("Whether its file has a name that no URL has had."),
    )

    class Meta:
        abstract = True

    @property
    def has_result(self) -> bool:
        """Whether there is something to see, whoever may see it."""
        raise NotImplementedError

    @property
    def is_shown(self) -> bool:
        """Whether its owner may see its file now."""
        return self.has_result and not self.is_withheld

    @property
    def is_withheld(self) -> bool:
        """Whether nobody but staff may see anything of it, whatever its status is."""
        return self.visibility in (Visibility.HELD, Visibility.HIDDEN)


class Decision(models.Model):
    """Who decided what about an image, when and why. Rows are only added.

    It names the image by its key: it outlives the image, and the account that decided.
    """

    class Action(models.TextChoices):
        HIDE = "hide", _("hidden")
        HOLD = "hold", _("held for review")
        RESTORE = "restore", _("restored")
        KEEP = "keep", _("reviewed and kept")
        REPORT = "report", _("reported")
        REMARK = "remark", _("remarked on by the provider")
        DELETE = "delete", _("deleted")

    image_id = models.UUIDField(_("image"), default=uuid.uuid4)
    thread_id = KeyField(_("thread"), max_length=64, blank=True, default="")
    item_id = KeyField(
        _("item"),
        max_length=255,
        blank=True,
        default="",
        help_text=_("The id of the item that shows it, if there was one."),
    )
    action = models.CharField(_("decision"), max_length=16, choices=Action.choices)
    reason = models.TextField(
        _("reason"), blank=True, help_text=_("For staff; the person does not read it.")
    )
    words = models.CharField(
        _("words"),
        max_length=500,
        blank=True,
        help_text=_("What the person reads in the place of the image."),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("account"),
        related_name="+",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
    )
    by = models.CharField(
        _("decided by"),
        max_length=255,
        blank=True,
        help_text=_("The name of the account at that time, or what else decided."),
    )
    created_at = models.DateTimeField(_("decided"), default=timezone.now)

    objects = FreshQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(
                fields=["image_id", "created_at"], name="chatkit_decision_image"
            ),
            models.Index(
                fields=["thread_id", "created_at"], name="chatkit_decision_thread"
            ),
            models.Index(fields=["created_at"], name="chatkit_decision_created"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.image_id}"
