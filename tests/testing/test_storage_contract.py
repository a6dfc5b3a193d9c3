"""The storages of the pages keep the contract; those that break it are told apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import (
    FileSystemStorage,
    InMemoryStorage,
    storages,
)

from chatkit_images.testing.contracts.storages import StorageContract
from tests.docs.pages import block
from tests.docs.shop import module
from tests.faults.storages import rclone, s3_storage


class TestFileSystemStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Any:
        return FileSystemStorage(tmp_path)


class TestInMemoryStorage(StorageContract):
    @pytest.fixture
    def storage(self) -> Any:
        return InMemoryStorage()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("storages")
    try:
        with rclone(tmp_path_factory.mktemp("s3")) as port:
            yield f"http://127.0.0.1:{port}"
    except FileNotFoundError as error:
        pytest.skip(str(error))


class TestS3Storage(StorageContract):
    @pytest.fixture
    def storage(self, endpoint: str) -> Any:
        return storages.create_storage(s3_storage(endpoint, "chat"))


def test_the_suite_of_the_page_is_this_one() -> None:
    made = module("tests.test_storage", block("storage.md", "A storage of your own"))
    assert issubclass(made.TestShopStorage, StorageContract)


class Renaming(FileSystemStorage):
    def save(self, name: Any, content: Any, max_length: Any = None) -> str:
        return super().save(f"{name}.1", content, max_length)


class Text(FileSystemStorage):
    def _open(self, name: str, mode: str = "rb") -> Any:
        return super()._open(name, "r")


class Mute(FileSystemStorage):
    def delete(self, name: str) -> None:
        if not self.exists(name):
            raise PermissionError(name)
        super().delete(name)


@pytest.mark.parametrize("broken", [Renaming, Text, Mute])
def test_a_storage_that_breaks_the_contract_fails(
    broken: type[FileSystemStorage], tmp_path: Path
) -> None:
    suite, storage = StorageContract(), broken(tmp_path)
    name = f"chatkit_images/images/ab/{'ab' * 16}.png"
    with pytest.raises((AssertionError, UnicodeDecodeError)):
        suite.test_a_file_keeps_its_name_and_its_bytes(storage, name)
        suite.test_a_deletion_may_be_repeated(storage, name)
