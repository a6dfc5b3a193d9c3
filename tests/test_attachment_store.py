from __future__ import annotations

import io
import re
from typing import Any

import pytest
from chatkit import types
from chatkit.store import NotFoundError
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from chatkit_images import imaging, models, storage
from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.cleaning import clean_name
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import RequestRefused
from chatkit_images.store import DjangoStore
from chatkit_images.testing.contracts import AttachmentStoreContract, make_thread

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'
HTML = b"<html><script>alert(1)</script></html>"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


def upload(name: str, data: bytes, declared: str = "image/png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, declared)


def params(**fields: Any) -> types.AttachmentCreateParams:
    base = {"name": "fox.png", "size": 9, "mime_type": "image/png"}
    return types.AttachmentCreateParams(**base | fields)


def files() -> list[str]:
    storage.drain()
    return sorted(name for name, _ in storage.listing())


@pytest.fixture
def attachment_store() -> DjangoAttachmentStore:
    return DjangoAttachmentStore()


@pytest.fixture
def store() -> DjangoStore:
    return DjangoStore()


class TestDjangoAttachmentStore(AttachmentStoreContract):
    @pytest.fixture
    def other_context(self, foreign: RequestContext) -> RequestContext:
        return foreign


async def test_the_type_is_read_from_the_bytes(
    attachment_store: DjangoAttachmentStore, context: RequestContext, png: bytes
) -> None:
    gif = io.BytesIO()
    Image.new("P", (2, 3)).save(gif, "GIF")
    for name, data, mime, kind in (
        ("a.exe", png, "image/png", "image"),
        ("a.png", gif.getvalue(), "image/gif", "image"),
        ("a.png", PDF, "application/pdf", "file"),
        ("a.png", "Grüße".encode(), "text/plain", "file"),
        # A page in disguise is text, and is served as a download.
        ("a.png", HTML, "text/plain", "file"),
    ):
        attachment = await attachment_store.upload(upload(name, data), context)
        row = await models.Attachment.objects.aget(pk=attachment.id)
        assert (attachment.type, attachment.mime_type) == (kind, mime), data
        assert (row.kind, row.mime_type, row.bytes) == (kind, mime, len(data))
        assert storage.read(row.file.name) == data
        assert bool(row.thumbnail) is (kind == "image")
        assert attachment.name == name not in row.file.name
        assert attachment.upload_descriptor is None
    image = await models.Attachment.objects.aget(mime_type="image/png")
    assert (image.width, image.height) == (64, 48)
    assert imaging.inspect(storage.read(image.thumbnail.name)).mime == "image/webp"


ACCEPTED = "Accepted types: PNG, JPEG, WebP, GIF, PDF, plain text."
DAMAGED = "This file (PNG) is damaged, or a part of it is missing."


def not_accepted(found: str) -> str:
    """Return what a person reads of a file whose type is not accepted."""
    kind = f"this type ({found})" if found else "an unknown type"
    return f"Files of {kind} are not accepted. {ACCEPTED}"


async def test_refused_bytes_leave_nothing(
    attachment_store: DjangoAttachmentStore,
    context: RequestContext,
    png: bytes,
    settings: Any,
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MAX_ATTACHMENT_BYTES": 9999}
    for data, code, status, message in (
        (SVG, "unsupported_type", 415, not_accepted("SVG")),
        (b"MZ\x90\x00", "unsupported_type", 415, not_accepted("program")),
        (png[:60], "damaged_file", 400, DAMAGED),
        (b"a" * 10_000, "too_large", 413, "The file is too large."),
        (b"", "empty_file", 400, "The file is empty."),
    ):
        with pytest.raises(RequestRefused, match=f"^{re.escape(message)}$") as refused:
            await attachment_store.upload(upload("a.png", data), context)
        assert (refused.value.code, refused.value.status) == (code, status)
    assert await models.Attachment.objects.acount() == 0
    assert files() == []


async def test_an_announcement_is_refused_before_it_is_written(
    attachment_store: DjangoAttachmentStore, context: RequestContext
) -> None:
    for fields, status, message in (
        ({"size": 20 * 2**20 + 1}, 413, "The file is too large."),
        ({"size": 0}, 400, "The file is empty."),
        ({"size": -1}, 400, "The file is empty."),
        ({"mime_type": "text/html"}, 415, not_accepted("web page")),
        ({"mime_type": "image/svg+xml"}, 415, not_accepted("SVG")),
        ({"mime_type": "image/HEIC; a=b"}, 415, not_accepted("HEIC")),
        ({"mime_type": "a/b" + "c" * 99}, 415, not_accepted("a/b" + "c" * 57)),
        ({"mime_type": ""}, 415, not_accepted("")),
    ):
        with pytest.raises(RequestRefused, match=f"^{re.escape(message)}$") as refused:
            await attachment_store.create_attachment(params(**fields), context)
        assert refused.value.status == status
    assert await models.Attachment.objects.acount() == 0


async def test_announced_bytes_come_once_and_from_their_owner(
    attachment_store: DjangoAttachmentStore,
    store: DjangoStore,
    context: RequestContext,
    foreign: RequestContext,
    png: bytes,
) -> None:
    made = await attachment_store.create_attachment(
        params(name="f\x00x.png" + "x" * 300, mime_type="image/jpeg"), context
    )
    assert made.name == clean_name("f\ufffdx.png" + "x" * 300)
    for who, key in ((foreign, made.id), (context, "atc_missing")):
        with pytest.raises(NotFoundError, match=f"^Attachment {key} not found$"):
            await attachment_store.upload(upload("a", png), who, key)
    assert files() == []

    uploaded = await attachment_store.upload(upload("a", png), context, made.id)
    assert uploaded.id == made.id and uploaded.name == made.name
    # What was announced counts for nothing.
    assert (uploaded.mime_type, uploaded.upload_descriptor) == ("image/png", None)
    assert await store.load_attachment(made.id, context) == uploaded
    before = files()
    with pytest.raises(RequestRefused, match="^This file is uploaded already.$"):
        await attachment_store.upload(upload("a", PDF), context, made.id)
    assert files() == before and len(before) == 2


async def test_a_file_that_a_message_shows_stays(
    attachment_store: DjangoAttachmentStore,
    store: DjangoStore,
    context: RequestContext,
    png: bytes,
) -> None:
    shown, unused = [
        await attachment_store.upload(upload("a", png), context) for _ in range(2)
    ]
    await store.save_thread(make_thread(), context)
    await store.save_attachment(
        shown.model_copy(update={"thread_id": "thr_1"}), context
    )
    with pytest.raises(RequestRefused, match="^A message shows this file; it stays.$"):
        await attachment_store.delete_attachment(shown.id, context)
    await attachment_store.delete_attachment(unused.id, context)
    assert len(files()) == 4
    await store.delete_attachment(unused.id, context)
    assert len(files()) == 2
