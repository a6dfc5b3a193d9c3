"""What django-storages' ``S3Storage`` does not do: create-only writes, dated lists."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

from django.core.files.storage import Storage

from . import overrides

try:
    from boto3.session import Session
    from botocore.exceptions import ClientError
    from storages.backends.s3 import S3Storage
    from storages.utils import clean_name
except ImportError:  # The extra "s3" is not installed; there is no such storage.
    S3Storage = None

# Seconds; boto3's own timeouts. With its retries a silent server takes minutes.
LONG = 60
# Amazon's answer to a create-only write of a name that is taken.
TAKEN = "PreconditionFailed"
# Some servers of the same protocol do not know conditional writes.
UNKNOWN = {"NotImplemented", "NotSupported"}
# Parameters of objects that no URL of django-storages' has.
NOT_BY_URL = {"SSECustomerAlgorithm", "SSECustomerKey", "RequestPayer"}
MD5 = re.compile(r"[0-9a-f]{32}")
# Storages that have said so.
_unconditional: WeakSet[Any] = WeakSet()


def is_plain(storage: Storage) -> bool:
    """Whether a storage works on S3 as django-storages does, without compression."""
    return (
        S3Storage is not None
        and isinstance(storage, S3Storage)
        and overrides.does_as(storage, S3Storage)
        and not storage.gzip
    )


def has_plain_urls(storage: Storage) -> bool:
    """Whether a storage signs URLs as django-storages does, or has a client make them.

    Those of a public domain of its own take neither.
    """
    if (
        S3Storage is None
        or not isinstance(storage, S3Storage)
        or not overrides.does_as(storage, S3Storage)
        or type(storage).url is not S3Storage.url
        or "url" in vars(storage)
    ):
        return False
    return bool(
        not storage.custom_domain
        or (storage.querystring_auth and storage.cloudfront_signer)
    )


def opens_by_url(storage: Storage, name: str) -> bool:
    """Whether a storage's URL of an object is enough to get it.

    One that S3 encrypts with a key that it does not keep, or for which whoever reads it
    pays, needs headers beside that.
    """
    if S3Storage is None or not isinstance(storage, S3Storage):
        return True
    said = storage.get_object_parameters(object_key(storage, name))
    return not NOT_BY_URL & said.keys()


def url_client(storage: Any) -> Any:
    """Return a client that makes URLs as the storage does, in whatever thread.

    It is that of this thread, which outlives it. Clients may be shared, other than
    sessions and resources.

    Source: "Multithreading or multiprocessing with clients" in the guide of boto3.
    """
    signed = storage.connection if storage.querystring_auth else None
    return (signed or storage.unsigned_connection).meta.client


def waits_long(storage: Any) -> bool:
    """Whether a storage has the timeouts of boto3, 60 seconds each."""
    config = storage.client_config
    return bool(max(config.connect_timeout, config.read_timeout) >= LONG)


def wants_checksums(storage: Any) -> bool:
    """Whether a storage sends a service other than Amazon's what boto3 adds by itself.

    Since 1.36 it adds a checksum to each write, which some services refuse.
    """
    if S3Storage is None or not isinstance(storage, S3Storage):
        return False
    if is_amazon(storage):
        return False
    config = storage.client_config
    set_by = os.environ.get("AWS_REQUEST_CHECKSUM_CALCULATION", "").lower()
    said = getattr(config, "request_checksum_calculation", None) or set_by
    return bool(said != "when_required")


def is_amazon(storage: Any) -> bool:
    """Whether a storage is at Amazon's own service."""
    host = urlsplit(str(storage.endpoint_url or "")).hostname or "amazonaws.com"
    return host.endswith(("amazonaws.com", "amazonaws.com.cn"))


def region_of(storage: Any) -> str | None:
    """Return the region that a storage, the environment or its profile names."""
    if storage.region_name:
        return str(storage.region_name)
    region: str | None = Session(profile_name=storage.session_profile).region_name
    return region


def put(storage: Any, name: str, data: bytes, *, replaces: bool = False) -> str:
    """Write an object in one request that never replaces another.

    If the name is taken, an earlier try has succeeded, because names are random.

    Args:
        storage: The storage.
        name: The name of the object.
        data: Its bytes.
        replaces: Whether it takes the place of an object of that name after all.

    Returns:
        The MD5 of the object, as ``md5_of`` says; empty if the name is taken.

    Source: "Conditional writes" in Amazon's S3 user guide.
    """
    key = object_key(storage, name)
    request: dict[str, Any] = {
        "Bucket": storage.bucket_name,
        "Key": key,
        "Body": data,
        **storage._get_write_parameters(key),
    }
    if key.endswith(".svg"):
        # Whoever opens it at the storage itself gets a download.
        request["ContentDisposition"] = "attachment"
    client = storage.connection.meta.client
    if replaces or storage in _unconditional:
        return md5_of(client.put_object(**request))
    try:
        return md5_of(client.put_object(IfNoneMatch="*", **request))
    except ClientError as error:
        code, status = refusal(error)
        if code in UNKNOWN or status == HTTPStatus.NOT_IMPLEMENTED:
            answer = client.put_object(**request)
            # So the next image is sent once. Only a write that succeeded says so.
            _unconditional.add(storage)
            return md5_of(answer)
        if code != TAKEN and status != HTTPStatus.PRECONDITION_FAILED:
            raise
        return ""


def md5_of(answer: Any) -> str:
    """Return the MD5 of an object, by an answer about it; empty if that does not say.

    Objects that came in parts, or that the server encrypts with its own keys, have a
    tag that is no digest.
    """
    tag = str(answer.get("ETag", "")).strip('"')
    encrypted = answer.get("ServerSideEncryption", "AES256") != "AES256"
    if encrypted or answer.get("SSECustomerAlgorithm") or not MD5.fullmatch(tag):
        return ""
    return tag


def refusal(error: ClientError) -> tuple[str | None, int | None]:
    """Return the code and the HTTP status with which a server has refused a request."""
    code = error.response.get("Error", {}).get("Code")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return code, status


def listing(storage: Any, prefix: str) -> Iterator[tuple[str, float, int | None]]:
    """Yield name, time of the last change and bytes of every object under a prefix."""
    root = object_key(storage, prefix) + "/"
    cut = len(root) - len(prefix) - 1
    pages = storage.connection.meta.client.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=storage.bucket_name, Prefix=root):
        for entry in page.get("Contents", ()):
            name, modified = entry["Key"][cut:], entry["LastModified"]
            yield name, modified.timestamp(), entry.get("Size")


def delete_all(storage: Any, names: list[str]) -> dict[str, Exception]:
    """Delete up to a thousand objects in one request.

    Returns:
        What the server has answered about those that it does not delete.

    Raises:
        ClientError: If the server refuses the request as a whole.
    """
    keys = {object_key(storage, name): name for name in names}
    answer = storage.connection.meta.client.delete_objects(
        Bucket=storage.bucket_name,
        Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
    )
    return {
        keys[each["Key"]]: ClientError({"Error": each}, "DeleteObjects")
        for each in answer.get("Errors", ())
        if each.get("Key") in keys
    }


def object_key(storage: Any, name: str) -> str:
    """Return the key of the object that has a name."""
    return str(storage._normalize_name(clean_name(name)))
