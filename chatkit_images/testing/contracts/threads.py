"""Threads: values, stale copies, deletion."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from chatkit import types
from chatkit.store import NotFoundError, Store

from .base import Contract
from .samples import SECOND, T0, make_message, make_thread


class ThreadsContract(Contract):
    """Threads come back as they were saved."""

    async def test_threads_come_back_equal(
        self, store: Store[Any], context: Any
    ) -> None:
        several: list[dict[str, Any]] = [
            {},
            {"title": ""},
            {"title": "Füchse 🦊"},
            {"status": {"type": "locked", "reason": "Paused"}},
            {"status": {"type": "locked"}},
            {"status": {"type": "closed", "reason": ""}},
            {"allowed_image_domains": []},
            {"allowed_image_domains": ["example.com"]},
            {"metadata": {"none": None, "deep": {"list": [1, 1.5, None, "🦊"]}}},
        ]
        threads = [
            make_thread(f"thr_{n}", created_at=T0 + n * SECOND, **fields)
            for n, fields in enumerate(several)
        ]
        for thread in threads:
            await store.save_thread(thread, context)
            assert await store.load_thread(thread.id, context) == thread
        page = await store.load_threads(99, None, "asc", context)
        assert page.data == threads

    async def test_metadata_is_kept_as_json_keeps_it(
        self, store: Store[Any], context: Any
    ) -> None:
        metadata = {"deep": {1: "one", "pair": (1, 2), "half": "\ud83e"}}
        await store.save_thread(make_thread(metadata=metadata), context)
        deep = (await store.load_thread("thr_1", context)).metadata["deep"]
        assert (deep["1"], deep["pair"]) == ("one", [1, 2])

    async def test_saving_a_thread_again_updates_it(
        self, store: Store[Any], context: Any
    ) -> None:
        await store.save_thread(make_thread(title="Old", metadata={"a": 1}), context)
        new = make_thread(title="New", metadata={"b": 2}, status={"type": "closed"})
        await store.save_thread(new, context)
        assert await store.load_thread("thr_1", context) == new
        assert len((await store.load_threads(9, None, "asc", context)).data) == 1

    async def test_a_thread_with_items_saves_its_metadata_only(
        self, store: Store[Any], context: Any
    ) -> None:
        full = types.Thread(
            **make_thread(title="Full").model_dump(),
            items=types.Page(data=[make_message()]),
        )
        await store.save_thread(full, context)
        loaded = await store.load_thread("thr_1", context)
        assert type(loaded) is types.ThreadMetadata
        assert loaded == make_thread(title="Full")
        page = await store.load_thread_items("thr_1", None, 9, "asc", context)
        assert page.data == []

    @pytest.mark.parametrize("copied", [False, True], ids=["itself", "a deep copy"])
    async def test_a_stale_title_does_not_undo_a_rename(
        self, store: Store[Any], context: Any, copied: bool
    ) -> None:
        await store.save_thread(make_thread(title="Old"), context)
        stale = await store.load_thread("thr_1", context)
        # The SDK compares a thread with a copy and saves either of them.
        stale = stale.model_copy(deep=True) if copied else stale
        other = copy.copy(context) if copied else context
        renamed = await store.load_thread("thr_1", other)
        renamed.title = "New"
        await store.save_thread(renamed, other)

        stale.metadata["seen"] = True
        await store.save_thread(stale, context)
        stale.status = types.LockedStatus(reason="Paused")
        await store.save_thread(stale, context)

        loaded = await store.load_thread("thr_1", context)
        assert loaded.title == "New"
        assert loaded.metadata == {"seen": True}
        assert loaded.status == types.LockedStatus(reason="Paused")

    async def test_a_deleted_thread_does_not_come_back(
        self, store: Store[Any], context: Any
    ) -> None:
        saved = make_thread()
        await store.save_thread(saved, context)
        loaded = await store.load_thread("thr_1", context)
        (listed,) = (await store.load_threads(9, None, "asc", context)).data
        await store.delete_thread("thr_1", context)
        for stale in (saved, loaded, listed, loaded.model_copy(deep=True)):
            stale.title = "Back"
            with pytest.raises(NotFoundError):
                await store.save_thread(stale, context)
            with pytest.raises(NotFoundError):
                await store.load_thread("thr_1", context)

    async def test_a_thread_is_deleted_with_its_items(
        self, store: Store[Any], context: Any
    ) -> None:
        await self.fill(store, context)
        await store.delete_thread("thr_1", context)
        await store.save_thread(make_thread(), context)
        page = await store.load_thread_items("thr_1", None, 9, "asc", context)
        assert page.data == []
        with pytest.raises(NotFoundError):
            await store.load_item("thr_1", "msg_1", context)
