"""Whether the storage still has what the rows say."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from chatkit_images import receiving, storage
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

    assert out.getvalue().splitlines() == [
        f"missing {lost.pk} {lost.file.name}",
        f"changed {changed.pk} {changed.file.name}",
        f"missing {strange.pk} elsewhere.png",
    ]
