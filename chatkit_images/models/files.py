"""File fields, and the outbox of files to delete."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .. import storage
from ..deleted_files import DeletedFileQuerySet, file_columns
from .installations import current_alias


class StoredFieldFile(FieldFile):
    """A file of a row, in the storage that its row names."""

    instance: WithStorage

    @property
    def storage(self) -> storage.ProjectStorage:
        """Return the storage that has it."""
        return storage.ProjectStorage(self.instance.storage_alias)

    @storage.setter
    def storage(self, value: object) -> None:
        """Ignore the storage of the field, which Django sets."""


class StoredFileField(models.FileField):
    """A file in the storage that its row names."""

    attr_class = StoredFieldFile

    def deconstruct(self) -> Any:
        """Return it as Django's own field, which it is for the database."""
        name, _path, args, options = super().deconstruct()
        return name, "django.db.models.FileField", args, options


class WithStorage(models.Model):
    """A row with files, all of them in one storage.

    New rows name their storage. A row of before the column, or of a process of the
    version before, has none: its files are where ``Installation.storage_alias`` says.
    """

    storage_alias = models.CharField(
        _("storage"),
        max_length=255,
        blank=True,
        default=current_alias,
        db_default="",
        editable=False,
        help_text=_("The alias in STORAGES of the storage that has its files."),
    )

    class Meta:
        abstract = True

    @property
    def stored_in(self) -> str:
        """The alias of the storage that has the files of this row."""
        return storage.whereabouts.alias_of(self.storage_alias)

    def blobs(self, *fields: str) -> list[storage.Blob]:
        """Return the files of this row.

        Args:
            fields: Of which columns. Default: of all that have files.
        """
        model: Any = self._meta.concrete_model
        names = [getattr(self, name).name for name in fields or file_columns()[model]]
        return [storage.Blob(name, self.storage_alias) for name in names if name]


def upload_to(instance: models.Model, filename: str) -> str:
    """Return a random name with the extension of the given name, if it is safe."""
    extension = filename.rpartition(".")[2].lower()
    if not (extension.isascii() and extension.isalnum() and len(extension) <= 5):
        extension = "bin"
    return storage.new_name("files", extension)


def file_field(verbose_name: Any, **options: Any) -> models.FileField:
    """Return an optional file field on the project's storage."""
    return StoredFileField(
        verbose_name,
        storage=storage.ProjectStorage(),
        upload_to=upload_to,
        max_length=255,
        blank=True,
        **options,
    )


class DeletedFile(WithStorage):
    """A file to delete from the storage, because its row is deleted.

    It is written in the transaction that deletes the row, so a crash between
    the commit and the deletion leaves a note of the file.
    """

    name = models.CharField(_("name"), max_length=255)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    due_at = models.DateTimeField(
        _("due"),
        null=True,
        blank=True,
        help_text=_("Before that somebody may still read it; empty for at once."),
    )

    moved_to = models.CharField(
        _("moved to"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("The name of the copy that a move has made of it."),
    )

    objects = DeletedFileQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("deleted file")
        verbose_name_plural = _("deleted files")
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["name"], name="chatkit_deleted_name"),
            models.Index(fields=["moved_to"], name="chatkit_deleted_moved"),
        ]

    def __str__(self) -> str:
        return self.name
