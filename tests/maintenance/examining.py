"""Examinations of planted drift."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chatkit_images import doctor, storage
from chatkit_images.models import Thread
from tests.image_files import image_file

from .planting import SECOND, Planted, Planter

NAMES = [each.name for each in doctor.CLASSES]


def second_storage(settings: Any, folder: Path) -> None:
    """Give the project another storage, in which a row has its file."""
    options = {"location": folder / "second"}
    backend = "django.core.files.storage.FileSystemStorage"
    second = {"BACKEND": backend, "OPTIONS": options}
    settings.STORAGES = settings.STORAGES | {SECOND: second}
    kept = {"mime": "image/png", "status": "completed"}
    thread = Thread.objects.create(pk="second", owner="user:second")
    name, data = storage.new_name("images", "png"), image_file("red")
    storage.store(name, data, SECOND)
    thread.images.create(file=name, storage_alias=SECOND, bytes=len(data), **kept)


def examined(**options: Any) -> tuple[doctor.Report, Planted]:
    """Return what the doctor says, and all that it has found."""
    found: Planted = {}

    def note(finding: doctor.Finding, done: bool) -> None:
        assert finding.what not in found.setdefault(finding.drift, set())
        found[finding.drift].add(finding.what)

    report = doctor.examine(found=note, **options)
    storage.drain()
    return report, found


def check_all(planter: Planter, most: int = 3) -> None:
    """Plant drift of all classes: all is found and nothing else, mended, and gone."""
    planted = planter.plant(NAMES, most)
    assert set(planted) == set(NAMES)

    report, found = examined(deep=True)
    assert report.troubles == []
    assert found == planted
    assert {name: count.found for name, count in report.counts.items()} == {
        name: len(planted[name]) for name in NAMES
    }
    assert report.exit_code == 1

    report, found = examined(deep=True, fixes=["all", *NAMES])
    # One mend may do for two files of a row.
    assert all(found[name] <= planted[name] for name in found)
    assert report.left == report.exit_code == 0, report.to_json()

    report, found = examined(deep=True)
    assert found == {}
    assert report.exit_code == 0
