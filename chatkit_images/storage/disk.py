"""Files on a disk that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO

# Bytes that are in memory at once of a file that is copied.
CHUNK = 2**20


def write(
    path: Path,
    data: bytes | IO[bytes],
    mode: int | None = None,
    folder_mode: int | None = None,
) -> None:
    """Write a file that survives a crash once this returns.

    If the file is there already, it stays as it is: names are random, so it can only
    come from an earlier try with the same bytes.

    Args:
        path: Where the file goes.
        data: Its bytes, or an open file that has them.
        mode: Its permissions; ``None`` for those of the process.
        folder_mode: Permissions of the folders that are made for it.

    Raises:
        OSError: If the disk refuses it. Nothing is left behind then.
    """
    with _written(path, data, mode, folder_mode) as temporary:
        _give_name(temporary, path)


def replace(
    path: Path, data: bytes, mode: int | None = None, folder_mode: int | None = None
) -> None:
    """Do as ``write`` does, in place of the file that may be there."""
    with _written(path, data, mode, folder_mode) as temporary:
        temporary.replace(path)
        _sync_directory(path.parent)


def listing(
    root: Path, folder: str, enters: Callable[[str], bool]
) -> Iterator[tuple[str, float, int]]:
    """Yield name, time of the last change and bytes of every file below a folder.

    Args:
        root: What the names begin below.
        folder: A folder below it, which need not be there.
        enters: Whether files below a folder of this name are wanted, too.
    """
    try:
        with os.scandir(root / folder) as found:
            entries = list(found)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if enters(entry.name):
                yield from listing(root, f"{folder}/{entry.name}", enters)
            continue
        # It may be deleted meanwhile.
        with suppress(FileNotFoundError):
            status = entry.stat()
            yield f"{folder}/{entry.name}", status.st_mtime, status.st_size


@contextmanager
def _written(
    path: Path, data: bytes | IO[bytes], mode: int | None, folder_mode: int | None
) -> Iterator[Path]:
    """Have a temporary file with the bytes, next to where they go."""
    _make_folder(path.parent, folder_mode)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            if isinstance(data, bytes):
                file.write(data)
            else:
                shutil.copyfileobj(data, file, CHUNK)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def unfinished(root: Path) -> Iterator[tuple[Path, float]]:
    """Yield path and age in seconds of the temporary files of killed writes."""
    # Beside files, and beside the marker.
    for path in chain(root.glob("*/*/.*.tmp"), root.glob(".*.tmp")):
        # A write that is still going on may finish meanwhile.
        with suppress(FileNotFoundError):
            yield path, time.time() - path.stat().st_mtime


def _make_folder(folder: Path, mode: int | None) -> None:
    if mode is None:
        return folder.mkdir(parents=True, exist_ok=True)
    # One by one: Python gives the mode to the last folder only.
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        with suppress(FileExistsError):  # Another write made it.
            each.mkdir(mode)
            # The umask may have removed some of the permissions.
            each.chmod(mode)


def _give_name(temporary: Path, path: Path) -> None:
    try:
        # Unlike a rename, a link never replaces what has the name.
        path.hardlink_to(temporary)
    except FileExistsError:
        return
    except OSError:
        # Some network and FAT file systems have no links.
        temporary.replace(path)
    _sync_directory(path.parent)


def _sync_directory(folder: Path) -> None:
    # Without it a power cut may forget the name, though the bytes are there. Windows
    # cannot open a directory.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
