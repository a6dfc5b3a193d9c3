"""Images on their way: what a person sees before the final is there."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..querysets import OwnedQuerySet
from .files import WithStorage, file_field


class PartialImage(WithStorage):
    """A state of an image that is still being generated, as the person sees it."""

    MEASURES = ("storage_alias", "file", "mime", "width", "height", "bytes")

    image = models.ForeignKey(
        "chatkit_images.GeneratedImage",
        verbose_name=_("image"),
        related_name="partials",
        on_delete=models.CASCADE,
        db_index=False,  # The constraint's index begins with it.
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
        base_manager_name = "objects"
        verbose_name = _("partial image")
        verbose_name_plural = _("partial images")
        ordering = ["image", "index"]
        constraints = [
            models.UniqueConstraint(
                fields=["image", "index"], name="chatkit_partial_unique"
            ),
        ]
        indexes = [models.Index(fields=["file"], name="chatkit_partial_file")]

    def __str__(self) -> str:
        return f"{self.image_id} #{self.index}"
