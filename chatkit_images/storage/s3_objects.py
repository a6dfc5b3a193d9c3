"""Single objects on S3: read in parts, written from files, and compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import IO, Any

from .s3 import object_key, refusal

try:
    from botocore.exceptions import ClientError
except ImportError:  # The extra "s3" is not installed; nothing here is called.
    ClientError = OSError  # type: ignore[assignment,misc]

# Codes and statuses of servers for an object that is not there.
ABSENT = {"NoSuchKey", "NotFound", "404"}
MD5 = re.compile(r"[0-9a-f]{32}")


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


def digest_of(storage: Any, name: str) -> tuple[int, str] | None:
    """Return size and MD5 of an object; ``None`` if the server does not say the latter.

    Objects that came in parts, or that the server encrypts with its own keys, have a
    tag that is no digest.
    """
    client = storage.connection.meta.client
    place = {"Bucket": storage.bucket_name, "Key": object_key(storage, name)}
    found = client.head_object(**place)
    tag = str(found.get("ETag", "")).strip('"')
    encrypted = found.get("ServerSideEncryption", "AES256") != "AES256"
    if encrypted or found.get("SSECustomerAlgorithm") or not MD5.fullmatch(tag):
        return None
    return int(found["ContentLength"]), tag


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
