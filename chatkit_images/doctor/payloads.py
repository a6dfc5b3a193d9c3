"""Items whose JSON has bytes of images, or URLs of the app's own.

Such items were written past the store, for example by an import. A URL expires and
names a host, and bytes make each page of the thread heavy.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .. import models, receiving, storage
from ..cleaning import map_strings
from ..context import RequestContext
from ..contexts import context_class
from ..exceptions import ImageError, NotFoundError
from ..queries import data_urls, inline_rows, own_urls, references
from ..transactions import atomic
from .drift import Finding, Look, logger, said
from .held import is_held

PAYLOADS = "urls-in-items"
Show = Callable[[str], str]


def find(look: Look) -> Iterator[Finding]:
    """Yield the items with ``data:`` URLs of images, or URLs of their owner's files."""
    rows = models.ThreadItem.objects.select_related("thread__user")
    for page in look.pages(rows):
        for row in page:
            if why := _wrong(row):
                size, mend = sum(map(len, _inline(row))), partial(_mend, row)
                where = [storage.current_alias()] if size else []
                yield Finding(PAYLOADS, said(row), why, size, mend, storages=where)


def _wrong(row: models.ThreadItem) -> str:
    if _without_bytes(row, lambda _: "") != row.payload:
        return "bytes of a file stand in its text"
    if _with_references(row, row.payload) != row.payload:
        return "URLs stand in it that expire"
    return ""


def _inline(row: models.ThreadItem) -> list[str]:
    return [
        match[0]
        for text in references.strings(row.payload)
        for match in data_urls.DATA_IMAGE.finditer(text)
    ]


def _without_bytes(row: models.ThreadItem, show: Show) -> dict[str, Any]:
    """Return a payload without bytes.

    Args:
        row: The item.
        show: Returns what stands for base64 of an image. It is not asked about what a
            person has written, which is cut as it is when an item is saved.
    """
    payload: dict[str, Any] = row.payload
    cut = data_urls.Cutter().cut_all
    if row.type == "user_message":
        payload = map_strings(payload, data_urls.Cutter().cut)
    elif row.type == "client_tool_call" and "output" in payload:
        payload = payload | {"output": cut(payload["output"])}
    elif row.type == "structured_input":
        inputs = [
            each | {"answer": cut(each["answer"])} if "answer" in each else each
            for each in payload.get("inputs", ())
        ]
        payload = payload | {"inputs": inputs}
    found: dict[str, Any] = map_strings(
        payload, lambda text: data_urls.DATA_IMAGE.sub(lambda m: show(m[1]), text)
    )
    return found


def _with_references(row: models.ThreadItem, payload: dict[str, Any]) -> Any:
    if not any("/" in text for text in references.strings(payload)):
        return payload
    context = _context(row)
    return own_urls.refer(payload, context.owner, context.scope)


def _context(row: models.ThreadItem) -> RequestContext:
    return context_class().for_owner(row.thread.owner, row.thread.user)


def _mend(row: models.ThreadItem) -> bool:
    """Store the images of an item, and let it refer to them.

    What is held stays as it was written, also if that was not by the app.
    """
    with atomic():
        if is_held(row):
            return False  # Before its images are stored.
    stored: dict[str, uuid.UUID | None] = {}

    def show(text: str) -> str:
        if text not in stored:
            stored[text] = _store(row, text)
        key = stored[text]
        return references.to_image(key) if key else ""

    try:
        payload = _with_references(row, _without_bytes(row, show))
    except NotFoundError:
        return True  # Its thread is deleted.
    with atomic():
        if is_held(row):
            return False
        now = models.ThreadItem.objects.filter(pk=row.pk).one()
        if now is None or now.payload != row.payload:
            return now is None  # Somebody has written it, and it is looked at again.
        now.payload = payload
        now.save(update_fields=["payload"])
        images = models.GeneratedImage.objects.filter(thread_id=row.thread_id)
        keys = [key for key in stored.values() if key]
        images.filter(pk__in=keys, item=None).update(item=now)
    return True


def _store(row: models.ThreadItem, text: str) -> uuid.UUID | None:
    """Store one image of an item; ``None`` if the bytes are no image."""
    try:
        found = receiving.examined(text)
    except ImageError as error:
        logger.warning("An image in %s is no image file: %s", said(row), error)
        return None
    context = _context(row)
    image = inline_rows.begin(row.thread_id, "", found.info.sha256, context)
    if not image.file:
        inline_rows.complete(image, receiving.put(found, image.key))
    return image.pk
