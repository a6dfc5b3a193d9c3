"""What is done to S3 besides django-storages' own work; without a server."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.files.storage import storages

from chatkit_images import storage
from chatkit_images.storage import backend, s3

pytest.importorskip("storages")
pytest.importorskip("boto3")
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

NAME = f"chatkit_images/images/ab/{'ab' * 16}.png"


@pytest.fixture
def bucket(settings: Any) -> Any:
    """A storage whose client answers as the test says."""
    settings.STORAGES = settings.STORAGES | {
        "chatkit_images": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": "images",
                "access_key": "key",
                "secret_key": "secret",
                "region_name": "eu-central-1",
                "location": "media",
                "default_acl": "private",
                "client_config": Config(connect_timeout=3, read_timeout=10),
            },
        }
    }
    with Stubber(storages["chatkit_images"].connection.meta.client) as stub:  # type: ignore[attr-defined]
        yield stub
        stub.assert_no_pending_responses()


def request(**more: Any) -> dict[str, Any]:
    return {
        "Bucket": "images",
        "Key": f"media/{NAME}",
        "Body": b"bytes",
        "ContentType": "image/png",
        "ACL": "private",
        **more,
    }


def test_an_object_is_written_in_one_request_that_replaces_none(bucket: Any) -> None:
    bucket.add_response("put_object", {}, request(IfNoneMatch="*"))
    backend.put(NAME, b"bytes")


def test_an_svg_is_a_download_at_the_storage_itself(bucket: Any) -> None:
    """Nobody gets that URL from the app, but a bucket may be public."""
    name = NAME.replace(".png", ".svg")
    expected = request(
        Key=f"media/{name}",
        ContentType="image/svg+xml",
        ContentDisposition="attachment",
        IfNoneMatch="*",
    )
    bucket.add_response("put_object", {}, expected)
    backend.put(name, b"bytes")


def test_a_name_that_is_taken_is_an_earlier_try(bucket: Any) -> None:
    """D03."""
    bucket.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    backend.put(NAME, b"bytes")


def test_a_server_without_conditions_is_written_to_all_the_same(bucket: Any) -> None:
    bucket.add_client_error("put_object", "NotImplemented", http_status_code=501)
    bucket.add_response("put_object", {}, request())
    backend.put(NAME, b"bytes")


def test_any_other_refusal_is_raised(bucket: Any) -> None:
    bucket.add_client_error("put_object", "AccessDenied", http_status_code=403)
    with pytest.raises(ClientError, match="AccessDenied"):
        backend.put(NAME, b"bytes")


def test_a_listing_asks_for_no_dates(bucket: Any) -> None:
    now = datetime.datetime.now(datetime.UTC)
    bucket.add_response(
        "list_objects_v2",
        {
            "Contents": [
                {
                    "Key": f"media/{NAME}",
                    "LastModified": now - datetime.timedelta(hours=1),
                },
                {"Key": "media/chatkit_images/readme", "LastModified": now},
            ]
        },
        {"Bucket": "images", "Prefix": "media/chatkit_images/"},
    )
    ((name, age),) = storage.listing()
    assert name == NAME
    assert age == pytest.approx(3600, abs=5)


def test_an_empty_bucket_has_an_empty_listing(bucket: Any) -> None:
    bucket.add_response("list_objects_v2", {}, {"Bucket": ANY, "Prefix": ANY})
    assert list(storage.listing()) == []


def test_a_storage_that_compresses_or_saves_in_its_own_way_keeps_that(
    bucket: Any, settings: Any
) -> None:
    from storages.backends.s3 import S3Storage

    class Own(S3Storage):
        def _save(self, name: str, content: Any) -> str:
            return name

    assert s3.is_plain(storages["chatkit_images"])
    assert not s3.is_plain(S3Storage(gzip=True))
    assert not s3.is_plain(Own())
    assert not s3.is_plain(storages["default"])


def test_boto3s_own_timeouts_are_warned_of(bucket: Any, settings: Any) -> None:
    def ids() -> list[str]:
        return [found.id for found in run_checks(tags=["chatkit_images"])]

    assert "chatkit_images.W003" not in ids()
    options = settings.STORAGES["chatkit_images"]["OPTIONS"] | {"client_config": None}
    settings.STORAGES = settings.STORAGES | {
        "chatkit_images": settings.STORAGES["chatkit_images"] | {"OPTIONS": options}
    }
    assert "chatkit_images.W003" in ids()
