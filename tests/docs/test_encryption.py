"""The cipher of the page: no plain byte of an image is on any disk."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.files.storage import InMemoryStorage, storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from chatkit_images import receiving, storage
from chatkit_images.conf import settings as chosen
from chatkit_images.exceptions import StorageUnavailable
from chatkit_images.models import GeneratedImage, Thread
from chatkit_images.queries import images
from chatkit_images.storage import backend, encryption
from chatkit_images.testing import Image, LoopbackAPI, Text
from tests.client import ChatClient, done_items
from tests.image_files import noise
from tests.tuning import tuned

from .pages import block
from .shop import installed, module

KEYS = {"new": bytes(32), "old": bytes(range(32))}
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def cipher(settings: Any) -> Iterator[Any]:
    pytest.importorskip("cryptography", reason="The page's cipher needs it.")
    settings.FILE_KEYS = dict(KEYS)
    settings.CHATKIT_IMAGES = tuned(
        settings.CHATKIT_IMAGES, STORAGE_ATTEMPTS=1, SWEEP_GRACE_SECONDS=0
    ) | {"FILE_CIPHER": "shop.ciphers.FileCipher", "IMAGE_URLS": "storage"}
    encryption.cipher.cache_clear()
    made = module("shop.ciphers", block("storage.md", "Encryption at rest"))
    with installed(ciphers=made):
        yield made
    encryption.cipher.cache_clear()


def on_disks() -> dict[str, bytes]:
    """Return all files of the storage and the spool."""
    roots = chosen.SPOOL_DIR, Path(storages["default"].location)  # type: ignore[attr-defined]
    return {
        path.name: path.read_bytes()
        for root in roots
        for path in root.rglob("*")
        if path.is_file()
    }


def check_encrypted(count: int) -> None:
    files = on_disks()
    assert len(files) == count
    for data in files.values():
        assert data.startswith(b"shop:new:")
        assert not any(mark in data for mark in (b"IHDR", b"WEBP", b"VP8", b"%PDF"))


async def test_a_chat_leaves_no_plain_byte_on_any_disk(
    chat: ChatClient, ann: User, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = backend.put

    def refuse(name: str, data: bytes, *where: str | None) -> None:
        raise ConnectionError("down")

    # Nothing gets to the storage, so all of it waits in the spool.
    monkeypatch.setattr(backend, "put", refuse)
    model.respond_with(Image(partials=1), Text("Here you are."))
    (image,) = done_items(await chat.say("a red fox"), "generated_image")
    url = image["image"]["url"]
    answer = await chat.get(url)
    assert answer.status_code == 200 and b"PNG" in answer.content[:8]
    await sync_to_async(check_encrypted)(len(await sync_to_async(on_disks)()))
    assert await sync_to_async(on_disks)()
    monkeypatch.setattr(backend, "put", put)

    def rest() -> None:
        call_command("chatkit_images_flush_spool", stdout=StringIO())
        assert not [p for p in chosen.SPOOL_DIR.rglob("*") if p.is_file()]
        check_encrypted(len(on_disks()))
        call_command("chatkit_images_verify", stdout=StringIO())
        call_command("chatkit_images_sweep", stdout=StringIO())
        row = GeneratedImage.objects.get()
        with row.file.open() as file:
            assert file.read() == answer.content and row.file.size == row.bytes

    await sync_to_async(rest)()
    # The URL is the app's own although IMAGE_URLS says "storage".
    assert "/chatkit/images/" in url
    assert (await chat.get(url)).content == answer.content


def test_keys_change_and_a_lost_one_is_told_of(settings: Any) -> None:
    names = [storage.new_name("images", "png") for _ in range(3)]
    plain = noise("PNG")
    storages["default"].save(names[0], SimpleUploadedFile("a.png", plain))
    settings.FILE_KEYS = {"old": KEYS["old"]}
    storage.store(names[1], plain)
    settings.FILE_KEYS = dict(KEYS)
    storage.store(names[2], plain)
    assert [storage.read(name) for name in names] == [plain] * 3
    assert on_disks()[names[1].rpartition("/")[2]].startswith(b"shop:old:")
    # A file in another's place is no file.
    path = storages["default"].path
    Path(path(names[2])).write_bytes(Path(path(names[1])).read_bytes())
    settings.FILE_KEYS = {"new": KEYS["new"]}
    for name in names[1:]:
        with pytest.raises(Exception, match="old|^$"):
            storage.read(name)


def test_equal_bytes_under_a_name_are_kept_however_they_were_encrypted(
    settings: Any,
) -> None:
    memory = InMemoryStorage()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "get_storage", lambda *where: memory)
        name = storage.new_name("images", "png")
        storage.store(name, b"bytes")
        with memory.open(name) as file:
            first = file.read()
        storage.store(name, b"bytes")
        with memory.open(name) as file:
            assert file.read() == first
        memory.delete(name)
        memory.save(name, SimpleUploadedFile("a", first[:30]))
        assert storage.store(name, b"bytes") and storage.read(name) == b"bytes"


def test_what_cannot_be_encrypted_is_written_nowhere(
    settings: Any, cipher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in (lambda *args: "text", lambda *args: 1 / 0):
        monkeypatch.setattr(cipher.FileCipher, "encrypt", wrong)
        with pytest.raises(StorageUnavailable):
            storage.store(storage.new_name("images", "png"), b"bytes")
    assert on_disks() == {}


def test_what_goes_past_a_cipher_is_told(settings: Any) -> None:
    def ids() -> set[str]:
        return {
            found.id or ""
            for found in run_checks(tags=["chatkit_images"])
            if found.id and found.id[-4:] in ("E026", "W017", "W018")
        }

    assert ids() == {"chatkit_images.W017", "chatkit_images.W018"}
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 2**25
    settings.CHATKIT_IMAGES |= {"IMAGE_URLS": "signed"}
    assert ids() == set()
    for path in ("shop.ciphers.Nothing", "shop.ciphers.os", "builtins.object", 7):
        settings.CHATKIT_IMAGES |= {"FILE_CIPHER": path}
        assert ids() == {"chatkit_images.E026"}


def test_verify_names_what_no_key_opens(settings: Any) -> None:
    thread = Thread.objects.create(pk="thr_1", owner="user:1")
    row = GeneratedImage.objects.create(thread=thread, call_id="ig_1")
    images.complete(row, receiving.store(noise("PNG"), row.key))
    call_command("chatkit_images_verify", stdout=StringIO())
    settings.FILE_KEYS = {"old": KEYS["old"]}
    out = StringIO()
    with pytest.raises(CommandError, match="1 images are not"):
        call_command("chatkit_images_verify", stdout=out)
    assert out.getvalue().startswith(f"unreadable {row.pk} ")
