"""Files that clients have written to the storage themselves, before they count.

Nothing is believed of what a client or the storage's server says. An image is read once
and stored anew. Any other file is copied first, to a name that no client knows or may
write, and the copy is looked at: nobody can change what was looked at.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.utils.translation import gettext as _

from .. import imaging, models, storage
from ..conf import settings
from ..exceptions import ImageError, RequestRefused
from . import file_types
from .uploaded_files import StoredFile, check_size, document_type

logger = logging.getLogger(__name__)
# First bytes of a file that is no image: enough to know it, whatever its size.
LOOK_BYTES = 2**20
PDF = "application/pdf"


@dataclass(frozen=True)
class WrittenFile:
    """What a client has announced, and where it was to write it.

    Attributes:
        name: The name of the object.
        size: Bytes, as announced.
        mime: The type, as announced.
        alias: The storage of the object. Default: the one to which new files go.
    """

    name: str
    size: int
    mime: str
    alias: str | None = None

    @classmethod
    def of(cls, row: models.Attachment) -> WrittenFile:
        """Return the file of a row that has one."""
        name, size = str(row.upload.name), row.bytes or 0
        return cls(name, size, row.mime_type, row.storage_alias)

    @property
    def is_image(self) -> bool:
        """Whether it was announced as an image."""
        return self.mime.startswith("image/")

    @property
    def bytes_to_read(self) -> int:
        """How many bytes of it are in memory at once."""
        return self.size if self.is_image else min(self.size, LOOK_BYTES)


def check_image(file: WrittenFile) -> None:
    """Refuse a file that is announced as an image, and too large for one."""
    if file.is_image and file.size > settings.MAX_IMAGE_BYTES:
        raise RequestRefused("too_large", _("The file is too large."), status=413)


def read_image(file: WrittenFile) -> bytes:
    """Return the bytes of a file that was announced as an image. Blocks on the storage.

    Raises:
        FileNotFoundError: If it is not there.
        RequestRefused: If it has another size or type, or is too large for an image.
        Exception: The storage's own.
    """
    _check_sizes(file, storage.presigned.size_of(file.name, file.alias))
    check_image(file)
    # One byte more tells a file that has grown meanwhile.
    data = storage.presigned.read_first(file.name, file.size + 1, file.alias)
    _check_sizes(file, len(data))
    try:
        imaging.sniff(data)
    except ImageError:
        raise _not_as_announced(data, document_type(data)) from None
    return data


def keep_document(file: WrittenFile) -> StoredFile:
    """Copy a file that is no image, and look at the copy. Blocks on the storage.

    Raises:
        FileNotFoundError: If it is not there.
        RequestRefused: If it has another size or type.
        Exception: The storage's own.
    """
    _check_sizes(file, storage.presigned.size_of(file.name, file.alias))
    name = storage.new_name("attachments", "pdf" if file.mime == PDF else "txt")
    storage.presigned.copy(file.name, name, file.alias)
    try:
        _check_sizes(file, storage.presigned.size_of(name, file.alias))
        head = storage.presigned.read_first(name, LOOK_BYTES, file.alias)
        mime = _checked_type(file, head)
    except BaseException:
        drop(name, file.alias)
        raise
    # All of its bytes would have to be read for a digest.
    alias = storage.whereabouts.alias_of(file.alias)
    return StoredFile(name, mime, file.size, sha256="", alias=alias)


def drop(name: str, alias: str | None) -> None:
    """Delete a file that no row has. If that fails, the sweep does."""
    try:
        storage.delete(name, alias)
    except Exception as error:
        logger.warning("%s is left to the sweep: %r", name, error)


def _check_sizes(file: WrittenFile, size: int) -> None:
    check_size(size)
    if size != file.size:
        text = _("The file has another size than was announced.")
        raise RequestRefused("wrong_size", text, status=400)


def _checked_type(file: WrittenFile, head: bytes) -> str:
    mime = document_type(head, cut=file.size > len(head))
    try:
        found, _extension = imaging.sniff(head)
    except ImageError:
        pass
    else:
        # A text may begin as a GIF does. An SVG is text, and an image.
        if not mime or imaging.is_svg(head):
            raise _not_as_announced(head, found)
    if mime not in settings.ATTACHMENT_TYPES or (mime == PDF) != (file.mime == PDF):
        raise _not_as_announced(head, mime)
    return mime


def _not_as_announced(data: bytes, mime: str) -> RequestRefused:
    """Return the error for a file by whether its type would be accepted by itself."""
    if mime in settings.ATTACHMENT_TYPES:
        return file_types.other_than_announced(data)
    return file_types.refused(data)
