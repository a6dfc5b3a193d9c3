"""Why an upload is refused: the type that was found, and those that are accepted."""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..cleaning import clean
from ..conf import settings
from ..exceptions import RequestRefused

TEXT, PAGE = gettext_lazy("plain text"), gettext_lazy("web page")
# What people call a type that a project may accept or a client may declare.
NAMES: dict[str, Any] = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WebP",
    "image/gif": "GIF",
    "image/svg+xml": "SVG",
    "image/heic": "HEIC",
    "image/heif": "HEIF",
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/x-icon": "ICO",
    "image/vnd.microsoft.icon": "ICO",
    "image/vnd.adobe.photoshop": "PSD",
    "image/jxl": "JPEG XL",
    "image/jp2": "JPEG 2000",
    "application/pdf": "PDF",
    "application/zip": "ZIP",
    "text/html": PAGE,
    "text/plain": TEXT,
}
# How files of a type begin. The first that fits counts.
BEGINNINGS: list[tuple[bytes, Any]] = [
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"RIFF.{4}WEBP", "WebP"),
    (rb"GIF8[79]a", "GIF"),
    (rb".{4}ftypavi[fs]|.{4}ftypm[is]f1.{,64}?avi[fs]", "AVIF"),
    (rb".{4}ftyphe[iv][cmxs]|.{4}ftypm[is]f1.{,64}?he[iv][cmxs]", "HEIC"),
    (rb".{4}ftypm[is]f1", "HEIF"),
    (rb".{4}ftyp|.{4}moov", gettext_lazy("video")),
    (rb"\x1aE\xdf\xa3|RIFF.{4}AVI ", gettext_lazy("video")),
    (rb"ID3|\xff[\xfb\xf3\xf2]|RIFF.{4}WAVE|OggS|fLaC", gettext_lazy("sound")),
    (rb"II[*+]\x00|MM\x00[*+]", "TIFF"),
    (rb"BM.{4}\x00{4}", "BMP"),
    (rb"\x00\x00[\x01\x02]\x00[^\x00]\x00", "ICO"),
    (rb"8BPS\x00", "PSD"),
    (rb"\xff\x0a|\x00{3}\x0cJXL \r\n", "JPEG XL"),
    (rb"\x00{3}\x0cjP  \r\n|\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"%PDF-", "PDF"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript"),
    (rb"\{\\rtf", "RTF"),
    (rb"PK\x03\x04.{,4096}?word/", "Word"),
    (rb"PK\x03\x04.{,4096}?xl/", "Excel"),
    (rb"PK\x03\x04.{,4096}?ppt/", "PowerPoint"),
    (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", "OpenDocument"),
    (rb"PK[\x03\x05]", "ZIP"),
    (rb"\x1f\x8b|Rar!|7z\xbc\xaf|BZh|\xfd7zXZ", gettext_lazy("archive")),
    (rb"\xd0\xcf\x11\xe0", "Office"),
    (rb"MZ|\x7fELF|\xcf\xfa\xed\xfe|\xca\xfe\xba\xbe", gettext_lazy("program")),
    (rb"\s*(?:<!--.{,999}?-->\s*)*<(?:!doctype html|html|head|body|script)\b", PAGE),
    (rb"\s*<(?:svg|!doctype svg)\b|\s*<\?xml.{,2048}?<svg\b", "SVG"),
    (rb"\s*<\?xml\b", "XML"),
]
BEGINNING = re.compile(
    b"|".join(b"(%b)" % pattern for pattern, _name in BEGINNINGS),
    re.DOTALL | re.IGNORECASE,
)
# Bytes that say what a file is.
HEAD = 8192


def refused(data: bytes) -> RequestRefused:
    """Return the error for a file of a type that is not accepted."""
    return _refused(_name_of(data[:HEAD]))


def refused_mime(mime: str) -> RequestRefused:
    """Return the error for a declared type that is not accepted."""
    mime = clean(mime).partition(";")[0].strip()
    return _refused(NAMES.get(mime.lower(), mime[:60]))


def damaged(data: bytes) -> RequestRefused:
    """Return the error for an image of which a part is missing or wrong."""
    return RequestRefused(
        "damaged_file",
        _("This file (%(found)s) is damaged, or a part of it is missing.")
        % {"found": _name_of(data[:HEAD])},
        status=400,
    )


def other_than_announced(data: bytes) -> RequestRefused:
    """Return the error for a file that is not what it was announced as."""
    found = _name_of(data[:HEAD])
    text = (
        _("The file is of another type (%(found)s) than was announced.")
        if found
        else _("The file is of another type than was announced.")
    )
    return RequestRefused("wrong_type", text % {"found": found}, status=415)


def _refused(found: Any) -> RequestRefused:
    names = (str(NAMES.get(mime, mime)) for mime in settings.ATTACHMENT_TYPES)
    accepted = ", ".join(dict.fromkeys(names))
    if found:
        text = _(
            "Files of this type (%(found)s) are not accepted. Accepted types: "
            "%(accepted)s."
        )
    else:
        text = _(
            "Files of an unknown type are not accepted. Accepted types: %(accepted)s."
        )
    message = text % {"found": found, "accepted": accepted}
    return RequestRefused("unsupported_type", message, status=415)


def _name_of(head: bytes) -> Any:
    """Return what people call the type of a file, empty if it is not known."""
    head = head.removeprefix(b"\xef\xbb\xbf")
    if match := BEGINNING.match(head):
        return BEGINNINGS[(match.lastindex or 0) - 1][1]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    # The head may end in the middle of a character.
    text = head.decode("utf-8", "replace").rstrip("\ufffd")
    return "" if "\x00" in text or "\ufffd" in text else TEXT
