"""The storages of the app's file fields."""

from __future__ import annotations

from django.core.files import File
from django.core.files.storage import Storage
from django.utils.deconstruct import deconstructible

from . import backend, reading, writing


@deconstructible(path="chatkit_images.storage.ProjectStorage")
class ProjectStorage(Storage):
    """A storage of the app's file fields: the functions of this package.

    It asks the settings at each call, so a field never holds on to a storage.

    Args:
        alias: Its alias in ``STORAGES``. Default: the one to which new files go.
    """

    def __init__(self, alias: str | None = None) -> None:
        self.alias = alias

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        return File(reading.open_file(name, self.alias), name=name)

    def _save(self, name: str, content: File[bytes]) -> str:
        writing.store(name, content.read(), self.alias)
        return name

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name  # Random; asking the storage would cost a round trip.

    def delete(self, name: str) -> None:
        reading.delete(name, self.alias)

    def exists(self, name: str) -> bool:
        return reading.exists(name, self.alias)

    def size(self, name: str) -> int:
        with reading.open_file(name, self.alias) as file:
            return File(file).size

    def url(self, name: str | None) -> str:
        return backend.get_storage(self.alias).url(name)
