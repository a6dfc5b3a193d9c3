"""Files that people have uploaded: looked at, and on their way to the storage."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass, field

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from .. import imaging, storage
from ..conf import settings
from ..exceptions import ImageError, RequestRefused
from . import file_types


@dataclass(frozen=True)
class StoredFile:
    """An uploaded file that has a name in the storage, and what its bytes say."""

    name: str
    mime: str
    size: int
    sha256: str
    width: int | None = None
    height: int | None = None
    thumbnail: str = ""
    alias: str = field(default_factory=storage.current_alias)

    def blobs(self) -> list[storage.Blob]:
        """Return its files."""
        names = filter(None, (self.name, self.thumbnail))
        return [storage.Blob(name, self.alias) for name in names]


@dataclass(frozen=True)
class ArrivingFile:
    """An uploaded file that is being stored.

    Attributes:
        stored: The file as it will be stored.
        writes: The writes of the file and its thumbnail.
    """

    stored: StoredFile
    writes: tuple[storage.Upload, ...]


def take_file(file: UploadedFile[bytes]) -> ArrivingFile:
    """Begin to store a file if its bytes have an accepted type; not for the event loop.

    Raises:
        RequestRefused: If its type is not accepted, or it is an image that is damaged,
            too complex, or larger than ``MAX_IMAGE_BYTES``, ``MAX_IMAGE_PIXELS`` or
            ``DECODE_MEMORY_BYTES``.
    """
    # One byte more tells a file that is longer than it was said to be.
    return take(file.read(settings.MAX_ATTACHMENT_BYTES + 1))


def take(data: bytes, *, only_look: bool = False) -> ArrivingFile:
    """Do the same for the bytes of a file.

    Args:
        data: The bytes.
        only_look: Whether nothing is stored.

    Raises:
        RequestRefused: As ``take_file()``.
    """
    check_size(len(data))
    try:
        mime, _extension = imaging.sniff(data)
    except ImageError:
        return _store_document(data, only_look)
    if mime not in settings.ATTACHMENT_TYPES:
        raise file_types.refused(data)
    try:
        return _store_image(data, only_look)
    except ImageError as error:
        code = error.code
        if code == "too_many_pixels":
            text = _("The image has too many pixels.")
        elif code == "too_heavy":
            code = "too_many_pixels"
            text = _("The image has too many pixels for a file of its type.")
        elif code == "too_complex":
            text = _("The image file has too many parts.")
        elif code == "too_large":
            text = _("The file is too large.")
        elif document_type(data) and not imaging.is_svg(data):
            # A text may begin as a GIF does.
            return _store_document(data, only_look)
        else:
            raise file_types.damaged(data) from error
        raise RequestRefused(code, text, status=413) from error


def check_size(size: int) -> None:
    """Refuse a file that is larger than ``MAX_ATTACHMENT_BYTES``, or empty."""
    if size > settings.MAX_ATTACHMENT_BYTES:
        raise RequestRefused("too_large", _("The file is too large."), status=413)
    if size <= 0:
        raise RequestRefused("empty_file", _("The file is empty."), status=400)


def cleaned(data: bytes) -> bytes:
    """Return an image as it is stored, by what ``STRIP_METADATA`` says.

    Bytes after its end are always cut off.

    Raises:
        ImageError: If its type is unknown or its container damaged.
    """
    if not settings.STRIP_METADATA:
        return imaging.trim(data)
    return imaging.strip(data, credentials=settings.STRIP_METADATA != "always")


def _store_image(data: bytes, only_look: bool) -> ArrivingFile:
    data = cleaned(data)
    info, preview = imaging.examine(data, settings.THUMBNAIL_SIDE)
    name = storage.new_name("attachments", info.extension)
    files = {name: data}
    thumbnail = storage.new_name("thumbnails", "webp") if preview else ""
    if thumbnail:
        files[thumbnail] = preview
    # An SVG has no size of its own.
    size = (info.width or None, info.height or None)
    stored = StoredFile(name, info.mime, info.size, info.sha256, *size, thumbnail)
    return ArrivingFile(stored, () if only_look else _writes(files))


def _store_document(data: bytes, only_look: bool) -> ArrivingFile:
    mime = document_type(data)
    if mime not in settings.ATTACHMENT_TYPES:
        raise file_types.refused(data)
    extension = "pdf" if mime == "application/pdf" else "txt"
    name = storage.new_name("attachments", extension)
    digest = hashlib.sha256(data).hexdigest()
    stored = StoredFile(name, mime, len(data), digest)
    return ArrivingFile(stored, () if only_look else _writes({name: data}))


def _writes(files: dict[str, bytes]) -> tuple[storage.Upload, ...]:
    return tuple(_write(name, data) for name, data in files.items())


def _write(name: str, data: bytes) -> storage.Upload:
    # What waits for a storage that is slow waits on the disk.
    fits = storage.backlog.fits(len(data), "uploads")
    kept = not fits and storage.spooled(name, data)
    return storage.Upload(
        name, None if kept else data, lane="attachments", kind="uploads"
    )


def document_type(data: bytes, *, cut: bool = False) -> str:
    """Return the type of a file that is no image, empty if it is none of these.

    Args:
        data: Its bytes.
        cut: Whether they are only its first ones.
    """
    if data.startswith(b"%PDF-"):
        return "application/pdf"
    try:
        # A character may be cut in two.
        text = codecs.getincrementaldecoder("utf-8")().decode(data, final=not cut)
    except UnicodeDecodeError:
        return ""
    # Text that a browser would run is accepted, because it is served as a download.
    return "" if "\x00" in text else "text/plain"
