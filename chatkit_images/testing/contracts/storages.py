"""What the app asks of a Django storage, as tests to subclass."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.files.base import ContentFile

from chatkit_images.storage import PREFIX, new_name

LARGE = bytes(range(256)) * 2**14
# Seconds by which the clock of a storage may be wrong.
CLOCK = 600


class StorageContract:
    """The contract of a storage of images and attachments.

    A subclass gives the fixture ``storage``. Files are made under names of the app's
    own in its folder, and deleted again.
    """

    @pytest.fixture
    def storage(self) -> Any:
        """Return the storage."""
        raise NotImplementedError(f"{type(self).__name__} must give 'storage'.")

    @pytest.fixture
    def name(self, storage: Any) -> Any:
        """Return a name that no file has."""
        name = new_name("images", "png")
        yield name
        storage.delete(name)

    def saved(self, storage: Any, name: str, data: bytes) -> Any:
        """Save a file, and return the name that it got."""
        return storage.save(name, ContentFile(data))

    def read(self, storage: Any, name: str) -> Any:
        """Return what a file has."""
        with storage.open(name, "rb") as file:
            return file.read()

    def is_missing(self, storage: Any, name: str) -> bool:
        """Whether a read says that there is no such file, in whatever words."""
        try:
            self.read(storage, name)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        except Exception:
            return storage.exists(name) is False
        return False

    def test_a_file_keeps_its_name_and_its_bytes(self, storage: Any, name: str) -> None:
        assert self.saved(storage, name, LARGE) == name
        assert self.read(storage, name) == LARGE
        assert self.read(storage, name) == LARGE
        assert storage.exists(name) is True

    def test_a_file_that_is_not_there_is_not_found(
        self, storage: Any, name: str
    ) -> None:
        assert storage.exists(name) is False
        assert self.is_missing(storage, name)

    def test_a_deletion_may_be_repeated(self, storage: Any, name: str) -> None:
        self.saved(storage, name, b"bytes")
        storage.delete(name)
        try:
            storage.delete(name)
        except OSError as error:
            assert isinstance(error, FileNotFoundError)
        except Exception:
            assert storage.exists(name) is False
        assert storage.exists(name) is False
        assert self.is_missing(storage, name)

    def test_a_name_that_is_taken_is_replaced_or_gets_a_copy_beside(
        self, storage: Any, name: str
    ) -> None:
        self.saved(storage, name, b"first")
        second = self.saved(storage, name, b"second")
        try:
            assert self.read(storage, second) == b"second"
            assert second == name or self.read(storage, name) == b"first"
            # The app recognises a copy by the key, and deletes it.
            assert name.rpartition("/")[2].partition(".")[0] in second
        finally:
            storage.delete(second)
        storage.delete(name)
        assert self.saved(storage, name, b"third") == name
        assert self.read(storage, name) == b"third"

    def test_files_are_listed_with_their_times(self, storage: Any, name: str) -> None:
        try:
            folders, files = storage.listdir(f"{PREFIX}/none")
        except FileNotFoundError:
            folders, files = [], []
        assert (list(folders), list(files)) == ([], [])
        self.saved(storage, name, b"bytes")
        folder, _, file = name.rpartition("/")
        assert file in storage.listdir(folder)[1]
        above, _, last = folder.rpartition("/")
        assert last in storage.listdir(above)[0]
        age = time.time() - storage.get_modified_time(name).timestamp()
        assert abs(age) < CLOCK

    def test_many_threads_work_at_once(self, storage: Any) -> None:
        names = [new_name("images", "png") for _ in range(16)]

        def work(name: str) -> bool:
            data = name.encode() * 999
            try:
                kept = self.saved(storage, name, data) == name
                return kept and bool(self.read(storage, name) == data)
            finally:
                storage.delete(name)

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(work, names)) == [True] * len(names)
        assert not any(storage.exists(name) for name in names)
