"""Names of files and titles, which reach headers, logs, lists and the model."""

from __future__ import annotations

import re
from unicodedata import category

from .texts import clean

# They change the order in which what follows is shown, so "gpj.exe" can look like
# "exe.jpg".
BIDI = "\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
ORDERING = dict.fromkeys(map(ord, BIDI))
# Bytes of a name: a header takes it, and so does every file system.
NAME_BYTES, EXTENSION_BYTES = 200, 20
# Characters at each end of a name that are looked at, as a name may be a whole body.
MOST_SEEN = 1000
MIME = re.compile(r"[A-Za-z0-9][\w.+-]{0,126}/[A-Za-z0-9][\w.+-]{0,126}", re.ASCII)
# How a cell begins that a spreadsheet takes for a formula: wide signs do, too.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def clean_line(text: str) -> str:
    """Return a text as one line that shows its characters in their own order."""
    text = clean(text).translate(ORDERING)
    breaks = ("Cc", "Zl", "Zp")
    return "".join(" " if category(each) in breaks else each for each in text)


def clean_name(name: str) -> str:
    """Return the name of a file as headers, logs and people can take it.

    It has no path, nothing that cannot be seen, no dot at its beginning and at most
    ``NAME_BYTES`` bytes, among which is its extension. Without any of that it is
    ``"file"``.
    """
    last = re.split(r"[/\\]", clean(name).rstrip("/\\"))[-1]
    if len(last) > 2 * MOST_SEEN:
        last = last[:MOST_SEEN] + last[-MOST_SEEN:]
    seen = "".join(each for each in last if category(each) not in INVISIBLE)
    stem, dot, extension = seen.lstrip(". ").rstrip().rpartition(".")
    if not dot or len(extension.encode()) > EXTENSION_BYTES:
        stem, dot, extension = f"{stem}{dot}{extension}", "", ""
    room = NAME_BYTES - len(f"{dot}{extension}".encode())
    stem = stem.encode()[:room].decode(errors="ignore")
    return f"{stem}{dot}{extension}".strip() or "file"


def clean_cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet calculates."""
    return f"'{text}" if text.startswith(FORMULA) else text


def clip(text: str, most: int) -> str:
    """Return the beginning of a text on one line, with an ellipsis where it goes on.

    Args:
        text: Any text.
        most: How many characters at most.
    """
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def clean_mime(mime: str) -> str:
    """Return a type without its parameters; if it is none, that of any bytes."""
    found = mime.partition(";")[0].strip()
    return found if MIME.fullmatch(found) else "application/octet-stream"
