"""Conversations, what is in them, and what people thought of it."""

from __future__ import annotations

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..querysets import (
    FeedbackQuerySet,
    FreshQuerySet,
    OwnedQuerySet,
    ThreadItemQuerySet,
)
from .keys import KeyField
from .ownership import delete_own


class Thread(models.Model):
    """A conversation of one owner."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("active")
        LOCKED = "locked", _("locked")
        CLOSED = "closed", _("closed")

    id = KeyField(_("id"), max_length=64, primary_key=True)
    owner = KeyField(
        _("owner"),
        max_length=255,
        help_text=_("The isolation key: a user, or the session of a visitor."),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        related_name="chatkit_threads",
        null=True,
        blank=True,
        on_delete=delete_own,
    )
    title = models.CharField(_("title"), max_length=255, null=True, blank=True)  # noqa: DJ001 - ChatKit tells no title from an empty one
    status = models.CharField(
        _("status"), max_length=16, choices=Status.choices, default=Status.ACTIVE
    )
    status_reason = models.TextField(_("reason"), null=True, blank=True)  # noqa: DJ001 - as above
    metadata = models.JSONField(
        _("metadata"), default=dict, blank=True, encoder=DjangoJSONEncoder
    )
    allowed_image_domains = models.JSONField(
        _("allowed image domains"), null=True, blank=True
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("thread")
        verbose_name_plural = _("threads")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["owner", "created_at", "id"], name="chatkit_thread_owner"
            ),
            models.Index(fields=["created_at"], name="chatkit_thread_created"),
        ]

    def __str__(self) -> str:
        return self.title or self.id


class ThreadItem(models.Model):
    """One item of a thread, as ChatKit's JSON with references instead of URLs."""

    thread = models.ForeignKey(
        Thread,
        verbose_name=_("thread"),
        related_name="items",
        on_delete=models.CASCADE,
        db_index=False,  # Two other indexes begin with it.
    )
    item_id = KeyField(_("item id"), max_length=255)
    type = models.CharField(_("type"), max_length=64)
    payload = models.JSONField(_("payload"), encoder=DjangoJSONEncoder)
    is_note = models.BooleanField(
        _("note"),
        default=False,
        db_default=False,
        help_text=_("The app's own words, which no model reads."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    objects = ThreadItemQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("thread item")
        verbose_name_plural = _("thread items")
        ordering = ["created_at", "pk"]
        constraints = [
            # Providers repeat ids, so an id is unique within its thread only.
            models.UniqueConstraint(
                fields=["thread", "item_id"], name="chatkit_item_unique"
            ),
        ]
        indexes = [
            models.Index(
                fields=["thread", "created_at", "id"], name="chatkit_item_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.item_id}"


class Feedback(models.Model):
    """A thumb up or down for one item; the last one of a person counts.

    It is of a person, also if the thread is of a team: its ``owner`` is the person's
    own key. Whoever has the thread has it, so it is deleted with the thread.
    """

    class Kind(models.TextChoices):
        POSITIVE = "positive", _("positive")
        NEGATIVE = "negative", _("negative")

    item = models.ForeignKey(
        ThreadItem,
        verbose_name=_("item"),
        related_name="feedback",
        on_delete=models.CASCADE,
        db_index=False,  # The constraint's index begins with it.
    )
    thread = models.ForeignKey(
        Thread,
        verbose_name=_("thread"),
        related_name="feedback",
        on_delete=models.CASCADE,
    )
    owner = KeyField(
        _("owner"), max_length=255, help_text=_("The key of the person, not of a team.")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        related_name="chatkit_feedback",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    reason = models.CharField(
        _("reason"),
        max_length=1000,
        blank=True,
        default="",
        db_default="",
        help_text=_("What the person wrote who reported the item to staff."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = FeedbackQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering = ["-updated_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["item", "owner"], name="chatkit_feedback_unique"
            ),
        ]
        indexes = [
            models.Index(fields=["owner"], name="chatkit_feedback_owner"),
            models.Index(fields=["updated_at"], name="chatkit_feedback_updated"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.item_id}"


class DeletedPosition(models.Model):
    """Where a deleted thread or item stood, so that cursors on it still work."""

    scope = KeyField(
        _("scope"), max_length=255, help_text=_("A thread's id, or an owner.")
    )
    key = KeyField(_("id"), max_length=255)
    position = KeyField(_("position"), max_length=255)
    stood_at = models.DateTimeField(_("stood at"))
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    objects = FreshQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("deleted position")
        verbose_name_plural = _("deleted positions")
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["scope", "key"], name="chatkit_position_key"),
        ]

    def __str__(self) -> str:
        return self.key
