"""What went along to a model: the inputs of an image, and inputs that were refused."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..querysets import FreshQuerySet
from .attachments import Attachment
from .images import GeneratedImage


class ImageSource(models.Model):
    """An image or a file from which an image was made."""

    class Role(models.TextChoices):
        INPUT = "input", _("input")
        MASK = "mask", _("mask")
        EDITED = "edited", _("edited")

    image = models.ForeignKey(
        GeneratedImage,
        verbose_name=_("image"),
        related_name="sources",
        on_delete=models.CASCADE,
    )
    role = models.CharField(
        _("role"), max_length=16, choices=Role.choices, default=Role.INPUT
    )
    source_image = models.ForeignKey(
        GeneratedImage,
        verbose_name=_("source image"),
        related_name="uses",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
    )
    attachment = models.ForeignKey(
        Attachment,
        verbose_name=_("attachment"),
        related_name="uses",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
    )

    objects = FreshQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("source of an image")
        verbose_name_plural = _("sources of images")
        ordering = ["pk"]

    def __str__(self) -> str:
        source: Any = self.source_image or self.attachment
        return f"{self.role}: {source or '-'}"


class RefusedInput(models.Model):
    """An image or a file that a provider's model does not take."""

    image = models.ForeignKey(
        GeneratedImage,
        verbose_name=_("image"),
        related_name="refusals",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
    )
    attachment = models.ForeignKey(
        Attachment,
        verbose_name=_("attachment"),
        related_name="refusals",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
    )
    host = models.CharField(_("host"), max_length=255, help_text=_("Of the provider."))
    model = models.CharField(_("model"), max_length=255, blank=True)
    code = models.CharField(_("error code"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    objects = FreshQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("refused input")
        verbose_name_plural = _("refused inputs")
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["created_at"], name="chatkit_refused_created"),
        ]

    def __str__(self) -> str:
        refused: Any = self.attachment or self.image
        return f"{refused} ({self.host} {self.model})"
