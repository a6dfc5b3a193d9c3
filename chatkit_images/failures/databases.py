"""What errors of databases mean: whether they pass, and what they are if they do not.

The class of an exception does not say it: a driver raises ``OperationalError`` for a
lost connection, and for a table that nobody has made.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connections,
)

from . import server_codes
from .reasons import Reason

# How the names of SQLite's engines end.
SQLITE = ("sqlite3", "spatialite")
NO_TABLE = (
    "no such table",
    "no such column",
    "has no column named",
    "does not exist",
    "doesn't exist",
    "unknown column",
)
# What somebody, or the server itself, may have mended in the next moment.
MAY_END = {"disk_full"}
# Names in the words of MySQL and MariaDB, such as 'shop_database.chatkit_images_run'.
QUOTED = re.compile(r"'[\w.]+'")
# What databases say of what no waiting mends, by the code of the failure.
LASTING = {
    "database_access": re.compile(
        r"password authentication failed|no password supplied|no pg_hba\.conf entry"
        r"|authentication failed for user|role \"[^\"]*\" does not exist"
        r"|(?:database|role) \"[^\"]*\" (?:does not exist|is not permitted)"
        r"|access denied for user|unknown database|invalid connection option"
        r"|permission denied for|command denied to user"
    ),
    "database_file": re.compile(r"unable to open database file"),
    "database_read_only": re.compile(
        r"readonly database|read-only (?:option|mode|file system)"
    ),
    "disk_full": re.compile(
        r"disk is full|no space left on device|disk full|the table '[^']*' is full"
    ),
    "database_damaged": re.compile(
        r"file is not a database|disk image is malformed|disk i/o error"
    ),
}


def is_missing_table(error: BaseException) -> bool:
    """Whether a database says that a table or a column is not there."""
    if not isinstance(error, ProgrammingError | OperationalError):
        return False
    if (code := server_codes.meaning_of(error)) is not None:
        return code == "missing_table"
    text = QUOTED.sub("", str(error).lower())
    if "database" in text or re.search(r"\brole \"", text):
        return False
    return any(words in text for words in NO_TABLE)


def code_of(error: BaseException) -> str:
    """Return the code of what a database lacks; empty if the error passes by itself.

    An error that is none of a database's has no code either.
    """
    if not isinstance(error, DatabaseError | InterfaceError):
        return ""
    if (code := server_codes.meaning_of(error)) is not None:
        return code
    if is_missing_table(error):
        return "missing_table"
    text = str(error).lower()
    for code, pattern in LASTING.items():
        if pattern.search(text):
            passes = code == "database_file" and _files_can_be_opened()
            return "" if passes else code
    passing = isinstance(error, OperationalError | InterfaceError)
    return "" if passing else server_codes.OTHER


def may_pass(error: BaseException) -> bool:
    """Whether it is worth while to ask a database again, if only for some seconds."""
    if not isinstance(error, DatabaseError | InterfaceError):
        return False
    return code_of(error) in ("", *MAY_END)


def known(error: BaseException) -> tuple[Reason, str] | None:
    """Return the reason and the code of a database's error; ``None`` of any other."""
    if code := code_of(error):
        return Reason.INSTALLATION, code
    if isinstance(error, DatabaseError | InterfaceError):
        return Reason.NOT_SAVED, server_codes.OTHER
    return None


def files() -> list[Path]:
    """Return the files of the project's SQLite databases."""
    names: list[Any] = [
        options.get("NAME")
        for options in connections.settings.values()
        if str(options.get("ENGINE", "")).endswith(SQLITE)
    ]
    plain = [str(name) for name in names if name]
    return [
        Path(name).absolute()
        for name in plain
        if not name.startswith("file:") and ":memory:" not in name
    ]


def _files_can_be_opened() -> bool:
    """Whether the files of SQLite can be opened, as far as rights say it.

    If they can, the process has too many files open, which passes.
    """
    return all(
        os.access(path if path.exists() else path.parent, os.R_OK | os.W_OK)
        for path in files()
    )
