"""The import of what any ``chatkit.store.Store`` has."""

from __future__ import annotations

import base64
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from chatkit import types
from chatkit.store import Store
from django.db import DataError, IntegrityError
from pydantic import AnyUrl

from .. import database, imaging, inline_images
from ..cleaning import clean
from ..context import RequestContext
from ..contexts import task_of
from ..exceptions import FetchFailed, ImageError, NotFoundError, RequestRefused
from ..fetching import fetch_image
from ..queries import attachments, items, threads
from ..queries.inline_rows import Unstored
from . import store_rows
from .imported import Imported, Refusal
from .places import Tenancy

# Rows of one page that a store is asked for.
PAGE = 100
# What ids of other stores must fit into.
THREAD_ID, ITEM_ID = 64, 255
REFUSED = (DataError, IntegrityError, NotFoundError, RequestRefused, ValueError)
Fetch = Callable[[str], Awaitable[bytes]]


async def import_store(
    store: Store[Any],
    people: AsyncIterator[Tenancy],
    *,
    dry_run: bool = False,
    fetch: bool = False,
    fetcher: Fetch = fetch_image,
    tell: Callable[[Refusal], None] | None = None,
) -> Imported:
    """Give the threads of another store to owners, each item in its place.

    Ids, order and times are kept. Images that items have as ``data:`` URLs are checked
    and stored, as those that a project's code brings. What is there already stays as it
    is, so an import that was killed can be repeated.

    Args:
        store: The store.
        people: Whose threads it has, and who gets them.
        dry_run: Whether to write nothing. Images are not looked at then.
        fetch: Whether images at ``http`` URLs are read and stored. Otherwise they are
            noted, and their items have no image.
        fetcher: Reads an image from a URL. Default: ``fetching.fetch_image``, which
            opens public addresses only.
        tell: Is called with each refusal.

    Raises:
        TooManyRefused: If thousands of items are refused.
        StorageUnavailable: If neither storage nor spool takes an image.
        Exception: Whatever ``people`` raises. What was imported stays. If the store
            raises, what it does not give is refused, and the rest is imported.
    """
    done = Imported(tell=tell)
    async for theirs, ours in people:
        async with task_of(ours):
            reader = _Reader(store, theirs, ours, done, dry_run)
            reader.fetch = fetcher if fetch else None
            await reader.run()
    return done


