"""Images that items bring as ``data:`` URLs, stored before the items are written.

They are decoded and stored in the threads for such work. The threads of the database,
for which all requests wait, get only what is stored.
"""

from __future__ import annotations

import logging

from django.utils import timezone

from . import database, receiving, storage, verdicts
from .context import RequestContext
from .exceptions import ImageError
from .models import GeneratedImage
from .queries import data_urls, inline_rows
from .queries.inline_rows import Sent, Stored
from .run_state import current_state

logger = logging.getLogger(__name__)


async def store(thread_id: str, sent: list[Sent], context: RequestContext) -> Stored:
    """Store the images of an item, one after the other, and return their rows.

    Args:
        thread_id: The thread of the item.
        sent: The images, as ``Unstored`` names them.
        context: Who asked.

    Returns:
        ``None`` for what is no image that this project accepts.

    Raises:
        NotFoundError: If the owner has no such thread.
        StorageUnavailable: If neither storage nor spool took one.
    """
    return {
        (call_id, text): await _store(thread_id, call_id, text, context)
        for call_id, text in sent
    }


async def store_preview(url: str) -> str:
    """Store an attachment's preview if it is a ``data:`` image.

    Returns:
        The name of its file, empty if it is no such image.

    Raises:
        StorageUnavailable: If neither storage nor spool took it.
    """
    match = data_urls.DATA_IMAGE.fullmatch(url)
    if match is None:
        return ""
    try:
        data = await storage.call("scale", receiving.preview, match[1])
    except ImageError as error:
        logger.warning("The preview of an attachment is no image file: %s", error)
        return ""
    name = storage.new_name("thumbnails", "webp")
    await storage.call("thumbnails", storage.store, name, data)
    return name


async def _store(
    thread_id: str, call_id: str, text: str, context: RequestContext
) -> GeneratedImage | None:
    try:
        found = await storage.decode(receiving.examined, text)
    except ImageError as error:
        logger.warning(
            "An inline image of thread %s is no image file: %s", thread_id, error
        )
        return None
    image = await database.call(
        inline_rows.begin, thread_id, call_id, found.info.sha256, context
    )
    if not image.file:
        state = current_state.get()
        check = state.check_image if state is not None else None
        verdict = None
        if check is not None:
            verdict = await verdicts.ask(
                check, image, found.info, found.data, context, timezone.now()
            )
        stored = await storage.run(receiving.put, found, image.key)
        await database.call(inline_rows.complete, image, stored, verdict)
    return image
