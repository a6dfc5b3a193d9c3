"""The doctor where files are on S3."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from chatkit_images import storage
from chatkit_images.storage import s3
from tests.faults.storages import rclone, s3_storage
from tests.maintenance.examining import check_all, second_storage
from tests.maintenance.planting import Planter
from tests.services import absent

pytestmark = pytest.mark.django_db(transaction=True)


class OldFiles(Planter):
    """A planter that says of files on S3 that they are old."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.aged: set[str] = set()

    def age(self, name: str, alias: str | None = None) -> str:
        if storage.is_local(alias):
            return super().age(name, alias)
        self.aged.add(name)
        return name


@pytest.mark.parametrize("seed", [1, 2])
def test_all_drift_of_files_on_s3_is_found_and_mended(
    seed: int, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("rclone") is None:
        absent("rclone")
    with rclone(tmp_path / "s3") as port:
        endpoint = f"http://127.0.0.1:{port}"
        settings.STORAGES = settings.STORAGES | {
            "default": s3_storage(endpoint, "chat")
        }
        second_storage(settings, tmp_path)
        planter = OldFiles(seed)
        listing = s3.listing

        def listed(*args: Any) -> Any:
            for name, modified, size in listing(*args):
                is_old = name in planter.aged
                yield name, planter.old.timestamp() if is_old else modified, size

        monkeypatch.setattr(s3, "listing", listed)
        check_all(planter)
