"""Files that browsers write to the bucket; a real S3 server, whatever it enforces."""

from __future__ import annotations

import asyncio
import datetime
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from chatkit.types import AttachmentCreateParams
from django.conf import settings as project
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.utils import timezone
from PIL import Image

from chatkit_images import models, presigned_uploads, storage
from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import RequestRefused, StorageUnavailable
from chatkit_images.maintenance import sweep
from chatkit_images.queries import bucket_files
from chatkit_images.storage import presigned, readers
from chatkit_images.testing import LoopbackAPI, Text
from tests.client import ChatClient, done_items
from tests.faults.storages import rclone, s3_storage
from tests.image_files import image_file, noise
from tests.services import absent
from tests.tuning import tuned

pytest.importorskip("storages")
ClientError = pytest.importorskip("botocore.exceptions").ClientError
PHOTO = image_file("teal", "JPEG")
# A photo says where it was taken.
EXIF = Image.Exif()
EXIF[0x010E] = "in the garden"
SEGMENT = b"Exif\x00\x00" + EXIF.tobytes().removeprefix(b"Exif\x00\x00")
PHOTO = PHOTO[:2] + b"\xff\xe1" + (len(SEGMENT) + 2).to_bytes(2) + SEGMENT + PHOTO[2:]
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(3000)
HTML = b"<html><script>alert(1)</script></html>"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with rclone(tmp_path_factory.mktemp("s3")) as port:
            yield f"http://127.0.0.1:{port}"
    except FileNotFoundError:
        absent("rclone")


@pytest.fixture(scope="module", autouse=True)
def bucket(endpoint: str) -> Iterator[None]:
    """One storage for all tests: each thread takes a moment to make its client."""
    storages = project.STORAGES | {"chatkit_images": s3_storage(endpoint, "chat")}
    with override_settings(STORAGES=storages):
        yield


@pytest.fixture(autouse=True)
def uploads(settings: Any) -> Iterator[None]:
    more = {"ATTACHMENT_UPLOADS": "storage", "STORAGE": "chatkit_images"}
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | more
    yield
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | more
    storage.drain()
    for name, _age in list(storage.listing()):
        storage.delete(name)


@pytest.fixture
def client(ann: User) -> ChatClient:
    client = ChatClient()
    client.force_login(ann)
    return client


def files() -> list[str]:
    storage.drain()
    return sorted(name.split("/")[1] for name, _ in storage.listing())


async def announce(client: ChatClient, mime: str, size: int) -> tuple[str, Any]:
    params = {"name": "fox", "mime_type": mime, "size": size}
    made = await client.call("attachments.create", **params)
    told = made["upload_descriptor"]
    assert (told["method"], told["headers"]) == ("PUT", {"Content-Type": mime})
    return made["id"], told


