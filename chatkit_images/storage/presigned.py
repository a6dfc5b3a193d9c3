"""Uploads that clients send to S3 by a URL that is signed here, and what came there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import backend, s3, s3_objects
from .s3_objects import place, telling_absence, to_read

# Seconds within which an upload has to begin. How long it then takes does not matter.
EXPIRES = 600
# S3 takes and copies so many bytes in one request.
MOST_BYTES = 5 * 2**30
# Version 2 of the signature, which boto3 still takes in old regions, binds no size.
QUERIES = ("s3-query", "s3v4-query", "v4-query")


@dataclass(frozen=True)
class PresignedUpload:
    """One upload that a client may send to the storage itself, by a PUT.

    Attributes:
        name: Where its bytes go, a name of the app's own.
        url: The URL, which is the authority.
        headers: What the client has to send with it.
    """

    name: str
    url: str
    headers: dict[str, str]


def is_possible(alias: str | None = None) -> bool:
    """Whether clients may write to a storage themselves: it is S3 without additions.

    What a project does in a storage of its own, for example encrypt, must not be gone
    past.
    """
    return s3.is_plain(backend.get_storage(alias))


def sign(name: str, size: int, mime: str) -> PresignedUpload:
    """Return a presigned upload of so many bytes of this type; it asks nobody.

    Args:
        name: Where the bytes go. No other upload may have it.
        size: How many bytes, which the signature binds.
        mime: Their type, which the signature binds, too.
    """
    storage = _storage(None)
    client = storage.connection.meta.client
    client.meta.events.register_first(
        "choose-signer.s3.PutObject", _choose_v4, unique_id="chatkit-images-v4"
    )
    headers = {"Content-Type": mime}
    bound: dict[str, Any] = {"ContentType": mime, "ContentLength": size}
    if s3.is_amazon(storage):
        # Of other services not all know it, nor let a page send it.
        headers["If-None-Match"] = bound["IfNoneMatch"] = "*"
    url = client.generate_presigned_url(
        "put_object", Params={**place(storage, name), **bound}, ExpiresIn=EXPIRES
    )
    return PresignedUpload(name, url, headers)


def size_of(name: str, alias: str | None = None) -> int:
    """Return how many bytes an object has.

    Raises:
        FileNotFoundError: If there is no such object.
        Exception: boto3's own.
    """
    return s3_objects.size_of(_storage(alias), name)


def read_first(name: str, most: int, alias: str | None = None) -> bytes:
    """Return the first bytes of an object, whatever the server sends.

    Args:
        name: Which object.
        most: How many bytes at most; nothing else is held in memory.
        alias: The storage that has it. Default: the one to which new files go.

    Raises:
        FileNotFoundError: If there is no such object.
        Exception: boto3's own.
    """
    storage = _storage(alias)
    client = storage.connection.meta.client
    with telling_absence(name):
        answer = client.get_object(
            **to_read(storage, name), Range=f"bytes=0-{most - 1}"
        )
    found = bytearray()
    body = answer["Body"]
    try:
        # A server that knows no ranges sends all.
        while len(found) < most and (part := body.read(most - len(found))):
            found += part
    finally:
        body.close()
    return bytes(found)


def copy(name: str, target: str, alias: str | None = None) -> None:
    """Have the storage copy an object to a new name, with all that its writes have.

    Raises:
        FileNotFoundError: If there is no such object.
        Exception: boto3's own.
    """
    storage = _storage(alias)
    client = storage.connection.meta.client
    where = place(storage, target)
    taken = client.meta.service_model.operation_model("CopyObject").input_shape.members
    written = storage._get_write_parameters(where["Key"])
    if "Tagging" in written:
        # Otherwise the tags are those of the original, which has none.
        written = {**written, "TaggingDirective": "REPLACE"}
    with telling_absence(name):
        client.copy_object(
            **where,
            CopySource=place(storage, name),
            MetadataDirective="REPLACE",
            **{key: value for key, value in written.items() if key in taken},
        )


def _storage(alias: str | None) -> Any:
    return backend.get_storage(alias)


def _choose_v4(signature_version: Any, **kwargs: Any) -> str | None:
    return "s3v4-query" if signature_version in QUERIES else None
