"""What an import asks of the items of another store, and of the rows here."""

from __future__ import annotations

import datetime
import logging
import re
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

logger = logging.getLogger(__name__)
HTTP = re.compile(r"https?://", re.IGNORECASE)


class StoreFailed(Exception):
    """A store has not given what it has; the message says why."""


async def pages(load: Callable[[str | None], Awaitable[types.Page[Any]]]) -> Any:
    """Yield what is on all pages of a store.

    Raises:
        StoreFailed: If the store raises, or says that there is more and does not say
            where, or has a page again, so that there would be no end.
    """
    after: str | None = None
    asked: set[str | None] = set()
    while True:
        asked.add(after)
        try:
            page = await load(after)
            found, has_more, following = page.data, page.has_more, page.after
        except Exception as error:
            # It is code of the project's, and may raise anything.
            logger.warning("A store that is imported has failed", exc_info=True)
            raise StoreFailed(
                f"The store has raised {type(error).__name__}: {error}"
            ) from error
        for each in found:
            yield each
        if not has_more:
            return
        if not following:
            # Stores of projects leave it out where the last row says it.
            if not found:
                raise StoreFailed(f"The store has nothing after {after!r}, and more.")
            following = found[-1].id
        if following in asked:
            raise StoreFailed(f"The store has the same page after {following!r} again.")
        after = following


def aware(value: datetime.datetime) -> datetime.datetime | None:
    """Return a time with a zone, ``None`` if not every database takes its year.

    ChatKit's times are naive local ones.
    """
    try:
        found = value.astimezone()
    except (OverflowError, ValueError):
        return None
    return found if values.FIRST <= found.year <= values.LAST else None


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


def is_elsewhere(item: types.ThreadItem) -> bool:
    """Whether an item has its image at a URL."""
    if not isinstance(item, types.GeneratedImageItem) or item.image is None:
        return False
    return HTTP.match(item.image.url) is not None


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
