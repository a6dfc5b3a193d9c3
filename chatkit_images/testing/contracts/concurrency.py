"""Many writers at once."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest
from chatkit.store import NotFoundError, Store

from .base import Contract
from .samples import make_message, make_thread


class ConcurrencyContract(Contract):
    """Nothing fails or is lost when writers meet."""

    async def test_an_item_added_many_times_at_once_is_one(
        self, store: Store[Any], context: Any
    ) -> None:
        await store.save_thread(make_thread(), context)
        done = await self.concurrently(
            *(
                store.add_thread_item("thr_1", make_message(text=str(n)), context)
                for n in range(20)
            )
        )
        assert done == [None] * 20
        page = await store.load_thread_items("thr_1", None, 9, "asc", context)
        assert [item.id for item in page.data] == ["msg_1"]

    async def test_threads_are_written_in_parallel(
        self, store: Store[Any], context: Any
    ) -> None:
        async def write(key: str) -> None:
            await store.save_thread(make_thread(key), context)
            for n in range(20):
                await store.add_thread_item(key, make_message(f"m{n}", key), context)

        keys = [f"thr_{n}" for n in range(8)]
        assert await self.concurrently(*(write(key) for key in keys)) == [None] * 8
        for key in keys:
            page = await store.load_thread_items(key, None, 100, "asc", context)
            assert [item.id for item in page.data] == [f"m{n}" for n in range(20)]

    async def test_a_thread_deleted_under_its_writers_is_gone(
        self, store: Store[Any], context: Any
    ) -> None:
        await store.save_thread(make_thread(), context)
        calls: list[Coroutine[Any, Any, Any]] = [
            store.add_thread_item("thr_1", make_message(f"m{n % 6}"), context)
            for n in range(12)
        ]
        calls.insert(6, store.delete_thread("thr_1", context))
        done = await self.concurrently(*calls)
        assert done[6] is None
        failed = [error for error in done if error is not None]
        assert [e for e in failed if not isinstance(e, NotFoundError)] == []
        with pytest.raises(NotFoundError):
            await store.load_thread("thr_1", context)