class _Reader:
    """Reads the threads of one context, and gives them to one owner."""

    fetch: Fetch | None = None

    def __init__(
        self,
        store: Store[Any],
        theirs: Any,
        ours: RequestContext,
        done: Imported,
        dry_run: bool,
    ) -> None:
        self.store, self.theirs, self.ours = store, theirs, ours
        self.done, self.dry_run = done, dry_run
        self.asked = ""

    async def run(self) -> None:
        """Import all threads, as far as the store gives them, the oldest first."""
        try:
            await self._threads()
        except store_rows.StoreFailed as error:
            place = f"owner {self.ours.owner[:100]!r}"
            self.done.refuse("thread", Refusal(place, "further threads", str(error)))

    async def _threads(self) -> None:
        load, theirs = self.store.load_threads, self.theirs
        async for thread in store_rows.pages(
            lambda after: load(PAGE, after, "asc", theirs)
        ):
            try:
                is_new = await self._thread(thread)
            except REFUSED as error:
                self._refuse("thread", thread.id, error)
                continue
            self._count("thread", is_new=is_new)
            try:
                await self._items(thread)
            except store_rows.StoreFailed as error:
                place = f"thread {thread.id!r}"
                self.done.refuse("item", Refusal(place, "further items", str(error)))

    async def _thread(self, thread: types.ThreadMetadata) -> bool:
        store_rows.check_id(thread.id, THREAD_ID)
        store_rows.check_depth(thread)
        if store_rows.aware(thread.created_at) is None:
            raise ValueError("Its time is in no year of this app's.")
        whose = await database.call(store_rows.owner_of, thread.id)
        if whose is not None and whose != self.ours.owner:
            raise ValueError("Its id is that of another owner's.")
        if whose is None and not self.dry_run:
            await database.call(threads.insert, thread, self.ours)
        return whose is None

    async def _items(self, thread: types.ThreadMetadata) -> None:
        load = self.store.load_thread_items
        key, self.asked = thread.id, ""
        newest: datetime.datetime | None = None
        begun = thread.created_at.astimezone()  # Its year has been looked at.
        async for item in store_rows.pages(
            lambda after: load(key, after, PAGE, "asc", self.theirs)
        ):
            # The order of the store is what people saw; times may be those of clocks
            # that differ, or none at all.
            at = store_rows.aware(item.created_at) or newest or begun
            newest = at if newest is None else max(newest, at)
            item = item.model_copy(update={"created_at": newest, "thread_id": key})
            if isinstance(item, types.UserMessageItem):
                texts = (getattr(each, "text", "") for each in item.content)
                self.asked = clean("".join(texts))
            try:
                is_new = await self._item(item)
            except REFUSED as error:
                self._refuse("item", item.id, error, thread.id)
            else:
                self._count("item", is_new=is_new)

    async def _item(self, item: types.ThreadItem) -> bool:
        store_rows.check_id(item.id, ITEM_ID)
        store_rows.check_depth(item)
        if not store_rows.is_known(item):
            raise ValueError(f"The installed ChatKit has no such {item.type!r}.")
        if await database.call(store_rows.has_item, item.thread_id, item.id):
            # Whoever did not fetch at first may do so later.
            if self.fetch is None or not store_rows.is_elsewhere(item):
                return False
            if await database.call(store_rows.has_image, item.thread_id, item.id):
                return False
        if isinstance(item, types.UserMessageItem):
            for attachment in item.attachments:
                await self._attachment(attachment, item)
        item = await self._with_image(item)
        if not self.dry_run:
            await self._save(item)
        return True

    async def _save(self, item: types.ThreadItem) -> None:
        """Write an item as ``DjangoStore`` does, and see what became of its images."""
        key, ours, stored = item.thread_id, self.ours, 0
        try:
            await database.call(items.save, key, item, ours, inline=None)
        except Unstored as found:
            rows = await inline_images.store(key, found.images, ours)
            stored = sum(row is not None for row in rows.values())
            await database.call(items.save, key, item, ours, inline=rows)
            await database.call(store_rows.date, item, self.asked)
        lost = store_rows.sent(item) - stored
        if lost > 0:
            why = f"{lost} of its images are no image files that this project accepts."
            self._note("item", item, why)

    async def _with_image(self, item: types.ThreadItem) -> types.ThreadItem:
        """Return an item whose image is a ``data:`` URL, if it is to be fetched."""
        if not isinstance(item, types.GeneratedImageItem) or item.image is None:
            return item
        if not store_rows.HTTP.match(item.image.url):
            return item
        if self.fetch is None:
            self._note("item", item, "Its image is at a URL, which is not fetched.")
            return item
        data = await self._fetched(item.image.url, item)
        if data is None:
            return item
        image = item.image.model_copy(update={"url": data})
        return item.model_copy(update={"image": image})

    async def _fetched(self, url: str, item: types.ThreadItem) -> str | None:
        """Return what is at a URL as a ``data:`` URL, ``None`` if it is no image."""
        if self.dry_run or self.fetch is None:
            return None
        try:
            data = await self.fetch(url)
            mime, _ = imaging.sniff(data)
        except (FetchFailed, ImageError) as error:
            self._note("item", item, f"Its image cannot be fetched: {error}")
            return None
        return f"data:{mime};base64,{base64.b64encode(data).decode()}"

    async def _attachment(
        self, attachment: types.Attachment, item: types.ThreadItem
    ) -> None:
        """Keep what is known of a file; its bytes are with whoever has taken them."""
        try:
            store_rows.check_id(attachment.id, THREAD_ID)
            store_rows.check_depth(attachment)
            if await database.call(store_rows.has_file, attachment.id, self.ours.owner):
                self._count("attachment", is_new=False)
                return
            url = str(getattr(attachment, "preview_url", ""))
            if store_rows.HTTP.match(url) and self.fetch is not None:
                fetched = await self._fetched(url, item)
                update = {"preview_url": AnyUrl(fetched)} if fetched else {}
                attachment = attachment.model_copy(update=update)
                url = fetched or url
            if not self.dry_run:
                thumbnail = await inline_images.store_preview(url)
                attachment = attachment.model_copy(
                    update={"thread_id": item.thread_id, "upload_descriptor": None}
                )
                await database.call(attachments.save, attachment, self.ours, thumbnail)
        except REFUSED as error:
            self._refuse("attachment", attachment.id, error, item.thread_id)
        else:
            self._count("attachment", is_new=True)

    def _count(self, kind: str, *, is_new: bool) -> None:
        (self.done.new if is_new else self.done.there)[kind] += 1

    def _refuse(self, kind: str, key: str, error: Exception, thread: str = "") -> None:
        why = getattr(error, "message", "") or str(error)
        place = f"thread {(thread or key)[:100]!r}"
        self.done.refuse(kind, Refusal(place, f"{kind} {key[:100]!r}", why[:500]))

    def _note(self, kind: str, item: types.ThreadItem, why: str) -> None:
        place = f"thread {item.thread_id[:100]!r}"
        self.done.note(kind, Refusal(place, f"{kind} {item.id[:100]!r}", why[:500]))
