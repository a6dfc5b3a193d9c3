"""Bytes that stand in texts as ``data:`` URLs.

What a project's item or a model brings is stored as an image. A person sends files as
attachments, which have limits of their own; in a person's text such bytes are neither
decoded nor kept. Every search here takes linear time.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from ..cleaning import map_strings

# Base64, also for URLs and with its signs escaped for them.
RUN = r"[\w+/=-]*+(?:%(?:2[bf]|3d)[\w+/=-]*+)*+"
DATA_IMAGE = re.compile(
    rf"data:image/[^\s:,\"'<>()]{{1,100}}?;base64,((?=[\w+/=%-]){RUN})",
    re.IGNORECASE | re.ASCII,
)
COLON = r"(?::|%3a|&colon;|&#58;|&#x3a;|\\u003a)"
COMMA = r"(?:,|%2c|&comma;|&#44;|&#x2c;|\\u002c)"
# A type is not needed: browsers look at the bytes. White space and escapes may be
# anywhere that some reader takes them out.
HEADER = re.compile(
    rf"\bdata{COLON}[^:,\"'<>()\r\n]{{0,100}}?base64[ \t]{{0,8}}{COMMA}(?!\s*\.)",
    re.IGNORECASE,
)
UNSEEN = "\u200b-\u200d\u2060\ufeff"
SIGN = (
    r"(?:%(?:2[bf5]|3d|0[ad]|20)|\\(?:[/nr]|u00(?:2[bf]|3d))"
    r"|&(?:#x?[0-9a-f]{1,4}|plus|sol|equals|newline);)"
)
PIECE = re.compile(
    rf"[A-Za-z0-9+/=_{UNSEEN}-]*+(?:{SIGN}[A-Za-z0-9+/=_{UNSEEN}-]*+)*+", re.IGNORECASE
)
GAP = re.compile(r"[\s>]{1,16}")
# Base64 is folded into lines of 64 or 76 characters; so long are no words.
LINE = 40
# How often an item says that something was left out.
REMARKS = 20


def remark() -> str:
    """Return what stands in a person's text where a file stood as text."""
    return _("[A file was left out here. Files can be attached.]")


class Cutter:
    """Cuts the bytes out of the texts of one item, and says so a few times."""

    def __init__(self) -> None:
        self._left = REMARKS

    def cut(self, text: str) -> str:
        """Return a text without the ``data:`` URLs that are in base64."""
        parts, position = [], 0
        while match := HEADER.search(text, position):
            end = _end(text, match.end())
            found = end > match.end()
            parts.append(text[position : match.start() if found else end])
            if found and self._left:
                self._left -= 1
                parts.append(remark())
            position = end
        return "".join([*parts, text[position:]]) if position else text

    def cut_all(self, value: object) -> object:
        """Return JSON data with each of its strings cut, keys included."""
        return map_strings(value, self.cut)


def _end(text: str, start: int) -> int:
    """Return where base64 ends that begins at a place, or after white space there."""
    end = _piece(text, start)
    if end == start and (gap := GAP.match(text, start)):
        # After a gap only a long run is base64; anything else is words.
        after = _piece(text, gap.end())
        end = after if after - gap.end() >= LINE else start
        start = gap.end() if end > start else start
    size, last = end - start, end - start
    while last >= LINE and (gap := GAP.match(text, end)):
        after = _piece(text, gap.end())
        last = after - gap.end()
        if last < LINE and not _closes(text, gap, after, size + last):
            break
        size, end = size + last, after
    return end


def _piece(text: str, start: int) -> int:
    match = PIECE.match(text, start)
    return match.end() if match else start


def _closes(text: str, gap: re.Match[str], end: int, size: int) -> bool:
    """Whether a short line is the last of folded base64, not words that follow it."""
    return (
        end > gap.end()
        and "\n" in gap[0]
        and size % 4 == 0
        and (text[end - 1] == "=" or not text[end : end + 1].strip(" \t.,:;!?"))
        and text[end : end + 1] not in (" ", "\t")
    )
