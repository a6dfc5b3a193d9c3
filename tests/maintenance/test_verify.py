"""Whether the storage still has what the rows say."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from chatkit_images import maintenance, receiving, storage
from chatkit_images.models import GeneratedImage, Thread
from chatkit_images.queries import images
from tests.image_files import image_file

pytestmark = pytest.mark.django_db(transaction=True)


def image(call_id: str) -> GeneratedImage:
    thread, _ = Thread.objects.get_or_create(pk="thr_1", owner="user:1")
    row = GeneratedImage.objects.create(thread=thread, call_id=call_id)
    images.complete(row, receiving.store(image_file("red"), row.key))
    return row


def test_what_is_whole_is_said_to_be() -> None:
    image("ig_1")
    out = StringIO()
    call_command("chatkit_images_verify", stdout=out)
    assert out.getvalue() == "Every image is what its row says.\n"


@pytest.mark.row("D19")
def test_lost_and_changed_images_are_named() -> None:
    """D07, D19."""
    lost, changed, strange = (image(f"ig_{n}") for n in range(3))
    storage.delete(str(lost.file.name))
    path = Path(storages["default"].path(str(changed.file.name)))
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    GeneratedImage.objects.filter(pk=strange.pk).update(file="elsewhere.png")
    out = StringIO()

    with pytest.raises(CommandError, match="3 images are not what"):
        call_command("chatkit_images_verify", stdout=out)

    assert set(out.getvalue().splitlines()) == {
        f"missing {lost.pk} {lost.file.name}",
        f"changed {changed.pk} {changed.file.name}",
        f"missing {strange.pk} elsewhere.png",
    }


def test_it_reads_pages_and_holds_no_cursor_over_the_storage(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    """S12: behind a pooler in transaction mode a cursor is gone after its statement."""
    rows = [image(f"ig_{n}") for n in range(3)]
    module = sys.modules[maintenance.verify.__module__]
    monkeypatch.setattr(module, "PAGE", 2)
    monkeypatch.setattr(GeneratedImage.objects, "iterator", None, raising=False)
    with django_assert_num_queries(3):
        assert list(maintenance.verify()) == []
    storage.delete(str(rows[0].file.name))
    storage.delete(str(rows[1].file.name))
    found = maintenance.verify()
    first = next(found)
    other = next(row for row in rows[:2] if row.pk != first.image.pk)
    # A person deletes the other one while the command reads.
    other.delete()
    assert list(found) == []