def put(told: Any, data: bytes, mime: str = "") -> int:
    """Send bytes as a browser does, and return the status."""
    headers = {"Content-Type": mime or told["headers"]["Content-Type"]}
    request = urllib.request.Request(told["url"], data, headers, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def lie(data: bytes, name: str = "") -> None:
    """Put bytes where a client was to write others: this server enforces nothing."""
    name = name or str(models.Attachment.objects.get(upload__gt="").upload.name)
    s3: Any = storage.get_storage()
    s3.connection.Object(s3.bucket_name, f"{s3.location}/{name}").put(Body=data)


async def finish(client: ChatClient, key: str) -> Any:
    return await client.post(f"/chatkit/attachments/{key}/finish/")


def refusal(response: Any) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["message"]


NOT_UPLOADED = (409, "not_uploaded", "A file is not uploaded yet.")


def test_an_object_is_read_piece_by_piece_from_wherever_it_is_wanted() -> None:
    data = random.Random(1).randbytes(2 * storage.PIECE + 7)
    name = storage.new_name("attachments", "bin")
    storage.store(name, data)
    assert storage.stored_size(name) == len(data)
    reader = storage.open_reader(name)
    assert (type(reader), reader.size) == (readers.ObjectReader, len(data))
    for start in (0, len(data) - 9, 100):
        reader.seek(start)
        pieces = iter(lambda: reader.read(storage.PIECE), b"")
        assert b"".join(pieces) == data[start:]
    reader.close()
    storage.delete(name)
    for ask in (storage.stored_size, storage.open_reader):
        with pytest.raises(FileNotFoundError):
            ask(name)


async def test_an_image_goes_to_the_bucket_and_is_stored_anew_without_metadata(
    client: ChatClient,
) -> None:
    data = PHOTO
    key, told = await announce(client, "image/jpeg", len(data))
    assert refusal(await finish(client, key)) == NOT_UPLOADED
    assert put(told, data) == 200
    assert files() == ["uploads"]
    response = await finish(client, key)
    assert response.status_code == 200, response.content
    assert (response.json()["id"], response.json()["type"]) == (key, "image")
    assert "upload_descriptor" not in response.json()
    row = await models.Attachment.objects.aget()
    stored = storage.read(str(row.file.name))
    assert b"Exif" in data and b"Exif" not in stored
    assert (row.bytes, row.upload.name, row.awaits_upload) == (len(stored), "", False)
    assert len(row.sha256) == 64 and row.width
    assert files() == ["attachments", "thumbnails"]

    # The URL still holds. What it writes now is nobody's.
    assert put(told, bytes(len(data))) == 200
    assert (await finish(client, key)).json() == response.json()
    assert storage.read(str(row.file.name)) == stored


async def test_a_document_is_copied_and_its_first_bytes_alone_are_read(
    client: ChatClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_files, "LOOK_BYTES", 100)
    read: list[int] = []
    first = presigned.read_first

    def count(name: str, most: int, *where: str | None) -> bytes:
        read.append(len(found := first(name, most, *where)))
        return found

    monkeypatch.setattr(presigned, "read_first", count)
    key, told = await announce(client, "application/pdf", len(PDF))
    assert put(told, PDF) == 200
    assert (await finish(client, key)).json()["mime_type"] == "application/pdf"
    row = await models.Attachment.objects.aget()
    assert storage.read(str(row.file.name)) == PDF
    assert (row.bytes, row.sha256, read) == (len(PDF), "", [100])
    assert files() == ["attachments"]


async def test_the_signature_binds_size_and_type(client: ChatClient) -> None:
    _key, told = await announce(client, "application/pdf", len(PDF))
    assert put(told, PDF + b"x") == 403
    assert put(told, PDF, "text/html") == 403
    assert files() == []


SIZE = (400, "wrong_size", "The file has another size than was announced.")
ACCEPTED = "are not accepted. Accepted types: PNG, JPEG, WebP, GIF, PDF, plain text."
PROGRAM = b"MZ\x90\x00" + bytes(96)
LIES = [
    ("application/pdf", 3, PDF, SIZE[2]),
    ("application/pdf", len(PDF) + 1, PDF, SIZE[2]),
    ("image/png", 3, PHOTO, SIZE[2]),
    ("image/png", 100, b"", "The file is empty."),
    ("image/png", len(HTML), HTML, "another type (web page) than was announced."),
    ("image/png", len(PDF), PDF, "another type (PDF) than was announced."),
    ("application/pdf", len(HTML), HTML, "another type (web page) than"),
    ("text/plain", len(PDF), PDF, "another type (PDF) than was announced."),
    ("text/plain", len(PHOTO), PHOTO, "another type (JPEG) than was announced."),
    ("image/gif", 100, b"GIF89a" + b"a" * 94, "another type (GIF) than was announced."),
    ("text/plain", 100, b"<svg>" + b" " * 95, f"Files of this type (SVG) {ACCEPTED}"),
    ("application/pdf", 100, PROGRAM, f"Files of this type (program) {ACCEPTED}"),
    ("image/png", 100, PROGRAM, f"Files of this type (program) {ACCEPTED}"),
    ("image/jpeg", 600, PHOTO[:600], "This file (JPEG) is damaged, or a part of it"),
]


async def test_a_lie_is_refused_and_deleted(client: ChatClient) -> None:
    for mime, size, data, words in LIES:
        key, _told = await announce(client, mime, size)
        await sync_to_async(lie)(data)
        status, _code, message = refusal(await finish(client, key))
        assert status in (400, 415) and words in message, message
        assert files() == []
        row = await models.Attachment.objects.aget(pk=key)
        assert (row.file.name, row.upload.name, row.bytes) == ("", "", 0)
        assert refusal(await finish(client, key)) == NOT_UPLOADED


@pytest.mark.parametrize("limit", ["MAX_ATTACHMENT_BYTES", "MAX_IMAGE_BYTES"])
async def test_what_is_too_large_is_not_read(
    client: ChatClient, settings: Any, limit: str
) -> None:
    key, told = await announce(client, "image/jpeg", len(PHOTO))
    assert put(told, PHOTO) == 200
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {limit: 99}
    assert refusal(await finish(client, key))[:2] == (413, "too_large")
    assert files() == []


async def test_a_message_finishes_the_uploads_of_its_files(
    client: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Text("A file."))
    key, told = await announce(client, "application/pdf", len(PDF))
    assert put(told, PDF) == 200
    events = await client.say("what is this?", attachments=[key])
    (item,) = done_items(events, "user_message")
    assert [each["id"] for each in item["attachments"]] == [key]
    row = await models.Attachment.objects.aget()
    assert row.file and not row.awaits_upload and row.thread_id


async def test_a_message_with_a_lie_is_refused_before_it_is_written(
    client: ChatClient,
) -> None:
    key, _told = await announce(client, "application/pdf", len(HTML))
    await sync_to_async(lie)(HTML)
    sent = {"input": {"content": [], "attachments": [key], "inference_options": {}}}
    for code in ("wrong_type", "not_uploaded"):
        response = await client.request_op("threads.create", sent)
        assert refusal(response)[1] == code
    assert not await models.Thread.objects.aexists()


async def test_bytes_that_change_while_they_are_looked_at_do_not_count(
    client: ChatClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is what is looked at, so nothing depends on conditions of the server."""
    copy, other = presigned.copy, PROGRAM + bytes(len(PDF) - len(PROGRAM))

    def swap_before(name: str, target: str, *where: str | None) -> None:
        lie(other, name)
        copy(name, target, *where)

    def swap_behind(name: str, target: str, *where: str | None) -> None:
        copy(name, target, *where)
        lie(other, name)

    for swap, status in ((swap_before, 415), (swap_behind, 200)):
        key, told = await announce(client, "application/pdf", len(PDF))
        assert put(told, PDF) == 200
        monkeypatch.setattr(presigned, "copy", swap)
        assert (await finish(client, key)).status_code == status
        row = await models.Attachment.objects.aget()
        if row.file:
            assert storage.read(str(row.file.name)) == PDF
        await row.adelete()
        # This server removes empty folders, and fails what is written at that moment.
        assert files() == []


@pytest.mark.parametrize("is_first", [True, False])
async def test_an_upload_that_is_finished_twice_at_once_is_stored_once(
    context: RequestContext,
    monkeypatch: pytest.MonkeyPatch,
    client: ChatClient,
    is_first: bool,
) -> None:
    key, told = await announce(client, "application/pdf", len(PDF))
    assert put(told, PDF) == 200
    store = DjangoAttachmentStore()
    looked = presigned_uploads.look

    async def late(file: Any) -> Any:
        monkeypatch.setattr(presigned_uploads, "look", looked)
        stored = await looked(file) if is_first else None
        await store.finish(key, context)
        await sync_to_async(storage.drain)()
        return stored or await looked(file)

    monkeypatch.setattr(presigned_uploads, "look", late)
    attachment = await store.finish(key, context)
    assert attachment.upload_descriptor is None
    row = await models.Attachment.objects.aget()
    assert storage.read(str(row.file.name)) == PDF


async def test_a_storage_that_fails_leaves_the_upload_for_another_try(
    client: ChatClient, context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, told = await announce(client, "application/pdf", len(PDF))
    assert put(told, PDF) == 200

    def fail(name: str, target: str, *where: str | None) -> None:
        raise OSError("away")

    with monkeypatch.context() as patched:
        patched.setattr(presigned, "copy", fail)
        with pytest.raises(StorageUnavailable, match="away"):
            await DjangoAttachmentStore().finish(key, context)
    assert (await finish(client, key)).status_code == 200


def age() -> None:
    long_ago = timezone.now() - datetime.timedelta(days=2)
    models.Attachment.objects.update(created_at=long_ago)


async def test_unfinished_uploads_go_with_the_sweep_and_with_their_attachment(
    client: ChatClient, settings: Any
) -> None:
    for end in ("sweep", "delete"):
        key, told = await announce(client, "application/pdf", len(PDF))
        assert put(told, PDF) == 200
        assert files() == ["uploads"]
        if end == "delete":
            await client.call("attachments.delete", attachment_id=key)
        else:
            await sync_to_async(age)()
            counts = await sync_to_async(sweep)()
            assert counts["unsent attachments"] == 1
        assert files() == []
        # The URL still holds: what comes now is a file that nobody knows.
        assert put(told, PDF) == 200
        tuning = {"SWEEP_GRACE_SECONDS": -1}
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"TUNING": tuning}
        assert (await sync_to_async(sweep)())["unknown files"] == 1
        assert files() == []
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"TUNING": {}}


async def test_nobody_else_finishes_an_upload(
    client: ChatClient, stranger: ChatClient
) -> None:
    key, told = await announce(client, "application/pdf", len(PDF))
    assert put(told, PDF) == 200
    assert refusal(await finish(stranger, key))[:2] == (404, "not_found")
    assert files() == ["uploads"]


async def test_what_goes_past_the_app_counts_as_an_upload(
    client: ChatClient, settings: Any
) -> None:
    limits = {"LIMITS": {"UPLOADS_PER_MINUTE": 1}}
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | limits
    await announce(client, "application/pdf", 9)
    params = {"name": "fox", "mime_type": "application/pdf", "size": 9}
    for _ in range(2):  # A minute of the clock may just begin.
        response = await client.request_op("attachments.create", params)
        if response.status_code != 200:
            break
    assert refusal(response)[:2] == (429, "uploads_per_minute")


async def test_another_storage_takes_no_uploads_of_clients(
    context: RequestContext, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"STORAGE": "default"}
    said = AttachmentCreateParams(name="a", size=9, mime_type="application/pdf")
    with pytest.raises(ImproperlyConfigured, match="needs S3Storage as it is"):
        await DjangoAttachmentStore().create_attachment(said, context)
    assert not await models.Attachment.objects.aexists()


async def test_a_blocked_owner_finishes_nothing(
    client: ChatClient, context: RequestContext
) -> None:
    key, _told = await announce(client, "application/pdf", len(PDF))
    await models.OwnerBlock.objects.acreate(owner=context.owner)
    with pytest.raises(RequestRefused, match="may not chat"):
        await DjangoAttachmentStore().finish(key, context)


async def test_the_form_of_a_large_image_for_models_is_made_once_it_is_finished(
    client: ChatClient,
) -> None:
    data = noise("PNG", (700, 700))
    key, told = await announce(client, "image/png", len(data))
    assert put(told, data) == 200
    for _ in range(2):
        response = await finish(client, key)
        assert response.status_code == 200, response.content
        # Behind what can be spared: other jobs of its thread go first.
        await asyncio.wrap_future(storage.begin_spare("redraw", lambda: None))
        assert await sync_to_async(files)() == ["attachments", "thumbnails", "variants"]
    assert (await models.ImageVariant.objects.aget()).attachment_id == key


async def test_what_signs_uploads_has_its_time_and_its_errors(
    client: ChatClient, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = threading.Event()
    said = {"Code": ""}

    def hang(*args: object) -> None:
        hanging.wait(10)

    def fail(*args: object) -> None:
        raise ClientError({"Error": said}, "CopyObject")

    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, STORAGE_TIMEOUT=0.1)
    monkeypatch.setattr(presigned, "sign", hang)
    params = {"name": "fox", "mime_type": "application/pdf", "size": 9}
    response = await client.request_op("attachments.create", params)
    hanging.set()
    assert refusal(response)[:2] == (503, "unavailable")
    # What staff have to mend is not told as something that passes, and a token that a
    # role renews is.
    monkeypatch.setattr(presigned, "sign", fail)
    for said["Code"], status in {"AccessDenied": 500, "ExpiredToken": 503}.items():
        response = await client.request_op("attachments.create", params)
        assert refusal(response)[0] == status
    assert not await models.Attachment.objects.aexists()


async def test_a_copy_that_comes_too_late_is_deleted(
    client: ChatClient, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, told = await announce(client, "application/pdf", len(PDF))
    assert put(told, PDF) == 200
    copy, answered, dropped = presigned.copy, threading.Event(), threading.Event()
    drop = bucket_files.drop

    def late(name: str, target: str, *where: str | None) -> None:
        answered.wait(10)
        copy(name, target, *where)

    def note(*blob: Any) -> None:
        drop(*blob)
        dropped.set()

    monkeypatch.setattr(bucket_files, "drop", note)
    with monkeypatch.context() as patched:
        patched.setattr(presigned, "copy", late)
        before = settings.CHATKIT_IMAGES
        settings.CHATKIT_IMAGES = tuned(before, STORAGE_TIMEOUT=0.1)
        assert (await finish(client, key)).status_code == 503
        settings.CHATKIT_IMAGES = before
        answered.set()
        assert await sync_to_async(dropped.wait)(10)
    assert files() == ["uploads"]
    assert (await finish(client, key)).status_code == 200


@pytest.mark.parametrize("mime", ["application/pdf", "image/jpeg"])
async def test_an_upload_from_before_a_cipher_is_sent_again(
    client: ChatClient, settings: Any, mime: str
) -> None:
    """A copy in the bucket would be one that the cipher cannot read."""
    data = PDF if mime == "application/pdf" else PHOTO
    key, told = await announce(client, mime, len(data))
    assert put(told, data) == 200
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "FILE_CIPHER": "tests.test_storage_s3.Plain"
    }
    assert refusal(await finish(client, key)) == NOT_UPLOADED
    row = await models.Attachment.objects.aget()
    assert (row.awaits_upload, row.file.name) == (True, "")


@pytest.mark.parametrize("mime", ["application/pdf", "image/jpeg"])
async def test_an_upload_from_before_another_storage_is_finished_where_it_is(
    client: ChatClient, settings: Any, mime: str
) -> None:
    data = PDF if mime == "application/pdf" else PHOTO
    key, told = await announce(client, mime, len(data))
    assert put(told, data) == 200
    bucket = storage.current_alias()
    written = str((await models.Attachment.objects.aget()).upload.name)
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"STORAGE": "default"}
    assert (await finish(client, key)).status_code == 200
    row = await models.Attachment.objects.aget()
    # An image is written anew by the app, a document is copied in the bucket.
    assert row.stored_in == (bucket if mime == "application/pdf" else "default")
    assert await sync_to_async(storage.exists)(row.file.name, row.stored_in)
    await sync_to_async(storage.drain)()
    assert not await sync_to_async(storage.exists)(written, bucket)


async def test_an_image_that_is_too_large_for_one_is_not_sent_at_all(
    client: ChatClient, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MAX_IMAGE_BYTES": 99}
    params = {"name": "fox", "mime_type": "image/png", "size": 100}
    response = await client.request_op("attachments.create", params)
    assert refusal(response)[:2] == (413, "too_large")
    await announce(client, "application/pdf", 100)


def test_a_copy_has_the_tags_of_other_writes(endpoint: str) -> None:
    entry = s3_storage(endpoint, "tagged")
    entry["OPTIONS"]["object_parameters"] = {"Tagging": "team=chat"}
    sent: list[Any] = []

    def note(params: Any, **kwargs: Any) -> None:
        sent.append(params["headers"])

    names = [storage.new_name("attachments", "pdf") for _ in range(2)]
    with override_settings(STORAGES=project.STORAGES | {"chatkit_images": entry}):
        s3: Any = storage.get_storage()
        s3.connection.meta.client.meta.events.register("before-call", note)
        lie(PDF, names[0])
        presigned.copy(*names)
        for name in names:
            storage.delete(name)
    assert sent[1]["x-amz-tagging"] == "team=chat"
    assert sent[1]["x-amz-tagging-directive"] == "REPLACE"
