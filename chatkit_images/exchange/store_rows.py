"""What an import asks of the items of another store, and of the rows here."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable
from typing import Any

from chatkit import types
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from .. import models, times
from ..cleaning import clean
from ..queries import data_urls, item_payloads
from ..queries.references import strings
from . import values


async def pages(load: Callable[[str | None], Awaitable[types.Page[Any]]]) -> Any:
    """Yield what is on all pages of a store.

    Raises:
        RuntimeError: If a page comes after itself, so that there would be no end.
    """
    after: str | None = None
    while True:
        page = await load(after)
        for each in page.data:
            yield each
        if not page.has_more or not page.data:
            return
        # Stores of projects leave it out where the last row says it.
        following = page.after or page.data[-1].id
        if following == after:
            raise RuntimeError(f"The store has the same page after {after!r} again.")
        after = following


def aware(value: datetime.datetime) -> datetime.datetime:
    """Return a time with a zone; ChatKit's are naive local ones."""
    return value.astimezone()


def check_id(key: str, most: int) -> None:
    """Refuse an id that no column takes.

    Raises:
        ValueError: If it is too long, or has signs that no text has.
    """
    if not 0 < len(key) <= most or clean(key) != key:
        raise ValueError(f"Its id has not 1 to {most} characters of text.")


def check_depth(row: BaseModel) -> None:
    """Refuse what is nested deeper than the app takes.

    Raises:
        ValueError: If it is.
    """
    try:
        data = row.model_dump()
    except (PydanticSerializationError, RecursionError):
        raise ValueError("It is nested too deep.") from None
    try:
        values.check_depth(data)
    except ValueError as error:
        raise ValueError(f"It is {error}.") from None


def is_known(item: types.ThreadItem) -> bool:
    """Whether the installed ChatKit has items of its type."""
    try:
        item_payloads.ADAPTER.validate_python(item.model_dump())
    except (ValidationError, UnicodeError):
        return False
    return True


def sent(item: types.ThreadItem) -> int:
    """Return how many images an item has as ``data:`` URLs, each once.

    Those in what a person has written are no images of the app's.
    """
    if isinstance(item, types.UserMessageItem):
        return 0
    texts = strings(item.model_dump(mode="json"))
    found = (
        match[1] for each in texts for match in data_urls.DATA_IMAGE.finditer(each)
    )
    return len(set(found))


def owner_of(thread_id: str) -> str | None:
    """Return who has a thread, ``None`` if nobody has."""
    rows = models.Thread.objects.filter(pk=thread_id)
    return rows.values_list("owner", flat=True).first()


def has_item(thread_id: str, item_id: str) -> bool:
    """Whether a thread has an item."""
    rows = models.ThreadItem.objects.filter(thread_id=thread_id, item_id=item_id)
    return rows.exists()


def has_image(thread_id: str, item_id: str) -> bool:
    """Whether an item shows an image that is stored."""
    rows = models.GeneratedImage.objects.filter(thread_id=thread_id)
    return rows.filter(item__item_id=item_id).exists()


def has_file(key: str, owner: str) -> bool:
    """Whether an owner has an attachment."""
    return models.Attachment.objects.for_owner(owner).filter(pk=key).exists()


def date(item: types.ThreadItem, asked: str) -> None:
    """Give the images of an item its time, and the words that they were made from."""
    rows = models.GeneratedImage.objects.filter(
        thread_id=item.thread_id, item__item_id=item.id
    )
    columns: dict[str, Any] = {"created_at": times.to_column(item.created_at)}
    if isinstance(item, types.GeneratedImageItem):
        columns["prompt"] = asked
    rows.update(**columns)
