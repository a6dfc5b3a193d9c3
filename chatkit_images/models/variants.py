"""Other forms of stored images, each made once."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..querysets import FreshQuerySet
from .attachments import Attachment
from .files import WithStorage, file_field
from .images import GeneratedImage


def delete_along(
    collector: Any, field: Any, rows: models.QuerySet[Any], using: str
) -> None:
    """Delete forms with what they were made of, as a part of it.

    It is an ``on_delete`` of Django that does as ``CASCADE`` does, except that the
    pages of an admin do not list the forms among what staff are about to delete, nor
    ask for a permission to delete them.

    Args:
        collector: Django's collector of what is deleted.
        field: The foreign key to the image or the attachment.
        rows: The forms.
        using: The database.
    """
    collector.add(rows, field.remote_field.model, nullable=field.null)


class ImageVariant(WithStorage):
    """An image of the model's or of a person's, in another form.

    It goes with what it was made of. Without a file the original has the form.

    The database does not insist on its keys: during a deploy a process of the version
    before deletes images without knowing of this table. The sweep deletes what is left.
    """

    image = models.ForeignKey(
        GeneratedImage,
        verbose_name=_("image"),
        related_name="variants",
        null=True,
        blank=True,
        on_delete=delete_along,
        db_index=False,  # The constraint's index begins with it.
        db_constraint=False,
    )
    attachment = models.ForeignKey(
        Attachment,
        verbose_name=_("attachment"),
        related_name="variants",
        null=True,
        blank=True,
        on_delete=delete_along,
        db_index=False,  # The constraint's index begins with it.
        db_constraint=False,
    )
    form = models.CharField(
        _("form"),
        max_length=64,
        help_text=_("For what it is, and by which settings it was made."),
    )
    file = file_field(_("file"))
    mime = models.CharField(_("MIME type"), max_length=64, blank=True)
    width = models.PositiveIntegerField(_("width"), null=True, blank=True)
    height = models.PositiveIntegerField(_("height"), null=True, blank=True)
    bytes = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    objects = FreshQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("variant of an image")
        verbose_name_plural = _("variants of images")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["image", "form"], name="chatkit_variant_image"
            ),
            models.UniqueConstraint(
                fields=["attachment", "form"], name="chatkit_variant_attachment"
            ),
        ]
        indexes = [models.Index(fields=["file"], name="chatkit_variant_file")]

    def __str__(self) -> str:
        return f"{self.image_id or self.attachment_id}: {self.form}"
