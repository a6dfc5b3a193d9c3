"""What is done to S3 besides django-storages' own work; without a server."""

from __future__ import annotations

import datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.checks import run_checks
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.test import override_settings

from chatkit_images import storage
from chatkit_images.checks import check_settings
from chatkit_images.storage import backend, overrides, s3

pytest.importorskip("storages")
pytest.importorskip("boto3")
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

NEEDED = "when_required"
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
    # From then on each file is sent once.
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


CUSTOMERS = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
PAID = {"RequestPayer": "requester"}


@pytest.fixture
def keyed(bucket: Any) -> dict[str, str]:
    """Have S3 encrypt with a key that it does not keep, and whoever reads pay."""
    s3_storage: Any = storages["chatkit_images"]
    s3_storage.object_parameters = CUSTOMERS | PAID | {"CacheControl": "no-store"}
    return CUSTOMERS | PAID


def answer(data: bytes, start: int = 0, raw: Any = None) -> dict[str, Any]:
    """Return what S3 answers with an object, from some byte on."""
    rest = data[start:]
    found: dict[str, Any] = {"Body": StreamingBody(raw or BytesIO(rest), len(rest))}
    if start:
        found["ContentRange"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
    return found | {"ContentLength": len(rest)}


class Cut(BytesIO):
    """A connection that the server ends after the first bytes."""

    def read(self, most: int | None = -1, /) -> bytes:
        found = super().read(most)
        if not found:
            raise ConnectionResetError("The server has not waited.")
        return found


WANTED = {"Bucket": "images", "Key": f"media/{NAME}"}


def test_an_object_is_read_from_where_it_is_wanted(bucket: Any) -> None:
    bucket.add_response("get_object", answer(b"0123456789"), WANTED)
    reader = storage.open_reader(NAME)
    assert reader.size == 10
    assert reader.read(4) == b"0123"
    part = WANTED | {"Range": "bytes=7-9"}
    bucket.add_response("get_object", answer(b"0123456789", 7), part)
    reader.seek(7)
    assert [reader.read(2), reader.read(9), reader.read(9)] == [b"78", b"9", b""]
    # Nothing is asked for what is there already.
    reader.seek(10)
    reader.close()
    reader.close()


@pytest.mark.parametrize("raw", [Cut(b"0123"), BytesIO(b"0123")])
def test_an_object_goes_on_where_its_connection_was_cut(bucket: Any, raw: Any) -> None:
    bucket.add_response("get_object", answer(b"0123456789", raw=raw), WANTED)
    part = WANTED | {"Range": "bytes=4-9"}
    bucket.add_response("get_object", answer(b"0123456789", 4), part)
    reader = storage.open_reader(NAME)
    assert reader.read(9) + reader.read(9) == b"0123456789"


def test_an_object_that_is_gone_or_has_no_parts_is_no_file(bucket: Any) -> None:
    bucket.add_client_error("get_object", "NoSuchKey", http_status_code=404)
    with pytest.raises(FileNotFoundError):
        storage.open_reader(NAME)
    # This server knows no ranges. The beginning is not what was asked for.
    for _ in range(2):
        bucket.add_response("get_object", answer(b"0123456789"))
    reader = storage.open_reader(NAME)
    reader.seek(5)
    with pytest.raises(OSError, match="sends no part"):
        reader.read(5)
    bucket.add_response("get_object", answer(b"0123456789"))
    bucket.add_client_error("get_object", "NoSuchKey", http_status_code=404)
    reader = storage.open_reader(NAME)
    reader.seek(5)
    with pytest.raises(FileNotFoundError):
        reader.read(5)


def test_objects_are_read_with_what_the_project_has_for_them(
    bucket: Any, keyed: dict[str, str]
) -> None:
    wanted = WANTED | keyed
    bucket.add_response("get_object", answer(b"0123456789"), wanted)
    part = wanted | {"Range": "bytes=5-9"}
    bucket.add_response("get_object", answer(b"0123456789", 5), part)
    reader = storage.open_reader(NAME)
    reader.seek(5)
    assert reader.read(5) == b"56789"
    bucket.add_response("head_object", {"ContentLength": 10}, wanted)
    assert storage.stored_size(NAME) == 10


def test_what_a_client_has_written_has_no_key_and_its_copy_has(
    bucket: Any, keyed: dict[str, str]
) -> None:
    written = NAME.replace("images/ab", "uploads/ab")
    place = {"Bucket": "images", "Key": f"media/{written}"}
    bucket.add_response("head_object", {"ContentLength": 10}, place | PAID)
    assert storage.presigned.size_of(written) == 10
    first = place | PAID | {"Range": "bytes=0-3"}
    bucket.add_response("get_object", answer(b"0123456789"), first)
    assert storage.presigned.read_first(written, 4) == b"0123"
    copied: dict[str, Any] = WANTED | keyed | {"MetadataDirective": "REPLACE"}
    copied |= {"ACL": "private", "ContentType": "image/png", "CacheControl": "no-store"}
    bucket.add_response("copy_object", {}, copied | {"CopySource": place})
    storage.presigned.copy(written, NAME)
    bucket.add_response("head_object", {"ContentLength": 10}, WANTED | keyed)
    assert storage.presigned.size_of(NAME) == 10


ON_THE_WAY = """
    save _save open _open get_object_parameters _get_write_parameters _normalize_name
    get_available_name get_alternative_name get_valid_name generate_filename exists
    delete size listdir get_modified_time path connection bucket __getattribute__
    __getattr__
"""


def own(self: Any, *args: Any) -> Any:
    """A method of a project's own."""
    return object.__getattribute__(self, *args)


def test_a_storage_with_a_method_of_its_own_is_not_gone_past(bucket: Any) -> None:
    from storages.backends.s3 import S3Storage

    for known in (S3Storage, FileSystemStorage):
        for name in ON_THE_WAY.split():
            if not (hasattr(known, name) or name == "__getattr__"):
                continue
            before = type("Before", (), {name: own})
            behind = type("Behind", (Storage,), {name: own})
            made = [
                type("Own", (known,), {name: own})(),
                type("Own", (before, known), {})(),
                type("Own", (known, behind), {})(),
                known(),
            ]
            if getattr(type(made[2]), name, None) is not own:
                del made[2]  # The known class wins.
            if isinstance(getattr(known, name, None), property) or name[0:2] == "__":
                del made[-1]  # Python does not look for it in the object.
            else:
                vars(made[-1])[name] = own
            for each in made:
                assert not overrides.does_as(each, known), (type(each).__mro__, name)
                assert not (s3.is_plain(each) or backend.is_directory(each))


def test_values_and_new_methods_of_a_subclass_are_not_on_the_way(bucket: Any) -> None:
    from storages.backends.s3 import S3Storage

    class Named(S3Storage):
        """Named by its class, as django-storages has it."""

        bucket_name = "images"
        location = "chat"

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.shop = "north"

        def url(self, name: str, **more: Any) -> str:
            return f"https://cdn.example/{name}"

        def rotate(self) -> None:
            """Does what the app does not ask for."""

    assert s3.is_plain(storages["chatkit_images"]) and s3.is_plain(Named())
    assert not s3.is_plain(S3Storage(gzip=True))
    assert not s3.is_plain(storages["default"])
    local = storages["default"]
    assert local.location and local.file_permissions_mode  # type: ignore[attr-defined]
    assert backend.is_directory(local)


@pytest.mark.parametrize(
    ("region", "endpoint", "creates"),
    [
        # Where boto3 itself takes version 2, which binds no size.
        ("us-east-1", None, True),
        ("eu-central-1", None, True),
        ("us-east-1", "https://objects.example", False),
    ],
)
def test_a_presigned_upload_binds_size_and_type(
    settings: Any, region: str, endpoint: str | None, creates: bool
) -> None:
    options = {"bucket_name": "b", "region_name": region, "endpoint_url": endpoint}
    keys = {"access_key": "key", "secret_key": "secret", "location": "media"}
    entry = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options | keys}
    settings.STORAGES = settings.STORAGES | {"chatkit_images": entry}
    for _again in range(2):
        found = storage.presigned.sign(NAME, 5, "image/png")
    query = parse_qs(urlsplit(found.url).query)
    condition = {"If-None-Match": "*"} if creates else {}
    assert found.headers == {"Content-Type": "image/png"} | condition
    assert query["X-Amz-SignedHeaders"] == [
        "content-length;content-type;host" + ";if-none-match" * creates
    ]
    assert query["X-Amz-Expires"] == [str(storage.presigned.EXPIRES)]
    assert urlsplit(found.url).path.endswith(f"media/{NAME}")


