"""Threads, items and attachments' metadata in the project's database."""

from __future__ import annotations

import secrets

from chatkit import types
from chatkit.store import Store, StoreItemType

from . import database, inline_images
from .context import RequestContext
from .contexts import given_to
from .queries import attachments, items, threads
from .queries.inline_rows import Unstored

ID_PREFIXES: dict[StoreItemType, str] = {
    "thread": "thr",
    "message": "msg",
    "tool_call": "tc",
    "workflow": "wf",
    "task": "tsk",
    "attachment": "atc",
    "sdk_hidden_context": "shcx",
}


def generate_id(item_type: StoreItemType) -> str:
    """Return a new id of 128 random bits; ChatKit's own have 32."""
    return f"{ID_PREFIXES[item_type]}_{secrets.token_hex(16)}"


class DjangoStore(Store[RequestContext]):
    """ChatKit's ``Store`` on Django's ORM.

    Every method sees only what belongs to ``context.owner`` and raises
    ``NotFoundError`` for the rest, and ``TypeError`` for a context of another kind.
    Override ``generate_thread_id`` and ``generate_item_id`` for ids of another form.

    Attributes:
        keeps_foreign_urls: Whether an image item keeps a URL of another host, which a
            converter of the project's own has uploaded it to. By default no URL is
            stored, as most expire, and a warning in the log says that one was left out.
    """

    keeps_foreign_urls = False

    def generate_thread_id(self, context: RequestContext) -> str:
        """Return a new thread id."""
        return generate_id("thread")

    def generate_item_id(
        self,
        item_type: StoreItemType,
        thread: types.ThreadMetadata,
        context: RequestContext,
    ) -> str:
        """Return a new item id."""
        return generate_id(item_type)

    async def load_thread(
        self, thread_id: str, context: RequestContext
    ) -> types.ThreadMetadata:
        """Return a thread's metadata."""
        row = await database.call(threads.get, thread_id, given_to(self, context))
        return threads.to_thread(row)

    async def save_thread(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> None:
        """Insert a thread, or update those of its values that changed."""
        await database.call(threads.save, thread, given_to(self, context))
        threads.remember(thread)

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: RequestContext
    ) -> types.Page[types.ThreadMetadata]:
        """Return a page of the owner's threads, 1 to 100 of them."""
        return await database.call(
            threads.load_page, limit, after, order, given_to(self, context)
        )

    async def delete_thread(self, thread_id: str, context: RequestContext) -> None:
        """Delete a thread with its items, images and attachments."""
        await database.call(threads.delete, thread_id, given_to(self, context))

    async def load_thread_items(
        self,
        thread_id: str,
        after: str | None,
        limit: int,
        order: str,
        context: RequestContext,
    ) -> types.Page[types.ThreadItem]:
        """Return a page of a thread's items, 1 to 100 of them."""
        return await database.call(
            items.load_page, thread_id, after, limit, order, given_to(self, context)
        )

    async def load_visible_items(
        self,
        thread_id: str,
        after: str | None,
        limit: int,
        order: str,
        context: RequestContext,
    ) -> types.Page[types.ThreadItem]:
        """Return a full page of what the client may see: no hidden context."""
        return await database.call(
            items.load_page,
            thread_id,
            after,
            limit,
            order,
            given_to(self, context),
            hidden=False,
        )

    async def load_item(
        self, thread_id: str, item_id: str, context: RequestContext
    ) -> types.ThreadItem:
        """Return one item."""
        return await database.call(
            items.load, thread_id, item_id, given_to(self, context)
        )

    async def load_newest_message(
        self, thread_id: str, context: RequestContext
    ) -> types.UserMessageItem | None:
        """Return what the person has written last in a thread, if anything."""
        return await database.call(
            items.load_newest_message, thread_id, given_to(self, context)
        )

    async def add_thread_item(
        self, thread_id: str, item: types.ThreadItem, context: RequestContext
    ) -> None:
        """Insert an item, or update the item of that id in its place."""
        await self._save(thread_id, item, context)

    async def save_item(
        self, thread_id: str, item: types.ThreadItem, context: RequestContext
    ) -> None:
        """Update an item, or insert it."""
        await self._save(thread_id, item, context)

    async def _save(
        self, thread_id: str, item: types.ThreadItem, context: RequestContext
    ) -> None:
        given_to(self, context)
        foreign = self.keeps_foreign_urls
        try:
            await database.call(
                items.save, thread_id, item, context, inline=None, foreign=foreign
            )
        except Unstored as found:
            stored = await inline_images.store(thread_id, found.images, context)
            await database.call(
                items.save, thread_id, item, context, inline=stored, foreign=foreign
            )

    async def delete_thread_item(
        self, thread_id: str, item_id: str, context: RequestContext
    ) -> None:
        """Delete an item, if it is there; its images stay as superseded versions."""
        await database.call(items.delete, thread_id, item_id, given_to(self, context))

    async def delete_items_after(
        self, thread_id: str, item_id: str, context: RequestContext
    ) -> None:
        """Delete what follows an item, in one transaction, as a retry does.

        Raises:
            NotFoundError: If the item is not there any more.
        """
        await database.call(
            items.delete_after, thread_id, item_id, given_to(self, context)
        )

    async def save_attachment(
        self, attachment: types.Attachment, context: RequestContext
    ) -> None:
        """Insert or update an attachment's metadata."""
        context = given_to(self, context)
        url = str(getattr(attachment, "preview_url", ""))
        thumbnail = await inline_images.store_preview(url)
        await database.call(attachments.save, attachment, context, thumbnail)

    async def load_attachment(
        self, attachment_id: str, context: RequestContext
    ) -> types.Attachment:
        """Return an attachment's metadata."""
        row = await database.call(
            attachments.get, attachment_id, given_to(self, context)
        )
        return attachments.to_attachment(row, context)

    async def delete_attachment(
        self, attachment_id: str, context: RequestContext
    ) -> None:
        """Delete an attachment with its files, if the owner has it.

        A project's own attachment store may know attachments that have no row here.
        """
        await database.call(attachments.delete, attachment_id, given_to(self, context))
