"""The archive of an export, written piece by piece into a file that appears whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from errno import EINVAL, ENOENT
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from ..cleaning import clean_json

# Bytes of lines or of a page that stay in memory; more go to a temporary file.
IN_MEMORY = 2**20
# Bytes of a file that are copied at once.
PIECE = 2**20
# From here on an entry whose size is not known before needs ZIP64.
LARGE = 2**30


@contextlib.contextmanager
def written_whole(path: Path, *, replace: bool = False) -> Iterator[IO[bytes]]:
    """Have a file to write, which gets its name when everything is in it.

    Only its owner may read it. What a killed process leaves ends in ``.part``.

    Raises:
        FileExistsError: If there is such a file, and it is not to be replaced.
        OSError: If the file cannot be written.
    """
    if path.exists() and not path.is_file():
        # A device would be replaced, too.
        raise OSError(EINVAL, "It is no plain file", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(ENOENT, "There is no directory", str(path.parent))
    if path.exists() and not replace:
        raise FileExistsError(f"{path} is there already.")
    number, part = tempfile.mkstemp(
        prefix=f".{path.name}.", suffix=".part", dir=path.parent
    )
    try:
        with os.fdopen(number, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(part, path)
        else:
            # Of two exports one has the name. A file system without links has no
            # other way than to look.
            try:
                os.link(part, path)
            except FileExistsError:
                raise FileExistsError(f"{path} is there already.") from None
            except OSError:
                os.replace(part, path)
            else:
                os.unlink(part)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        raise


class Archive:
    """A zip file that is written as a stream, with ZIP64 where it needs it.

    Args:
        file: Where to write. It need not be seekable.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self.files: dict[str, int] = {"images": 0, "attachments": 0}
        self.bytes = 0

    def add(self, name: str, data: bytes | IO[bytes]) -> None:
        """Add the bytes of an image or an attachment as they are.

        Args:
            name: Its name.
            data: The bytes, or a file that has them, from its beginning.
        """
        file = BytesIO(data) if isinstance(data, bytes) else data
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        # Images are compressed already.
        info = _info(name, zipfile.ZIP_STORED)
        with self._zip.open(info, "w", force_zip64=size > LARGE) as entry:
            shutil.copyfileobj(file, entry, PIECE)
        self.files[name.partition("/")[0]] += 1
        self.bytes += size

    def add_text(self, name: str, text: str | IO[bytes]) -> str:
        """Add a text, which may be a file from its beginning; return its SHA-256."""
        digest = hashlib.sha256()
        is_large = not isinstance(text, str) and text.seek(0, os.SEEK_END) > LARGE
        if not isinstance(text, str):
            text.seek(0)
        info = _info(name, zipfile.ZIP_DEFLATED)
        with self._zip.open(info, "w", force_zip64=is_large) as entry:
            if isinstance(text, str):
                data = text.encode()
                digest.update(data)
                entry.write(data)
            else:
                while part := text.read(2**16):
                    digest.update(part)
                    entry.write(part)
        return digest.hexdigest()

    def close(self) -> None:
        """Write the directory, without which it is no archive."""
        self._zip.close()

    def abandon(self) -> None:
        """Have no directory written, not when the object is deleted either."""
        self._zip.fp = None


class Lines:
    """Lines of JSON on a temporary disk, until they are added to an archive."""

    def __init__(self) -> None:
        self.file: Any = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed below
        self.count = 0

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def add(self, line: dict[str, Any]) -> None:
        """Add a line."""
        self.file.write(json.dumps(clean_json(line), ensure_ascii=False).encode())
        self.file.write(b"\n")
        self.count += 1

    def move_to(self, other: Lines) -> None:
        """Append the lines to others, and be empty."""
        self.file.seek(0)
        shutil.copyfileobj(self.file, other.file)
        other.count += self.count
        self.file.seek(0)
        self.file.truncate()
        self.count = 0


def _info(name: str, how: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, time.gmtime()[:6])
    info.compress_type = how
    info.external_attr = 0o600 << 16
    return info
