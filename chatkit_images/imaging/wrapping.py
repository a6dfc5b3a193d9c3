"""Images in wrapped or careless base64, as gateways send it.

A decoder that is strict about the wrapping would lose an image that is paid for. What
comes out counts only if its bytes are those of an image, so nothing is taken for one
that is none.
"""

from __future__ import annotations

import html
import re
import string
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import pybase64

from ..exceptions import ImageError
from .containers import trim
from .decoding import check
from .formats import is_known, is_svg

# How often base64 may be wrapped in base64, and one escape in another.
DEPTH = 3
# Bytes in which a data URL begins. A search of all megabytes would keep the lock.
HEAD = 4096
ALPHABET = (string.ascii_letters + string.digits + "+/=").encode()
FOREIGN = bytes(set(range(256)) - set(ALPHABET))
# NUL ends a text in C.
SPACE = string.whitespace.encode() + b"\0"
# Bytes that text has, in whichever language.
TEXT = bytes(range(32, 127)) + bytes(range(128, 256)) + SPACE
URL_SAFE = bytes.maketrans(b"-_", b"+/")
# What stands before the image in a data URL, or in one that has lost its beginning.
MARK = re.compile(rb"base64\s*[,:]", re.IGNORECASE)
SVG_MARK = re.compile(r"\W?data:image/svg[^,<]*,", re.IGNORECASE)
# What ends a data URL in Markdown, HTML or JSON.
CLOSING = re.compile(rb"[\"'`<>(){}\[\]]")
CODE_POINT = re.compile(rb"\\+u00([0-7][0-9a-f])", re.IGNORECASE)
BREAK = re.compile(rb"\\+[nrtbf]|=\r?\n")
# The first bytes of each format, so that no megabytes of other text are matched.
HEX = re.compile(
    rb"(?:\\+x|0x)?((?:89504e47|ffd8ff|52494646|47494638|3c)[0-9a-f]+)", re.IGNORECASE
)
RUN = re.compile(rb"[A-Za-z0-9+/=]+")
# Characters that stand for no base64, such as curly quotes and marks of the byte order.
# U+FFFD stands for something that is lost.
BESIDE = re.compile(r"[^\w\x00-\x7f\ufffd]+")


def unwrap(text: str | bytes, depth: int = DEPTH) -> bytes | None:
    """Return the bytes of an image whose base64 is wrapped, ``None`` if it is none.

    It knows data URLs, white space, missing padding, the alphabet for URLs, escapes of
    JSON, URLs and HTML, text around it, base64 of base64, base64 in parts, hexadecimal
    digits, and the text of an SVG.

    Raises:
        ImageError: If it is an image that is too large.
    """
    if isinstance(text, bytes):
        if text[:64].translate(None, TEXT):
            return None
        try:
            text = text.decode()
        except UnicodeDecodeError:
            return None
    if (svg := _svg(text)) is not None:
        return svg
    try:
        data = (text if text.isascii() else BESIDE.sub("", text)).encode("ascii")
    except UnicodeEncodeError:
        return None
    for found in _readings(data):
        if _is_image(found):
            return found
        if depth > 1 and (inner := unwrap(found, depth - 1)) is not None:
            return inner
    return None


def may_unwrap(text: str) -> bool:
    """Whether the first characters of a text are those of an image's base64."""
    head = text[:HEAD]
    if _svg(head) is not None:
        return True
    data = BESIDE.sub("", head).encode("ascii", "replace")
    return any(map(is_known, _readings(data)))


def unhex(text: str | bytes) -> bytes | None:
    """Return the bytes of an image in hexadecimal digits, ``None`` if it is none.

    Such digits may be strict base64, too.

    Raises:
        ImageError: If it is an image that is too large.
    """
    found = _digits(text.encode() if isinstance(text, str) else text)
    return found if _is_image(found) else None


def _svg(text: str) -> bytes | None:
    data = text.strip().encode("utf-8", "replace")
    if match := SVG_MARK.match(text.lstrip()[:HEAD]):
        data = unquote_to_bytes(text.lstrip()[match.end() :].rstrip(" \"'\r\n\t"))
    return data if is_svg(data) else None


def _readings(text: bytes) -> Iterator[bytes]:
    """Yield what decoders make of a text."""
    yield _digits(text.translate(None, SPACE))
    text = _unescape(text)
    *_, mark = (None, *MARK.finditer(text[:HEAD]))
    if mark is not None:
        text = CLOSING.split(text[mark.end() :].lstrip(SPACE + b"\"'"), maxsplit=1)[0]
    text = text.strip(SPACE).translate(URL_SAFE)
    plain = _decode(text)
    if b" " not in text:
        yield plain
    else:
        # Whoever decodes a form reads a plus as a space.
        readings = (plain, _decode(text.replace(b" ", b"+")))
        yield from readings if _is_folded(text) else readings[::-1]
    yield _decode(max(RUN.findall(text.translate(None, SPACE)), key=len, default=b""))


def _digits(text: bytes) -> bytes:
    match = HEX.fullmatch(text)
    return bytes.fromhex(match[1][: len(match[1]) // 2 * 2].decode()) if match else b""


def _unescape(text: bytes) -> bytes:
    """Return a text without the escapes of URLs, HTML, JSON and mail."""
    for _ in range(DEPTH):
        before = text
        if b"%" in text:
            text = unquote_to_bytes(text)
        if b"&" in text:
            text = html.unescape(text.decode("latin-1")).encode("latin-1", "replace")
        if b"\\" in text or b"=\n" in text or b"=\r" in text:
            text = CODE_POINT.sub(lambda match: bytes.fromhex(match[1].decode()), text)
            text = BREAK.sub(b"", text).replace(b"\\", b"")
        if text == before:
            break
    return text


def _is_folded(text: bytes) -> bool:
    """Whether the spaces of a text part it into lines of one length."""
    *lines, last = text.split(b" ")
    return len({len(line) for line in lines}) == 1 and len(last) <= len(lines[0])


def _decode(text: bytes) -> bytes:
    """Return the bytes of base64, which may be in parts; what is foreign is ignored."""
    text = text.translate(None, FOREIGN)
    return b"".join(_part(part) for part in text.split(b"=") if part)


def _part(text: bytes) -> bytes:
    # One character is less than a byte.
    text = text[: len(text) - (len(text) % 4 == 1)]
    return pybase64.b64decode(text + b"=" * (-len(text) % 4))


def _is_image(data: bytes) -> bool:
    try:
        # What is kept although it is too complex is an image, too.
        check(trim(data, keep=True), keep=True)
    except ImageError as error:
        if error.code in ("too_large", "too_many_pixels"):
            raise
        return False
    return True
