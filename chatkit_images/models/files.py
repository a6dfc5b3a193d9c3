"""File fields, and the outbox of files to delete."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .. import storage
from ..querysets import DeletedFileQuerySet


def upload_to(instance: models.Model, filename: str) -> str:
    """Return a random name with the extension of the given name, if it is safe."""
    extension = filename.rpartition(".")[2].lower()
    if not (extension.isascii() and extension.isalnum() and len(extension) <= 5):
        extension = "bin"
    return storage.new_name("files", extension)


def file_field(verbose_name: Any, **options: Any) -> models.FileField:
    """Return an optional file field on the project's storage."""
    return models.FileField(
        verbose_name,
        storage=storage.ProjectStorage(),
        upload_to=upload_to,
        max_length=255,
        blank=True,
        **options,
    )


def file_columns() -> dict[type[models.Model], list[str]]:
    """Return the app's models with file fields, and the names of these fields."""
    columns = {
        model: [
            field.name
            for field in model._meta.get_fields()
            if isinstance(field, models.FileField)
        ]
        for model in apps.get_app_config("chatkit_images").get_models()
    }
    return {model: names for model, names in columns.items() if names}


class DeletedFile(models.Model):
    """A file to delete from the storage, because its row is deleted.

    It is written in the transaction that deletes the row, so a crash between
    the commit and the deletion leaves a note of the file.
    """

    name = models.CharField(_("name"), max_length=255)
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    objects = DeletedFileQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("deleted file")
        verbose_name_plural = _("deleted files")
        ordering = ["pk"]
        indexes = [models.Index(fields=["name"], name="chatkit_deleted_name")]

    def __str__(self) -> str:
        return self.name
