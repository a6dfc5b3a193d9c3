"""Files that a real nginx sends, or keeps, with the lines of the documentation."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import User

from chatkit_images import models, storage
from chatkit_images.context import RequestContext
from chatkit_images.testing import LoopbackAPI
from tests.image_files import SVG

from .browsing import PATIENT, Browser, until
from .conftest import Server, serving
from .nginx import documented, nginx
from .stored import path_of_image

BYTES = random.Random(1).randbytes(400_000)
APP, FILES = "http://127.0.0.1:8000", "/srv/shop/media/"
KINDS = ["uvicorn-view", "daphne-view"]
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@dataclass
class Site:
    """A server behind nginx."""

    server: Server
    url: str

    @property
    def media(self) -> Path:
        return self.server.log.parent / "media"


def site(kind: str, scratch: Path, loopback: str, **settings: Any) -> Iterator[Site]:
    with serving(kind, scratch, loopback, **settings) as server:
        place = {APP: server.url}
        cache = {"/var/cache/nginx/chatkit": str(scratch / "cache")}
        lines = [
            documented("nginx/signed.conf", place),
            documented("nginx/files.conf", {FILES: f"{scratch}/media/"}),
            f"location / {{ proxy_pass {server.url}; proxy_set_header Host $host; }}",
        ]
        lines[0] = lines[0].replace(
            "proxy_cache chatkit;",
            "proxy_cache chatkit; add_header X-Cache $upstream_cache_status always;"
            if "PROXY_CACHE_SECONDS" in settings
            else "proxy_cache off;",
        )
        above = documented("nginx/cache.conf", cache)
        with nginx(scratch, "\n".join(lines), above) as url:
            yield Site(server, url)
        assert server.troubles() == []


@pytest.fixture(scope="module", params=KINDS)
def offloaded(
    request: Any, loopback: Any, django_db_setup: None, tmp_path_factory: Any
) -> Iterator[Site]:
    scratch = tmp_path_factory.mktemp("offloaded")
    yield from site(
        request.param, scratch, loopback[1], OFFLOAD={"default": "/_images/"}
    )


@pytest.fixture(scope="module")
def cached(
    loopback: Any, django_db_setup: None, tmp_path_factory: Any
) -> Iterator[Site]:
    scratch = tmp_path_factory.mktemp("cached")
    own = {"OFFLOAD": {"default": "/_images/"}, "PROXY_CACHE_SECONDS": 2}
    yield from site(KINDS[0], scratch, loopback[1], **own)


@pytest.fixture
def make(ann: User, model: LoopbackAPI, settings: Any) -> Callable[..., str]:
    """Make an image whose file the server has, and return the path of a signed URL."""
    context = RequestContext.for_user(ann, base_url="http://127.0.0.1")
    thread = models.Thread.objects.create(pk="thr_1", owner=context.owner, user=ann)

    def make(
        site: Site, data: bytes = BYTES, extension: str = "png", **more: Any
    ) -> str:
        settings.MEDIA_ROOT = site.media
        return path_of_image(thread, context, data, extension, **more)

    return make


def ask(site: Site, path: str, method: str = "GET", **headers: str) -> Any:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.request(method, site.url + path, headers=said, **PATIENT)


def test_nginx_sends_a_file_with_the_headers_of_the_app(
    offloaded: Site, make: Any
) -> None:
    path = make(offloaded)
    past = httpx2.get(offloaded.server.url + path, **PATIENT)
    assert (past.content, past.status_code) == (b"", 200)
    assert past.headers["X-Accel-Redirect"].startswith("/_images/chatkit_images/")
    whole = ask(offloaded, path)
    assert (whole.status_code, whole.content) == (200, BYTES)
    assert "X-Accel-Redirect" not in whole.headers
    cache = past.headers["X-Chatkit-Cache-Control"]
    assert whole.headers.get_list("Cache-Control") == ["private", cache]
    for header in (*SAFE, "Content-Type", "Last-Modified", "ETag"):
        assert whole.headers.get_list(header) == [past.headers[header]], header
    for header, value in SAFE.items():
        assert whole.headers[header] == value
    assert whole.headers["Content-Disposition"] == 'inline; filename="a-fox.png"'
    part = ask(offloaded, path, Range="bytes=100-199")
    assert (part.status_code, part.content) == (206, BYTES[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(BYTES)}"
    assert part.headers["ETag"] == whole.headers["ETag"]
    assert ask(offloaded, path, Range="bytes=9999999-").status_code == 416
    held = {"Range": "bytes=100-199", "If_Range": whole.headers["ETag"]}
    assert ask(offloaded, path, **held).status_code == 206
    other = ask(offloaded, path, Range="bytes=100-199", If_Range='"another"')
    assert (other.status_code, other.content) == (200, BYTES)


def test_the_app_answers_what_needs_no_file(offloaded: Site, make: Any) -> None:
    path = make(offloaded)
    whole = ask(offloaded, path)
    for header, said in {
        "If_None_Match": whole.headers["ETag"],
        "If_Modified_Since": whole.headers["Last-Modified"],
    }.items():
        same = ask(offloaded, path, **{header: said})
        assert (same.status_code, same.content) == (304, b"")
        assert same.headers["ETag"] == whole.headers["ETag"]
    assert ask(offloaded, path, If_None_Match='"another"').content == BYTES
    head = ask(offloaded, path, "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    for header in ("Content-Length", "Content-Type", "ETag"):
        assert head.headers[header] == whole.headers[header]
    assert head.headers["Cache-Control"] in whole.headers.get_list("Cache-Control")


def test_an_svg_is_a_download_from_nginx_too(offloaded: Site, make: Any) -> None:
    path = make(offloaded, SVG, "svg", mime="image/svg+xml")
    response = ask(offloaded, path)
    assert (response.content, response.headers["Content-Type"]) == (
        SVG,
        "image/svg+xml",
    )
    assert response.headers["Content-Disposition"].startswith("attachment")
    for header, value in SAFE.items():
        assert response.headers[header] == value


def test_what_is_not_to_be_had_is_not_sent(offloaded: Site, make: Any) -> None:
    path = make(offloaded)
    image = models.GeneratedImage.objects.get()
    models.GeneratedImage.objects.update(status="blocked", finished_at=image.created_at)
    assert ask(offloaded, path).status_code == 410
    models.GeneratedImage.objects.update(status="completed")
    os.remove(offloaded.media / image.file.name)
    gone = ask(offloaded, path)
    assert (gone.status_code, gone.headers["Cache-Control"]) == (410, "no-store")
    models.GeneratedImage.objects.all().delete()
    assert ask(offloaded, path).status_code == 404


def test_what_the_app_has_to_send_comes_from_the_app(
    offloaded: Site, make: Any, settings: Any
) -> None:
    path = make(offloaded)
    image = models.GeneratedImage.objects.get()
    scratch = offloaded.server.log.parent
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"SPOOL_DIR": scratch / "spool"}
    storage.spool.keep(image.file.name, BYTES)
    os.remove(offloaded.media / image.file.name)
    assert ask(offloaded, path).content == BYTES
    storage.spool.drop(image.file.name)
    # A file that is not what the row says has no name for caches.
    (offloaded.media / image.file.name).write_bytes(b"short")
    odd = ask(offloaded, path)
    assert (odd.content, odd.headers.get("ETag")) == (b"short", None)
    assert "has 5 bytes, not 400000" in offloaded.server.forgive()


LARGE = BYTES * 10
READERS = 12


def slow(site: Site, path: str, stack: ExitStack) -> socket.socket:
    """Ask the app itself for a file, and read its first bytes only."""
    host, port = site.server.url.removeprefix("http://").split(":")
    wire = stack.enter_context(socket.socket())
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.settimeout(60)
    wire.connect((host, int(port)))
    line = f"GET {path} HTTP/1.1\r\nHost: x.localhost\r\nConnection: close\r\n\r\n"
    wire.sendall(line.encode())
    assert wire.recv(12) == b"HTTP/1.1 200"
    return wire


def rest(wire: socket.socket) -> bytes:
    """Read what is left, until the server ends the connection."""
    parts = []
    with suppress(ConnectionError):
        while part := wire.recv(2**20):
            parts.append(part)
    return b"".join(parts).partition(b"\r\n\r\n")[2]


@pytest.fixture
def spooled(offloaded: Site, make: Any, settings: Any) -> str:
    """The path of a file that the app has to send, in its spool."""
    path: str = make(offloaded, LARGE)
    scratch = offloaded.server.log.parent
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"SPOOL_DIR": scratch / "spool"}
    storage.spool.keep(models.GeneratedImage.objects.get().file.name, LARGE)
    return path


def test_slow_readers_take_little_memory_and_no_thread(
    offloaded: Site, spooled: str
) -> None:
    server = offloaded.server
    with ExitStack() as stack:
        assert rest(slow(offloaded, spooled, stack)) == LARGE
        before, threads = server.memory(), server.threads
        readers = [slow(offloaded, spooled, stack) for _ in range(READERS)]
        # All of them have been sent what fits by now: this one comes after them.
        assert rest(slow(offloaded, spooled, stack)) == LARGE
        assert server.memory() - before < READERS * 2**19
        assert server.threads <= threads + 1
        for wire in readers:
            assert rest(wire) == LARGE


def test_a_file_that_ends_while_it_is_sent_ends_the_connection(
    offloaded: Site, spooled: str
) -> None:
    name = models.GeneratedImage.objects.get().file.name
    with ExitStack() as stack:
        wire = slow(offloaded, spooled, stack)
        os.truncate(storage.spool.path_of(name), 1000)
        sent = rest(wire)
    assert sent == LARGE[: len(sent)]
    assert len(sent) < len(LARGE)
    assert "An answer is cut" in offloaded.server.forgive()
    assert ask(offloaded, "/deaf/killed/").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/_images/chatkit_images/images/{name}",
        "/_images/../_images/{name}",
        "/_images/",
        "/_images",
        "/chatkit/../_images/{name}",
        "/chatkit/images/../../_images/{name}",
        "/chatkit/images/..%2f..%2f_images/{name}/",
        "/%5fimages/{name}",
        "/_images/%2e%2e/spool/{name}",
    ],
)
def test_nobody_reaches_the_files_past_the_app(
    offloaded: Site, make: Any, path: str
) -> None:
    make(offloaded)
    image = models.GeneratedImage.objects.get()
    target = path.format(name=image.file.name)
    host, port = offloaded.url.removeprefix("http://").split(":")
    # A client of its own mends such paths before it sends them.
    with socket.create_connection((host, int(port)), 30) as wire:
        wire.sendall(
            f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        found = b""
        while part := wire.recv(65536):
            found += part
    assert found.split(b" ")[1] in (b"404", b"400", b"301"), found[:200]
    assert BYTES[:1000] not in found


def test_nginx_answers_again_without_the_app(cached: Site, make: Any) -> None:
    path = make(cached)
    first = ask(cached, path)
    assert (first.content, first.headers["X-Cache"]) == (BYTES, "MISS")
    assert first.headers["Cache-Control"] == "private, max-age=898, immutable"
    assert "X-Accel-Expires" not in first.headers
    os.remove(cached.media / models.GeneratedImage.objects.get().file.name)
    # The app could not send it any more.
    for asked in ({}, {"Cookie": "sessionid=1"}, {"Accept_Language": "de"}):
        again = ask(cached, path, **asked)
        assert (again.content, again.headers["X-Cache"]) == (BYTES, "HIT")
        assert again.headers["ETag"] == first.headers["ETag"]
    assert ask(cached, f"{path}?x=1").headers["X-Cache"] == "HIT"
    part = ask(cached, path, Range="bytes=0-9")
    assert (part.status_code, part.content) == (206, BYTES[:10])
    same = ask(cached, path, If_None_Match=first.headers["ETag"])
    assert (same.status_code, same.headers["X-Cache"]) == (304, "HIT")


def test_a_cached_file_outlives_its_image_by_no_more_than_is_said(
    cached: Site, make: Any
) -> None:
    path = make(cached)
    assert ask(cached, path).content == BYTES
    models.GeneratedImage.objects.all().delete()
    assert ask(cached, path).headers["X-Cache"] == "HIT"
    until(lambda: ask(cached, path).status_code == 404, 10, "the end of the copy")
    # An error is not kept.
    assert ask(cached, path).headers["X-Cache"] in ("MISS", "EXPIRED")


def test_what_only_its_owner_may_see_is_never_kept(
    cached: Site, make: Any, ann: User
) -> None:
    make(cached)
    image = models.GeneratedImage.objects.get()
    with Browser(cached.url, ann) as browser:
        response = browser.get(f"/chatkit/images/{image.pk}/full/")
    assert (response.status_code, response.content) == (200, BYTES)
    # Its route is not that of the signed URLs, and it is handed over.
    assert "X-Cache" not in response.headers
    assert ask(cached, f"/chatkit/images/{image.pk}/full/").status_code in (401, 403)
