"""Single objects on S3: read in parts, written from files, and compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import IO, Any

from .names import NAME, checked
from .s3 import object_key, refusal

try:
    from boto3.s3.transfer import S3Transfer
    from botocore.exceptions import ClientError
except ImportError:  # The extra "s3" is not installed; nothing here is called.
    ClientError = OSError  # type: ignore[assignment,misc]

# Codes and statuses of servers for an object that is not there.
ABSENT = {"NoSuchKey", "NotFound", "404"}
# What the parameters of a key have in common that S3 encrypts with and does not keep.
CUSTOMER_KEY = "SSECustomer"


def place(storage: Any, name: str) -> dict[str, Any]:
    """Return the parameters of a request that say which object it is about."""
    key = object_key(storage, checked(name))
    return {"Bucket": storage.bucket_name, "Key": key}


def to_read(storage: Any, name: str) -> dict[str, Any]:
    """Return the parameters of a request that reads an object, or asks for its size.

    Of those that the project has for its objects they have what a read takes, too: for
    example the key without which S3 decrypts nothing, or who pays.

    Source: ``ALLOWED_DOWNLOAD_ARGS`` in the guide of boto3, "Downloading files".
    """
    where = place(storage, name)
    taken = set(S3Transfer.ALLOWED_DOWNLOAD_ARGS)
    match = NAME.fullmatch(name)
    if match and match["kind"] == "uploads":
        # What a client has written by a URL has been encrypted with no such key.
        taken = {each for each in taken if not each.startswith(CUSTOMER_KEY)}
    said = storage.get_object_parameters(where["Key"])
    return {key: value for key, value in said.items() if key in taken} | where


def size_of(storage: Any, name: str) -> int:
    """Return how many bytes an object has.

    Raises:
        FileNotFoundError: If there is no such object.
        Exception: boto3's own.
    """
    client = storage.connection.meta.client
    with telling_absence(name):
        return int(client.head_object(**to_read(storage, name))["ContentLength"])


def put_file(storage: Any, name: str, file: IO[bytes]) -> None:
    """Write an object in several requests, if it is large. It has a name of its own."""
    key = object_key(storage, name)
    storage.connection.meta.client.upload_fileobj(
        # It is closed by what uploads it.
        _Unclosed(file),
        storage.bucket_name,
        key,
        ExtraArgs=storage._get_write_parameters(key),
    )


class _Unclosed:
    """An open file that is not closed by who reads it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.read = file.read


@contextmanager
def telling_absence(name: str) -> Iterator[None]:
    """Raise ``FileNotFoundError`` if a server says that an object is not there."""
    try:
        yield
    except ClientError as error:
        code, status = refusal(error)
        if code in ABSENT or status == HTTPStatus.NOT_FOUND:
            raise FileNotFoundError(name) from error
        raise
