"""How the bytes of stored files are served: conditions, parts, pieces."""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.core.files.storage import FileSystemStorage
from django.test import AsyncClient, Client

from chatkit_images import file_urls, models, storage
from chatkit_images.context import RequestContext
from chatkit_images.storage import readers
from chatkit_images.views import sending

CONTEXT = RequestContext(None, "user:1", "http://testserver")
LARGE = random.Random(1).randbytes(3 * storage.PIECE + 7)
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


class Odd(FileSystemStorage):
    """A storage of a project's, of which nothing is known."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        return super()._open(name, mode)


class Backwards:
    """A cipher."""

    def encrypt(self, name: str, data: bytes) -> bytes:
        return data[::-1]

    decrypt = encrypt


@pytest.fixture
def make(db: None) -> Callable[..., models.GeneratedImage]:
    def make(data: bytes = LARGE, **more: Any) -> models.GeneratedImage:
        thread = models.Thread.objects.create(
            pk=f"thr_{uuid.uuid4().hex}", owner=CONTEXT.owner
        )
        name = storage.new_name("images", "png")
        storage.store(name, data)
        facts = {"file": name, "mime": "image/png", "bytes": len(data)}
        facts |= {"status": "completed", "sha256": hashlib.sha256(data).hexdigest()}
        return models.GeneratedImage.objects.create(thread=thread, **facts | more)

    return make


def path_of(image: models.GeneratedImage, variant: str = "full") -> str:
    url = file_urls.signed_url(image, CONTEXT, variant)
    return url.removeprefix(CONTEXT.base_url)


def body_of(response: Any) -> bytes:
    return b"".join(response) if response.streaming else bytes(response.content)


@pytest.fixture(params=["directory", "spool", "another storage", "encrypted"])
def place(request: Any, settings: Any) -> str:
    kind: str = request.param
    if kind == "another storage":
        entry = {"BACKEND": "tests.test_serving.Odd"}
        settings.STORAGES = settings.STORAGES | {"default": entry}
    if kind == "encrypted":
        own = {"FILE_CIPHER": "tests.test_serving.Backwards"}
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | own
    return kind


def test_a_file_comes_whole_or_in_part_wherever_it_is(
    make: Any, client: Client, place: str
) -> None:
    image = make()
    if place == "spool":
        storage.spool.keep(image.file.name, LARGE)
        storage.get_storage().delete(image.file.name)
    whole = client.get(path_of(image))
    assert (whole.status_code, body_of(whole)) == (200, LARGE)
    assert whole["Content-Length"] == str(len(LARGE))
    assert whole["Accept-Ranges"] == "bytes"
    middle = client.get(path_of(image), headers={"Range": "bytes=100-200099"})
    assert (middle.status_code, body_of(middle)) == (206, LARGE[100:200100])
    assert middle["Content-Range"] == f"bytes 100-200099/{len(LARGE)}"
    assert middle["ETag"] == whole["ETag"]


@pytest.mark.parametrize(
    ("wish", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=5-", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("BYTES= 2-4 ", (2, 5)),
        ("bytes=8-99999999", (8, 10)),
        ("bytes=10-", "416"),
        ("bytes=-0", "416"),
        ("bytes=10-12", "416"),
        ("bytes=5-4", None),
        ("bytes=0-1,4-5", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1", None),
        ("items=0-1", None),
        ("bytes=0-" + "9" * 5000, None),
        ("bytes=٣-٤", None),
    ],
)
def test_a_part_is_one_range_that_makes_sense(
    make: Any, client: Client, wish: str, part: Any
) -> None:
    image = make(b"0123456789")
    response = client.get(path_of(image), headers={"Range": wish})
    for header, value in SAFE.items():
        assert response[header] == value
    if part == "416":
        assert response.status_code == 416
        assert response["Content-Range"] == "bytes */10"
        assert response["Cache-Control"] == "no-store"
        return
    start, stop = part or (0, 10)
    assert response.status_code == (206 if part else 200)
    assert response.content == b"0123456789"[start:stop]
    said = f"bytes {start}-{stop - 1}/10" if part else None
    assert response.headers.get("Content-Range") == said


def test_an_empty_file_has_no_part(make: Any, client: Client) -> None:
    path = path_of(make(b""))
    assert client.get(path).content == b""
    response = client.get(path, headers={"Range": "bytes=0-"})
    assert (response.status_code, response["Content-Range"]) == (416, "bytes */0")


def test_a_part_is_of_what_the_client_has(make: Any, client: Client) -> None:
    path = path_of(make(b"0123456789"))
    whole = client.get(path)
    for said, status in {
        whole["ETag"]: 206,
        whole["Last-Modified"]: 206,
        f"W/{whole['ETag']}": 200,
        '"another"': 200,
        "Thu, 01 Jan 1970 00:00:00 GMT": 200,
        "junk": 200,
    }.items():
        headers = {"Range": "bytes=0-3", "If-Range": said}
        response = client.get(path, headers=headers)
        assert (said, response.status_code) == (said, status)


def test_what_a_client_has_is_not_sent_again(
    make: Any, client: Client, monkeypatch: Any
) -> None:
    image = make()
    path = path_of(image)
    first = client.get(path)
    etag = first["ETag"]
    assert etag == f'"{image.sha256}"'
    assert first["Cache-Control"] == "private, max-age=900, immutable"

    def never(*args: Any) -> None:
        raise AssertionError("A file was opened.")

    assert body_of(first) == LARGE
    monkeypatch.setattr(readers, "open_reader", never)
    monkeypatch.setattr(storage, "open_reader", never)
    for said in (etag, f"W/{etag}", f'"another", {etag}', "*"):
        response = client.get(path, headers={"If-None-Match": said})
        assert (response.status_code, response.content) == (304, b"")
        assert response["ETag"] == etag
        assert response["Cache-Control"] == first["Cache-Control"]
        for header, value in SAFE.items():
            assert response[header] == value
    since = {"If-Modified-Since": first["Last-Modified"]}
    assert client.get(path, headers=since).status_code == 304
    assert client.head(path, headers=since).status_code == 304
    # A 304 is for those who may have the image.
    other = path.replace("/images/", "/images/x")
    assert client.get(other, headers={"If-None-Match": "*"}).status_code == 404
    models.GeneratedImage.objects.filter(pk=image.pk).update(
        status="blocked", finished_at=image.created_at
    )
    response = client.get(path, headers={"If-None-Match": etag})
    assert response.status_code == 410
    refused = client.get(path, headers={"If-Match": '"another"'})
    assert (refused.status_code, refused["Cache-Control"]) == (410, "no-store")


def test_another_file_is_sent_again(make: Any, client: Client) -> None:
    path = path_of(make(b"0123456789"))
    for header, value in {
        "If-None-Match": '"another"',
        "If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT",
    }.items():
        assert client.get(path, headers={header: value}).content == b"0123456789"
    refused = client.get(path, headers={"If-Match": '"another"'})
    assert (refused.status_code, refused["Cache-Control"]) == (412, "no-store")


def test_each_variant_has_a_name_of_its_own_for_caches(
    make: Any, client: Client
) -> None:
    thumbnail, preview = (storage.new_name("images", "webp") for _ in range(2))
    storage.store(thumbnail, b"small")
    storage.store(preview, b"early")
    image = make(b"whole", thumbnail=thumbnail)
    image.partials.create(index=0, file=preview, mime="image/webp")
    answers = {
        variant: client.get(path_of(image, variant))
        for variant in ("full", "thumbnail", "partial-0", "partial-1", "model")
    }
    found = {name: (each.content, each["ETag"]) for name, each in answers.items()}
    assert found == {
        "full": (b"whole", f'"{image.sha256}"'),
        "thumbnail": (b"small", f'"{storage.key_of(thumbnail)}"'),
        "partial-0": (b"early", f'"{storage.key_of(preview)}"'),
        "partial-1": (b"whole", f'"{image.sha256}"'),
        "model": (b"whole", f'"{image.sha256}"'),
    }
    lasting = {n for n, each in answers.items() if "immutable" in each["Cache-Control"]}
    assert lasting == {"full", "thumbnail"}
    # Whatever comes in its place later has the same URL.
    models.GeneratedImage.objects.update(thumbnail="", status="interrupted")
    kept = client.get(path_of(image))["Cache-Control"]
    assert kept == "private, max-age=900"
    assert "immutable" not in client.get(path_of(image, "thumbnail"))["Cache-Control"]


def test_a_head_opens_no_file_elsewhere(
    make: Any, client: Client, place: str, monkeypatch: Any
) -> None:
    image = make()
    if place in ("another storage", "encrypted"):
        monkeypatch.setattr(storage, "open_reader", None)
    response = client.head(path_of(image))
    assert (response.status_code, response.content) == (200, b"")
    assert response["Content-Length"] == str(len(LARGE))
    assert response["ETag"] == f'"{image.sha256}"'
    assert "Content-Range" not in client.head(
        path_of(image), headers={"Range": "bytes=0-1"}
    )


def test_a_head_asks_the_storage_where_the_row_says_nothing(
    make: Any, client: Client, place: str
) -> None:
    response = client.head(path_of(make(bytes=None)))
    assert response["Content-Length"] == str(len(LARGE))
    assert (
        client.head(
            path_of(make(file=storage.new_name("images", "png"), bytes=None))
        ).status_code
        == 410
    )


def test_a_head_of_a_file_that_is_gone_says_so(
    make: Any, client: Client, place: str
) -> None:
    image = make()
    storage.delete(image.file.name)
    for ask in (client.get, client.head):
        response = ask(path_of(image))
        assert (response.status_code, response["Cache-Control"]) == (410, "no-store")


def test_a_file_of_another_size_than_its_rows_is_sent_as_it_is(
    make: Any, client: Client, caplog: Any
) -> None:
    for said in (3, 30):
        path = path_of(make(b"0123456789", bytes=said))
        response = client.get(path)
        assert (response.content, response["Content-Length"]) == (b"0123456789", "10")
        assert client.head(path).headers == response.headers
        # It is not the file whose digest the row has.
        assert "ETag" not in response
        assert response["Cache-Control"] == "no-store"
        assert f"has 10 bytes, not {said}" in caplog.text


def test_gzip_leaves_files_as_they_are(
    make: Any, client: Client, settings: Any
) -> None:
    gzip = "django.middleware.gzip.GZipMiddleware"
    settings.MIDDLEWARE = [gzip, *settings.MIDDLEWARE]
    path = path_of(make(b"0" * 10_000))
    asks = {"Accept-Encoding": "gzip", "Range": "bytes=0-5000"}
    response = client.get(path, headers=asks)
    assert (response.status_code, body_of(response)) == (206, b"0" * 5001)
    assert response["Content-Length"] == "5001"


@pytest.mark.django_db(transaction=True)
async def test_asgi_gets_a_file_in_pieces(make: Any) -> None:
    image = await database_sync_to_async(make)()
    response = await AsyncClient().get(path_of(image))
    parts = [part async for part in response.streaming_content]  # type: ignore[attr-defined]
    assert b"".join(parts) == LARGE
    assert max(map(len, parts)) <= sending.PART


class Shrinking:
    """A file that ends before its size."""

    size = len(LARGE)
    closed = False

    def __init__(self, error: Exception | None = None) -> None:
        self._left, self._error = [LARGE[: storage.PIECE]], error

    def read(self, most: int) -> bytes:
        if not self._left and self._error:
            raise self._error
        return self._left.pop() if self._left else b""

    def seek(self, position: int) -> None:
        assert position == 0

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("error", [None, OSError("away")])
async def test_a_file_that_ends_early_is_an_error_of_the_server(error: Any) -> None:
    """A server then closes the connection, whose client knows how much is missing."""
    file = Shrinking(error)
    pieces = sending.AsyncPieces(file, b"", file.size)
    sent = 0
    with pytest.raises(sending.Cut):
        async for part in pieces:
            sent += len(part)
    assert (sent, file.closed) == (storage.PIECE, True)


class TwistedRequest:
    """What Daphne has for a request."""

    channel: Any = object()
    producer: Any = None
    lost = False

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def loseConnection(self) -> None:
        self.lost = True


async def daphne(request: TwistedRequest, pieces: Any, taken: list[bytes]) -> None:
    """Do as Django's handler does under Daphne, whose ``send`` never waits."""

    async def handle_reply(request: TwistedRequest, part: bytes) -> None:
        taken.append(part)
        request.producer.pauseProducing()

    async def process_request(send: Any) -> None:
        async for part in pieces:
            await send(part)

    await asyncio.create_task(process_request(partial(handle_reply, request)))


