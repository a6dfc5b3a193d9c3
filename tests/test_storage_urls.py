"""URLs of a storage's own: how long they stay the same, and what makes them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.storage import storages

from chatkit_images import file_urls, models, storage, url_windows
from chatkit_images.checks import check_settings
from chatkit_images.context import RequestContext

pytest.importorskip("storages")
pytest.importorskip("boto3")
from botocore.config import Config
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from storages.backends.s3 import S3Storage

CONTEXT = RequestContext(None, "user:1", "https://shop.example")
NAME = f"chatkit_images/images/ab/{'ab' * 16}.png"
OTHER = f"chatkit_images/images/cd/{'cd' * 16}.png"
V4 = Config(signature_version="s3v4")
V2 = Config(signature_version="s3")
OPTIONS = {
    "bucket_name": "images",
    "access_key": "key",
    "secret_key": "secret",
    "region_name": "eu-central-1",
    "location": "media",
}
# What another process makes of the same settings.
PROCESS = """
import json, sys
from django.conf import settings
from botocore.config import Config
said = json.loads(sys.argv[1])
storages = {
    alias: {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": said["options"] | {"client_config": Config(signature_version=alias)},
    }
    for alias in said["versions"]
}
settings.configure(STORAGES=storages, SECRET_KEY="x")
import time
time.time = lambda: said["now"]
from chatkit_images import storage
print(json.dumps([storage.url(said["name"], alias) for alias in storages]))
"""


class Clock:
    """The clock of this process."""

    now = 1_700_000_000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()

    class Calendar(datetime):
        """Says what the clock says, to CloudFront's signer."""

        @classmethod
        def utcnow(cls) -> Any:
            """Return the time without its zone."""
            return datetime.fromtimestamp(found.now, UTC).replace(tzinfo=None)

    monkeypatch.setattr("time.time", lambda: found.now)
    monkeypatch.setattr("storages.backends.s3.datetime", Calendar)
    return found


@pytest.fixture
def use(settings: Any) -> Any:
    """Have the storage be one on S3 with options."""

    def configure(backend: str = "storages.backends.s3.S3Storage", **more: Any) -> Any:
        entry = {"BACKEND": backend, "OPTIONS": OPTIONS | more}
        settings.STORAGES = settings.STORAGES | {"chatkit_images": entry}
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
            "IMAGE_URLS": "storage",
            "URL_MAX_AGE": 3600,
            "TUNING": {"URL_WINDOW": 900},
        }
        return storages["chatkit_images"]

    return configure


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[S3Storage]:
    """The storages for which a session of boto3 was made, once for each."""
    made = []
    create = S3Storage._create_session

    def count(self: S3Storage) -> Any:
        made.append(self)
        return create(self)

    monkeypatch.setattr(S3Storage, "_create_session", count)
    return made


def ends(url: str) -> int:
    """Return the second in which a URL expires."""
    said = {key: value[0] for key, value in parse_qs(urlsplit(url).query).items()}
    if "Expires" in said:
        return int(said["Expires"])
    began = datetime.strptime(said["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return int(began.timestamp()) + int(said["X-Amz-Expires"])


def image(name: str = NAME) -> models.GeneratedImage:
    return models.GeneratedImage(file=name, mime="image/png")


def cloudfront() -> dict[str, Any]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return {
        "custom_domain": "cdn.shop.example",
        "cloudfront_key_id": "K1",
        "cloudfront_key": pem,
    }


@pytest.mark.parametrize("kind", ["v4", "v2", "cloudfront"])
def test_a_url_stays_the_same_for_a_window_and_valid_after_it(
    use: Any, clock: Clock, kind: str
) -> None:
    options = {
        "v4": {"client_config": V4},
        "v2": {"client_config": V2},
        "cloudfront": cloudfront() if kind == "cloudfront" else {},
    }[kind]
    use(**options)
    start = url_windows.begin(NAME, 900)
    urls = []
    for clock.now in (start, start + 450.5, start + 899.9, start + 900):
        urls.append(file_urls.image_url(image(), CONTEXT))
        # Another process has never seen it.
        storages._storages.clear()
        urls.append(file_urls.image_url(image(), CONTEXT))
    assert len(set(urls[:6])) == 1
    assert ends(urls[0]) == start + 900 + 3600
    assert len(set(urls[6:])) == 1 and urls[6] != urls[0]
    # The other image of the page changes at another time.
    other = ends(file_urls.image_url(image(OTHER), CONTEXT))
    assert other % 900 != ends(urls[0]) % 900


def test_processes_agree(use: Any, clock: Clock) -> None:
    said = {"now": clock.now, "name": NAME, "versions": ["s3v4", "s3"]}
    said["options"] = OPTIONS
    command = [sys.executable, "-c", PROCESS, json.dumps(said)]
    found = subprocess.run(command, capture_output=True, check=True, timeout=60)
    for config, url in zip((V4, V2), json.loads(found.stdout), strict=True):
        use(client_config=config)
        assert storage.url(NAME) == url


def test_sessions_do_not_grow_with_the_threads_that_read(
    use: Any, sessions: list[S3Storage]
) -> None:
    """Each request through the URLconf has a thread of its own."""
    use(client_config=V4)
    found: list[str] = []

    def read() -> None:
        found.extend(
            file_urls.image_url(image(name), CONTEXT) for name in (NAME, OTHER)
        )

    for _ in range(10):
        thread = Thread(target=read)
        thread.start()
        thread.join()
    assert len(sessions) == 1
    assert len(found) == 20 and len(set(found)) == 2
    storages._storages.clear()
    with ThreadPoolExecutor(10) as pool:
        assert len({*pool.map(storage.url, [NAME] * 10)}) == 1
    assert len(sessions) == 2


def test_urls_of_a_page_may_be_of_two_storages(
    use: Any, settings: Any, sessions: list[S3Storage]
) -> None:
    use(client_config=V4)
    entry = settings.STORAGES["chatkit_images"]
    options = entry["OPTIONS"] | {"bucket_name": "archive"}
    settings.STORAGES = settings.STORAGES | {"old": entry | {"OPTIONS": options}}
    old = image()
    old.storage_alias = "old"
    assert "archive" in file_urls.image_url(old, CONTEXT)
    assert "//images.s3" in file_urls.image_url(image(), CONTEXT)
    assert len(sessions) == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"querystring_auth": False, "client_config": V4},
            f"https://images.s3.amazonaws.com/media/{NAME}",
        ),
        (
            {"custom_domain": "cdn.shop.example"},
            f"https://cdn.shop.example/media/{NAME}",
        ),
    ],
)
def test_a_public_url_has_no_signature(
    use: Any, sessions: list[S3Storage], options: dict[str, Any], expected: str
) -> None:
    use(**options)
    for _ in range(3):
        thread = Thread(target=file_urls.image_url, args=(image(), CONTEXT))
        thread.start()
        thread.join()
    assert file_urls.image_url(image(), CONTEXT) == expected
    assert len(sessions) < 2


