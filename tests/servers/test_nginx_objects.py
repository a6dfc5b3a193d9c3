"""Files of S3 that a real nginx fetches, with the lines of the documentation."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import User

from chatkit_images import models, storage
from chatkit_images.context import RequestContext
from tests.faults.storages import rclone, s3_storage
from tests.image_files import SVG

from .browsing import PATIENT
from .conftest import serving
from .nginx import documented, nginx
from .settings_s3 import ENDPOINT, LOCATION
from .stored import path_of_image

BYTES = random.Random(2).randbytes(300_000)
BUCKET = "shop-images.s3.eu-central-1.amazonaws.com"
APPS = (
    *("X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy"),
    *("Access-Control-Allow-Origin", "Cross-Origin-Resource-Policy"),
    *("Content-Type", "Content-Disposition", "ETag", "Last-Modified"),
)


class Site:
    """A server behind nginx, its own URL and that of its S3 server."""

    def __init__(self, app: str, url: str, s3: str) -> None:
        self.app, self.url, self.s3 = app, url, s3


@pytest.fixture(scope="module")
def site(loopback: Any, django_db_setup: None, tmp_path_factory: Any) -> Iterator[Site]:
    scratch = tmp_path_factory.mktemp("objects")
    own = {"OFFLOAD": {"default": "/_objects/"}}
    with rclone(scratch / "s3") as port, pytest.MonkeyPatch.context() as patched:
        s3 = f"127.0.0.1:{port}"
        patched.setenv(ENDPOINT, f"http://{s3}")
        with serving("uvicorn-view", scratch, loopback[1], **own) as server:
            lines = [
                documented(
                    "nginx/objects.conf",
                    {f"https://{BUCKET}/": f"http://{s3}/", BUCKET: s3},
                ),
                f"location / {{ proxy_pass {server.url};"
                " proxy_set_header Host $host; }",
            ]
            with nginx(scratch, "\n".join(lines)) as url:
                yield Site(server.url, url, f"http://{s3}")
            assert server.troubles() == []


@pytest.fixture
def make(site: Site, ann: User, settings: Any) -> Callable[..., str]:
    """Make an image in the bucket, and return the path of its signed URL."""
    settings.STORAGES = settings.STORAGES | {"default": s3_storage(site.s3, LOCATION)}
    context = RequestContext.for_user(ann, base_url="http://127.0.0.1")
    thread = models.Thread.objects.create(pk="thr_1", owner=context.owner, user=ann)

    def make(data: bytes = BYTES, extension: str = "png", **more: Any) -> str:
        return path_of_image(thread, context, data, extension, **more)

    return make


def ask(url: str, method: str = "GET", **headers: str) -> Any:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.request(method, url, headers=said, **PATIENT)


def test_nginx_fetches_a_file_and_says_what_the_app_says(site: Site, make: Any) -> None:
    path = make()
    past = ask(site.app + path)
    assert (past.status_code, past.content) == (200, b"")
    assert past.headers["X-Accel-Redirect"].startswith("/_objects/images/")
    whole = ask(site.url + path, Cookie="sessionid=secret", Authorization="Bearer x")
    assert (whole.status_code, whole.content) == (200, BYTES)
    assert "X-Accel-Redirect" not in whole.headers
    cache = past.headers["X-Chatkit-Cache-Control"]
    assert whole.headers.get_list("Cache-Control") == ["private", cache]
    for header in APPS:
        assert whole.headers.get_list(header) == [past.headers[header]], header
    for header in ("X-Amz-Request-Id", "X-Amz-Id-2", "X-Chatkit-Cache-Control"):
        assert header not in whole.headers


def test_nginx_passes_on_a_range(site: Site, make: Any) -> None:
    path = make()
    part = ask(site.url + path, Range="bytes=100-199")
    # This S3 server calls a part 200, which nginx passes on, too.
    assert part.content == BYTES[100:200]
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(BYTES)}"
    etag = ask(site.url + path).headers["ETag"]
    assert part.headers["ETag"] == etag
    # S3 has another ETag than the app, which answers this itself.
    held = ask(site.url + path, Range="bytes=100-199", If_Range=etag)
    assert (held.status_code, held.content) == (206, BYTES[100:200])
    other = ask(site.url + path, Range="bytes=100-199", If_Range='"another"')
    assert (other.status_code, other.content) == (200, BYTES)


def test_what_a_client_has_is_not_fetched(site: Site, make: Any) -> None:
    path = make()
    whole = ask(site.url + path)
    same = ask(site.url + path, If_None_Match=whole.headers["ETag"])
    assert (same.status_code, same.content) == (304, b"")
    since = ask(site.url + path, If_Modified_Since=whole.headers["Last-Modified"])
    assert since.status_code == 304
    other = ask(site.url + path, If_None_Match='"another"')
    assert (other.status_code, other.content) == (200, BYTES)


def test_what_the_app_has_checked_is_not_asked_of_s3(site: Site, make: Any) -> None:
    path = make()
    etag = ask(site.url + path).headers["ETag"]
    found = ask(site.url + path, If_Match=etag)
    assert (found.status_code, found.content) == (200, BYTES)
    assert ask(site.url + path, If_Match='"another"').status_code == 412
    past = ask(site.url + path, Range="bytes=9999999-")
    assert past.status_code == 416
    assert b"<" not in past.content


def test_an_svg_is_a_download(site: Site, make: Any) -> None:
    response = ask(site.url + make(SVG, "svg", mime="image/svg+xml"))
    assert (response.content, response.headers["Content-Type"]) == (
        SVG,
        "image/svg+xml",
    )
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in response.headers["Content-Security-Policy"]


def test_a_file_that_is_gone_says_nothing_of_the_bucket(site: Site, make: Any) -> None:
    path = make()
    image = models.GeneratedImage.objects.get()
    storage.delete(image.file.name)
    gone = ask(site.url + path)
    assert (gone.status_code, gone.text) == (410, "This file is gone.\n")
    assert gone.headers.get_list("Cache-Control") == ["private", "no-store"]


def test_nobody_reaches_the_bucket_past_the_app(site: Site, make: Any) -> None:
    make()
    name = models.GeneratedImage.objects.get().file.name
    assert ask(f"{site.url}/_objects/images/{LOCATION}/{name}").status_code == 410
