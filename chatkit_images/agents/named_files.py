"""The bytes of images that people and models name by their ids."""

from __future__ import annotations

import asyncio

from chatkit.agents import AgentContext
from django.utils.translation import gettext as _

from .. import database, imaging, models, storage
from ..conf import settings
from ..context import RequestContext
from ..exceptions import FileRefused, NotFoundError
from ..queries import attachments, identity, named_images

Row = models.GeneratedImage | models.Attachment
# Whose images they are.
Who = AgentContext[RequestContext] | RequestContext


async def image_bytes(who: Who, image_id: str) -> bytes:
    """Return the bytes of an image that a person or a model has named.

    Args:
        who: Whose image it must be: the agent's context, or that of a request.
        image_id: Of an image (``img_...``), or of an attachment that is an image.

    Raises:
        FileRefused: If the attachment is no image, or has more than
            ``MAX_IMAGE_BYTES``.
        NotFoundError: If the owner has no such image, or may not see it (any more).
        Exception: The storage's own, if it does not answer.
    """
    return await bytes_of(await row_of(who, image_id))


def context_of(who: Who) -> RequestContext:
    """Return the context of a request in an agent's."""
    return who if isinstance(who, RequestContext) else who.request_context


async def row_of(who: Who, image_id: str) -> Row:
    """Return the row of an owner's image or attachment.

    Raises:
        FileRefused: If the attachment is no image.
        NotFoundError: If the owner has no such image, or may not see it.
    """
    context = context_of(who)
    if identity.key_of(image_id) is not None:
        image = await database.call(named_images.get, image_id, context)
        if image is None:
            raise NotFoundError(f"Image {image_id} not found")
        return image
    row = await database.call(attachments.get, image_id, context)
    if not row.file:
        raise NotFoundError(f"Attachment {image_id} has no file")
    if row.mime_type not in imaging.INLINE:
        text = _("The file %(name)s is no image.") % {"name": row.name}
        raise FileRefused("no_image", text)
    return row


async def bytes_of(row: Row) -> bytes:
    """Return the bytes of a row's file, as ``image_bytes`` does."""
    if (row.bytes or 0) > settings.MAX_IMAGE_BYTES:
        raise FileRefused("too_large", _("The image has too many bytes."))
    try:
        async with asyncio.timeout(settings.STORAGE_TIMEOUT):
            return await storage.call("read", storage.read, *row.blobs("file")[0])
    except FileNotFoundError:
        raise NotFoundError(f"The file of {row.pk} is not there any more") from None