def test_an_object_of_a_client_is_measured_read_and_copied(bucket: Any) -> None:
    target, place = NAME.replace("ab", "cd"), {"Bucket": "images"}
    here = place | {"Key": f"media/{NAME}"}
    bucket.add_client_error("head_object", "404", http_status_code=404)
    with pytest.raises(FileNotFoundError):
        storage.presigned.size_of(NAME)
    bucket.add_client_error("head_object", "SlowDown", http_status_code=503)
    with pytest.raises(ClientError, match="SlowDown"):
        storage.presigned.size_of(NAME)
    # This server knows no ranges.
    body = StreamingBody(BytesIO(b"bytes" * 99), 495)
    bucket.add_response("get_object", {"Body": body}, here | {"Range": "bytes=0-6"})
    assert storage.presigned.read_first(NAME, 7) == b"bytesby"
    expected = place | {
        "Key": f"media/{target}",
        "CopySource": here,
        "MetadataDirective": "REPLACE",
        "ContentType": "image/png",
        "ACL": "private",
    }
    bucket.add_response("copy_object", {}, expected)
    storage.presigned.copy(NAME, target)


def test_uploads_past_the_app_are_checked(bucket: Any, settings: Any) -> None:
    def ids(storage: Any = None, **more: Any) -> list[str]:
        entry = settings.STORAGES["chatkit_images"]
        entry = entry | {"OPTIONS": entry["OPTIONS"] | (storage or {})}
        values = settings.CHATKIT_IMAGES | {"ATTACHMENT_UPLOADS": "storage"} | more
        found = override_settings(
            STORAGES=settings.STORAGES | {"chatkit_images": entry},
            CHATKIT_IMAGES=values,
        )
        with found:
            return [each.id or "" for each in check_settings(None)]

    assert ids() == []
    assert ids({"gzip": True}) == ["chatkit_images.E029"]
    assert ids(STORAGE="default") == ["chatkit_images.E029"]
    assert ids(FILE_CIPHER="tests.test_storage_s3.Plain") == [
        "chatkit_images.E030",
        "chatkit_images.W018",
    ]
    assert ids({"region_name": None}) == ["chatkit_images.W024"]
    assert ids(MAX_ATTACHMENT_BYTES=6 * 2**30) == ["chatkit_images.W024"]
    assert ids(ATTACHMENT_UPLOADS="bucket") == ["chatkit_images.E003"]


