"""Settings of the storage and of what belongs to it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from django.conf import settings as django_settings

from .base import Group


class Storing(Group):
    """Where files go."""

    # Storage

    @property
    def STORAGE(self) -> str:
        """Alias in ``STORAGES`` for images and attachments.

        Default: ``"chatkit_images"`` where ``STORAGES`` has it, else ``"default"``.
        """
        alias = "chatkit_images"
        default = alias if alias in django_settings.STORAGES else "default"
        return str(self._get("STORAGE", default))

    @property
    def INSTALLATION(self) -> str | None:
        """What this environment is called, for example ``"production"``.

        A copy of the database, as that of a staging site, must have another name. The
        marker of a storage tells by it whose files are there, so that only their own
        database has them deleted or moved by commands. Default: ``None``, the
        database's engine, host, port and name, and PostgreSQL's own id.
        """
        return cast("str | None", self._get("INSTALLATION", None))

    @property
    def SPOOL_DIR(self) -> Path:
        """Directory that keeps bytes until the storage has them: the spool.

        The app serves them from there until ``manage.py chatkit_images_flush_spool``
        or the next successful write moves them to the storage. Default:
        ``chatkit_images_spool`` in the working directory.
        """
        return Path(self._get("SPOOL_DIR", "chatkit_images_spool")).absolute()

    @property
    def FILE_CIPHER(self) -> str | None:
        """Dotted path of the project's class that encrypts files.

        With it, neither the storage nor the spool has plain files. docs/storage.md
        shows such a class. Default: ``None``, no encryption.
        """
        return cast("str | None", self._get("FILE_CIPHER", None))
