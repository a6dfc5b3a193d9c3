"""Files that people send."""

from __future__ import annotations

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..querysets import OwnedQuerySet
from .files import WithStorage, file_field
from .keys import KeyField
from .ownership import delete_own
from .threads import Thread


class Attachment(WithStorage):
    """A file that a person uploaded, or announced in order to upload it."""

    class Kind(models.TextChoices):
        FILE = "file", _("file")
        IMAGE = "image", _("image")

    id = KeyField(_("id"), max_length=64, primary_key=True)
    owner = KeyField(_("owner"), max_length=255)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        related_name="chatkit_attachments",
        null=True,
        blank=True,
        on_delete=delete_own,
    )
    thread = models.ForeignKey(
        Thread,
        verbose_name=_("thread"),
        related_name="attachments",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=255)
    mime_type = models.CharField(_("MIME type"), max_length=255)
    file = file_field(_("file"))
    thumbnail = file_field(_("thumbnail"))
    bytes = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True)
    width = models.PositiveIntegerField(_("width"), null=True, blank=True)
    height = models.PositiveIntegerField(_("height"), null=True, blank=True)
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True)
    awaits_upload = models.BooleanField(_("awaits its upload"), default=False)
    upload = file_field(
        _("upload"),
        default="",
        db_default="",
        help_text=_("Where a client writes the bytes, until they are looked at."),
    )
    foreign_preview_url = models.URLField(
        _("foreign preview URL"),
        max_length=2000,
        blank=True,
        help_text=_("Of a file that another attachment store keeps."),
    )
    metadata = models.JSONField(
        _("metadata"), null=True, blank=True, encoder=DjangoJSONEncoder
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["owner", "id"], name="chatkit_attachment_owner"),
            models.Index(fields=["created_at"], name="chatkit_attachment_created"),
            models.Index(fields=["owner", "created_at"], name="chatkit_attachment_of"),
            # What an owner has stored, and what of it waits for a message.
            models.Index(
                fields=["owner", "thread", "bytes"], name="chatkit_attachment_stored"
            ),
            models.Index(fields=["file"], name="chatkit_attachment_file"),
            models.Index(fields=["thumbnail"], name="chatkit_attachment_thumbnail"),
            models.Index(fields=["upload"], name="chatkit_attachment_upload"),
        ]

    def __str__(self) -> str:
        return self.name
