"""Items and attachments."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from chatkit import types
from chatkit.store import NotFoundError, Store

from .base import Contract
from .samples import (
    SECOND,
    T0,
    UNIONS,
    make_attachments,
    make_message,
    make_thread,
    members,
    models_in,
    sample_items,
)


class ItemsContract(Contract):
    """Items of every type come back as they were saved."""

    async def test_items_of_every_type_come_back_equal(
        self, store: Store[Any], context: Any
    ) -> None:
        items = await self.make_samples(store, context)
        found = set(models_in(items))
        for name, union in UNIONS.items():
            missing = [member.__name__ for member in members(union) - found]
            assert missing == [], f"The samples lack these members of {name}."
        for item in items:
            await store.add_thread_item("thr_1", item, context)
            assert await store.load_item("thr_1", item.id, context) == item
        for item in items:
            # A loaded item can be saved again.
            loaded = await store.load_item("thr_1", item.id, context)
            await store.save_item("thr_1", loaded, context)
        page = await store.load_thread_items("thr_1", None, 100, "asc", context)
        assert page.data == items

    async def test_an_item_is_inserted_and_then_updated_in_its_place(
        self, store: Store[Any], context: Any
    ) -> None:
        for thread_id, save in (("t1", store.add_thread_item), ("t2", store.save_item)):
            await store.save_thread(make_thread(thread_id), context)
            first, second = (make_message(key, thread_id) for key in "ab")
            # The first created_at stays: the SDK stamps a message twice.
            again = make_message("a", thread_id, "Anew", created_at=T0 + 9 * SECOND)
            for item in (first, second, again):
                await save(thread_id, item, context)
            page = await store.load_thread_items(thread_id, None, 9, "asc", context)
            assert page.data == [make_message("a", thread_id, "Anew"), second]

    async def test_deleting_an_item_twice_is_fine(
        self, store: Store[Any], context: Any
    ) -> None:
        await self.fill(store, context)
        for _ in range(2):
            await store.delete_thread_item("thr_1", "msg_1", context)
        with pytest.raises(NotFoundError):
            await store.load_item("thr_1", "msg_1", context)

    async def test_any_text_is_kept(self, store: Store[Any], context: Any) -> None:
        texts = [
            "\x00",
            "a\x00\x01\x1b\x7f\ufffe",
            "🦊🏳️‍🌈ﷺ",
            "ü" * 100_000,
            "/a" * 50_000,
            "https://" * 12_500,
            "data:image/png;base64, " * 4_500,
            "![" * 50_000,
        ]
        for n, text in enumerate(texts):
            # A database may be unable to hold NUL.
            kept = {text, text.replace("\x00", "\ufffd"), text.replace("\x00", "")}
            key = f"thr_{n}"
            await store.save_thread(make_thread(key, metadata={"t": text}), context)
            assert (await store.load_thread(key, context)).metadata["t"] in kept
            await store.add_thread_item(key, make_message("m", key, text), context)
            item = await store.load_item(key, "m", context)
            assert isinstance(item, types.AssistantMessageItem)
            assert item.content[0].text in kept

    async def test_a_long_title_is_kept_or_cut(
        self, store: Store[Any], context: Any
    ) -> None:
        title = "Füchse 🦊 " * 500
        thread = make_thread(title=title)
        await store.save_thread(thread, context)
        loaded = await store.load_thread("thr_1", context)
        assert loaded.title and title.startswith(loaded.title)
        thread.metadata = {"a": 1}
        await store.save_thread(thread, context)
        assert (await store.load_thread("thr_1", context)).title == loaded.title

    async def test_times_come_back_naive_and_local(
        self, store: Store[Any], context: Any
    ) -> None:
        for hours in (-11, 0, 5.5):
            zone = datetime.timezone(datetime.timedelta(hours=hours))
            aware = datetime.datetime(2026, 7, 1, 23, 59, 59, 999999, zone)
            # The SDK subtracts them from datetime.now().
            local = aware.astimezone().replace(tzinfo=None)
            for value in (aware, local):
                key = f"thr_{value.isoformat()}"
                await store.save_thread(make_thread(key, created_at=value), context)
                item = make_message("m", key, created_at=value)
                await store.add_thread_item(key, item, context)
                for loaded in (
                    await store.load_thread(key, context),
                    await store.load_item(key, "m", context),
                ):
                    at = loaded.created_at
                    assert (at, at.tzinfo) == (local, None), value

    async def test_attachments_are_inserted_and_updated(
        self, store: Store[Any], context: Any
    ) -> None:
        await store.save_thread(make_thread(), context)
        for attachment in make_attachments(None):
            await store.save_attachment(attachment, context)
            assert await store.load_attachment(attachment.id, context) == attachment
        for attachment in make_attachments("thr_1"):
            await store.save_attachment(attachment, context)
            assert await store.load_attachment(attachment.id, context) == attachment

    async def make_samples(
        self, store: Store[Any], context: Any
    ) -> list[types.ThreadItem]:
        """Save a thread and attachments and return items that are in no store yet."""
        await store.save_thread(make_thread(), context)
        attachments = make_attachments("thr_1")
        for attachment in attachments:
            await store.save_attachment(attachment, context)
        image = await self.make_image(make_thread(), context)
        return sample_items("thr_1", attachments, image)
