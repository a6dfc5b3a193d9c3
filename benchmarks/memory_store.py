"""The store of the variants that have no database."""

from __future__ import annotations

from collections import defaultdict

from chatkit import types
from chatkit.store import NotFoundError, Store


class MemoryStore(Store[None]):
    """Threads and items in dictionaries: the least that a turn needs."""

    def __init__(self) -> None:
        self._threads: dict[str, types.ThreadMetadata] = {}
        self._items: dict[str, dict[str, types.ThreadItem]] = defaultdict(dict)

    async def load_thread(self, thread_id: str, context: None) -> types.ThreadMetadata:
        """Return a thread."""
        return self._threads[thread_id]

    async def save_thread(self, thread: types.ThreadMetadata, context: None) -> None:
        """Keep a thread."""
        self._threads[thread.id] = thread

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: None
    ) -> types.Page[types.ThreadItem]:
        """Return all items; no thread here is longer than a page."""
        items = list(self._items[thread_id].values())
        return types.Page(data=items[::-1] if order == "desc" else items)

    async def add_thread_item(
        self, thread_id: str, item: types.ThreadItem, context: None
    ) -> None:
        """Keep an item."""
        self._items[thread_id][item.id] = item

    save_item = add_thread_item

    async def load_item(
        self, thread_id: str, item_id: str, context: None
    ) -> types.ThreadItem:
        """Return an item."""
        return self._items[thread_id][item_id]

    async def delete_thread_item(
        self, thread_id: str, item_id: str, context: None
    ) -> None:
        """Forget an item."""
        self._items[thread_id].pop(item_id, None)

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: None
    ) -> types.Page[types.ThreadMetadata]:
        """Return all threads."""
        return types.Page(data=list(self._threads.values()))

    async def delete_thread(self, thread_id: str, context: None) -> None:
        """Forget a thread."""
        self._threads.pop(thread_id, None)

    async def save_attachment(
        self, attachment: types.Attachment, context: None
    ) -> None:
        """Refuse: no message here has one."""
        raise NotImplementedError

    async def load_attachment(
        self, attachment_id: str, context: None
    ) -> types.Attachment:
        """Find none."""
        raise NotFoundError(attachment_id)

    async def delete_attachment(self, attachment_id: str, context: None) -> None:
        """Find none."""
        raise NotFoundError(attachment_id)