class OwnUrls(S3Storage):
    """Has a domain for each of its files."""

    def url(self, name: str, *args: Any, **kwargs: Any) -> str:
        """Return it."""
        return f"https://own.example/{name}"


class OwnConnection(S3Storage):
    """Signs by credentials that each request brings."""

    @property
    def connection(self) -> Any:
        """Refuse, as there is no request."""
        raise PermissionError("who asks?")


def test_a_storage_of_the_projects_own_is_asked(use: Any) -> None:
    use(f"{__name__}.OwnUrls")
    assert file_urls.image_url(image(), CONTEXT) == f"https://own.example/{NAME}"
    use(f"{__name__}.OwnConnection")
    assert "/chatkit/images/image." in file_urls.image_url(image(), CONTEXT)


def test_without_credentials_the_app_serves_the_image(
    use: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    use(client_config=V4, access_key=None, secret_key=None)
    assert "/chatkit/images/image." in file_urls.image_url(image(), CONTEXT)


def test_a_url_of_credentials_that_end_soon_is_not_remembered(use: Any) -> None:
    """botocore gets others before they end; a URL has to be signed with those."""
    use(client_config=V4, security_token="one")
    assert "Security-Token=one" in storage.url(NAME)
    made = storages["chatkit_images"]
    client = made.connection.meta.client  # type: ignore[attr-defined]
    client._request_signer._credentials.token = "two"
    assert "Security-Token=two" in storage.url(NAME)


def test_what_else_signs_with_the_client_does_so_by_the_clock(
    use: Any, clock: Clock
) -> None:
    made = use(client_config=V4)
    clock.now = time.time()
    assert ends(storage.url(NAME)) > clock.now + 3600
    early = datetime.now(UTC).timestamp()
    assert early + 59 <= ends(made.url(NAME, expire=60)) <= early + 65


def test_no_url_lives_longer_than_s3_allows(
    use: Any, settings: Any, clock: Clock
) -> None:
    use(client_config=V4)
    week = 7 * 24 * 3600
    for age, window in ((week + 5, 900), (week - 60, 3600), (3600, 10**9), (10**9, 1)):
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
            "URL_MAX_AGE": age,
            "TUNING": {"URL_WINDOW": window},
        }
        left = ends(storage.url(NAME)) - clock.now
        assert min(age, week - 1) <= left <= week


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"URL_MAX_AGE": 7 * 24 * 3600}, ["chatkit_images.W030"]),
        ({"URL_MAX_AGE": 7 * 24 * 3600, "IMAGE_URLS": "signed"}, []),
        ({"TUNING": {"URL_WINDOW": 59}}, ["chatkit_images.W031"]),
        ({"TUNING": {"URL_WINDOW": 0}}, ["chatkit_images.E004"]),
        ({"URL_MAX_AGE": -1}, ["chatkit_images.E004"]),
        ({"STORAGE": "default"}, ["chatkit_images.W033"]),
        ({"STORAGE": "default", "MOVE_HIDDEN": True}, []),
        ({"STORAGE": "default", "IMAGE_URLS": "signed"}, []),
        ({"TUNING": {"URL_WINDOW": "long"}}, ["chatkit_images.E004"]),
    ],
)
def test_times_that_make_no_sense_are_told(
    use: Any, settings: Any, values: dict[str, Any], expected: list[str]
) -> None:
    use(client_config=Config(connect_timeout=3, read_timeout=10))
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | values
    found = [message.id for message in check_settings(None)]
    assert found == expected