async def test_daphne_gets_no_more_than_its_client_takes(monkeypatch: Any) -> None:
    pytest.importorskip("daphne.server")
    request, taken = TwistedRequest(), list[bytes]()
    file = readers.FileReader(io.BytesIO(LARGE), len(LARGE))
    task = asyncio.create_task(
        daphne(request, sending.AsyncPieces(file, b"", len(LARGE)), taken)
    )
    while not task.done():
        before = len(taken)
        for _ in range(5):
            await asyncio.sleep(0.001)
        assert len(taken) <= before + 1
        if request.producer:
            request.producer.resumeProducing()
    assert b"".join(taken) == LARGE
    assert request.producer is None
    # A client that goes leaves nothing open.
    file = Shrinking()  # type: ignore[assignment]
    taken.clear()
    task = asyncio.create_task(
        daphne(request, sending.AsyncPieces(file, b"", len(LARGE)), taken)
    )
    while not taken:
        await asyncio.sleep(0.001)
    request.channel = None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert file.closed  # type: ignore[attr-defined]


async def test_daphne_cuts_the_connection_of_a_file_that_ends_early() -> None:
    """An exception would end the loop in which Daphne supervises its requests."""
    pytest.importorskip("daphne.server")
    request, taken = TwistedRequest(), list[bytes]()
    pieces = sending.AsyncPieces(Shrinking(), b"", len(LARGE))
    task = asyncio.create_task(daphne(request, pieces, taken))
    while not task.done():
        await asyncio.sleep(0.001)
        if request.producer:
            request.producer.resumeProducing()
    await task
    assert request.lost
