"""Images that a model generated, and their partial images."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .. import signals, storage
from ..querysets import GeneratedImageQuerySet, OwnedQuerySet
from .files import file_field
from .runs import Run
from .threads import Thread, ThreadItem


class GeneratedImage(models.Model):
    """One image call of the model. It ends in exactly one final state."""

    class Status(models.TextChoices):
        GENERATING = "generating", _("generating")
        COMPLETED = "completed", _("completed")
        FAILED = "failed", _("failed")
        BLOCKED = "blocked", _("blocked")
        CANCELLED = "cancelled", _("cancelled")
        INTERRUPTED = "interrupted", _("interrupted")

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(
        Thread,
        verbose_name=_("thread"),
        related_name="images",
        on_delete=models.CASCADE,
    )
    item = models.ForeignKey(
        ThreadItem,
        verbose_name=_("item"),
        related_name="images",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
    )
    run = models.ForeignKey(
        Run,
        verbose_name=_("run"),
        related_name="images",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
    )
    call_id = models.CharField(
        _("call id"), max_length=255, help_text=_("The provider's id of the call.")
    )
    status = models.CharField(
        _("status"), max_length=16, choices=Status.choices, default=Status.GENERATING
    )
    key = models.CharField(
        _("file key"),
        max_length=32,
        default=storage.new_key,
        unique=True,
        editable=False,
        help_text=_("Names the final's file before there is one."),
    )
    file = file_field(_("file"))
    thumbnail = file_field(_("thumbnail"))
    mime = models.CharField(_("MIME type"), max_length=64, blank=True)
    width = models.PositiveIntegerField(_("width"), null=True, blank=True)
    height = models.PositiveIntegerField(_("height"), null=True, blank=True)
    bytes = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True)
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True)
    prompt = models.TextField(_("prompt"), blank=True, help_text=_("The user's words."))
    revised_prompt = models.TextField(_("revised prompt"), blank=True)
    model = models.CharField(_("model"), max_length=255, blank=True)
    size = models.CharField(_("size"), max_length=32, blank=True)
    quality = models.CharField(_("quality"), max_length=32, blank=True)
    background = models.CharField(_("background"), max_length=32, blank=True)
    output_format = models.CharField(_("output format"), max_length=32, blank=True)
    response_id = models.CharField(_("response id"), max_length=255, blank=True)
    usage = models.JSONField(_("token usage"), default=dict, blank=True)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    error_message = models.TextField(_("error message"), blank=True)
    moderation = models.JSONField(
        _("moderation"), default=dict, blank=True, help_text=_("Categories and stage.")
    )
    partial_count = models.PositiveIntegerField(_("previews"), default=0)
    first_partial_ms = models.PositiveIntegerField(
        _("time to first preview (ms)"), null=True, blank=True
    )
    final_ms = models.PositiveIntegerField(
        _("time to final (ms)"), null=True, blank=True
    )
    superseded_at = models.DateTimeField(
        _("superseded"),
        null=True,
        blank=True,
        help_text=_("When a retry removed it from its thread."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = GeneratedImageQuerySet.as_manager()

    class Meta:
        verbose_name = _("generated image")
        verbose_name_plural = _("generated images")
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["thread", "call_id"], name="chatkit_image_call_unique"
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], name="chatkit_image_created"),
            models.Index(fields=["status", "created_at"], name="chatkit_image_status"),
        ]

    def __str__(self) -> str:
        return self.prompt[:60] or self.call_id

    @property
    def is_shown(self) -> bool:
        """Whether its owner may see its file; a blocked image is not shown."""
        shown = (
            self.Status.COMPLETED,
            self.Status.CANCELLED,
            self.Status.INTERRUPTED,
        )
        return bool(self.file) and self.status in shown

    def end(self, status: str, **fields: Any) -> bool:
        """End an unfinished image. Its newest partial image becomes its file.

        Returns:
            Whether this call ended it; ``False`` if it had ended before.
        """
        with transaction.atomic():
            best = self.partials.order_by("-index").first()
            if best is not None:
                fields |= {name: getattr(best, name) for name in PartialImage.MEASURES}
            ended = type(self).objects.filter(pk=self.pk).finish(status, **fields)
            if ended and best is not None:
                # The file belongs to the image now: the row of the partial image goes.
                PartialImage.objects.filter(pk=best.pk).update(file="")
                self.partials.all().delete()
        self.refresh_from_db()
        if ended:
            signals.image_failed.send_robust(type(self), image=self)
        return bool(ended)


class PartialImage(models.Model):
    """A state of an image that is still being generated, as the person sees it."""

    MEASURES = ("file", "mime", "width", "height", "bytes")

    image = models.ForeignKey(
        GeneratedImage,
        verbose_name=_("image"),
        related_name="partials",
        on_delete=models.CASCADE,
    )
    index = models.PositiveIntegerField(_("index"))
    file = file_field(_("file"))
    mime = models.CharField(_("MIME type"), max_length=64, blank=True)
    width = models.PositiveIntegerField(_("width"), null=True, blank=True)
    height = models.PositiveIntegerField(_("height"), null=True, blank=True)
    bytes = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name = _("partial image")
        verbose_name_plural = _("partial images")
        ordering = ["image", "index"]
        constraints = [
            models.UniqueConstraint(
                fields=["image", "index"], name="chatkit_partial_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.image_id} #{self.index}"