class Plain:
    """A cipher that hides nothing."""

    def encrypt(self, name: str, data: bytes) -> bytes:
        return data

    def decrypt(self, name: str, data: bytes) -> bytes:
        return data


def test_boto3s_own_timeouts_are_warned_of(bucket: Any, settings: Any) -> None:
    def ids() -> list[str]:
        return [found.id for found in run_checks(tags=["chatkit_images"])]

    assert "chatkit_images.W003" not in ids()
    options = settings.STORAGES["chatkit_images"]["OPTIONS"] | {"client_config": None}
    settings.STORAGES = settings.STORAGES | {
        "chatkit_images": settings.STORAGES["chatkit_images"] | {"OPTIONS": options}
    }
    assert "chatkit_images.W003" in ids()


@pytest.mark.parametrize(
    ("url", "config", "warned"),
    [
        ("https://objects.example", {}, True),
        (
            "https://objects.example",
            {"request_checksum_calculation": "when_required"},
            False,
        ),
        ("https://s3.eu-central-1.amazonaws.com", {}, False),
        (None, {}, False),
    ],
)
def test_checksums_for_other_services_are_warned_of(
    settings: Any, url: str | None, config: dict[str, str], warned: bool
) -> None:
    fast = Config(connect_timeout=3, read_timeout=10, **config)
    options = {"bucket_name": "b", "endpoint_url": url, "client_config": fast}
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = settings.STORAGES | {"default": backend}
    ids = [found.id for found in check_settings(None)]
    assert ids == ["chatkit_images.W012"] * warned


class Here(storage.Patience):
    """Calls in this thread, which has the client that answers as the test says."""

    def call(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)


def names_and_request(count: int) -> tuple[list[str], dict[str, Any]]:
    names = [storage.new_name("images", "png") for _ in range(count)]
    objects = [{"Key": f"media/{name}"} for name in names]
    return names, {"Bucket": "images", "Delete": {"Objects": objects, "Quiet": True}}


def test_many_objects_are_deleted_in_one_request(bucket: Any) -> None:
    names, request = names_and_request(3)
    refused = {"Key": f"media/{names[1]}", "Code": "AccessDenied", "Message": "no"}
    bucket.add_response("delete_objects", {"Errors": [refused]}, request)
    failed = storage.delete_all(names, None, Here())
    assert set(failed) == {names[1]}
    assert "AccessDenied" in str(failed[names[1]])


def test_objects_are_deleted_one_by_one_where_many_are_refused(bucket: Any) -> None:
    names, request = names_and_request(2)
    bucket.add_client_error("delete_objects", "NotImplemented", expected_params=request)
    bucket.add_response("delete_object", {})
    bucket.add_client_error("delete_object", "AccessDenied")
    failed = storage.delete_all(names, None, Here())
    assert set(failed) == {names[1]}


def test_the_marker_of_a_bucket_is_created_once_and_replaced_at_will(
    bucket: Any,
) -> None:
    key = "media/chatkit_images/installation.json"
    written = request(Key=key, ContentType="application/json")
    bucket.add_client_error("put_object", s3.TAKEN, http_status_code=412)
    bucket.add_response("put_object", {}, written)
    storage.marker.create(b"bytes", "chatkit_images")
    storage.marker.replace(b"bytes", "chatkit_images")
