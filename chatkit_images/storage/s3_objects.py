"""Single objects on S3: read in parts, written from files, and compared."""

from __future__ import annotations

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
