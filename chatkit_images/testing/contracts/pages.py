"""Pages of threads and of items."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest
from chatkit import types
from chatkit.store import NotFoundError, Store

from .base import Contract
from .samples import SECOND, T0, make_message, make_thread

KINDS = pytest.mark.parametrize("kind", ["threads", "items"])
Load: TypeAlias = Callable[[int, "str | None", str], Awaitable[types.Page[Any]]]


class PagesContract(Contract):
    """Pages hold every row once, whatever happens between them."""

    @KINDS
    @pytest.mark.parametrize("step", [1, 0], ids=["apart", "all at once"])
    async def test_pages_hold_every_row_once_and_in_order(
        self, store: Store[Any], context: Any, kind: str, step: int
    ) -> None:
        load = await self.make_rows(store, context, kind, 0, step)
        assert await load(5, None, "asc") == types.Page()
        load = await self.make_rows(store, context, kind, 7, step)
        rows = [row.id for row in (await load(100, None, "asc")).data]
        expected = [f"row_{n}" for n in range(7)]
        assert (rows if step else sorted(rows)) == expected
        for order, everything in (("asc", rows), ("desc", rows[::-1])):
            for limit in (1, 3, 6, 7, 8):
                after, seen = None, list[str]()
                while True:
                    page = await load(limit, after, order)
                    assert len(page.data) == min(limit, 7 - len(seen))
                    seen += [row.id for row in page.data]
                    assert page.has_more is (len(seen) < 7)
                    assert (page.after is not None) is page.has_more
                    if not page.has_more:
                        break
                    after = page.after
                assert seen == everything, (order, limit)
            # Any row's id is a cursor too.
            for index, key in enumerate(everything):
                page = await load(100, key, order)
                assert [row.id for row in page.data] == everything[index + 1 :]

    @KINDS
    @pytest.mark.parametrize("order", ["asc", "desc"])
    async def test_a_cursor_outlives_its_row_and_new_rows_do_not_shift_pages(
        self, store: Store[Any], context: Any, kind: str, order: str
    ) -> None:
        load = await self.make_rows(store, context, kind, 6, 0)
        everything = [row.id for row in (await load(100, None, order)).data]
        first = await load(2, None, order)
        await self.add_row(store, context, kind, "row_x", T0 - 99 * SECOND)
        await self.add_row(store, context, kind, "row_y", T0 + 99 * SECOND)
        for key in everything[:2]:
            await self.delete_row(store, context, kind, key)
        new = "row_y" if order == "asc" else "row_x"
        for after in (first.after, everything[1]):
            page = await load(100, after, order)
            assert [row.id for row in page.data] == [*everything[2:], new]

    @KINDS
    async def test_an_unknown_cursor_or_anothers_is_not_found(
        self, store: Store[Any], context: Any, other_context: Any, kind: str
    ) -> None:
        load = await self.make_rows(store, context, kind, 2, 1)
        await store.save_thread(make_thread("foreign"), other_context)
        await store.add_thread_item(
            "foreign", make_message("foreign", "foreign"), other_context
        )
        if kind == "items":
            await store.save_thread(make_thread("own"), context)
            await store.add_thread_item("own", make_message("own", "own"), context)
        unknown = ["missing", "", "foreign", "\x00"]
        for after in unknown + ["own"] * (kind == "items"):
            for order in ("asc", "desc"):
                with pytest.raises(NotFoundError):
                    await load(9, after, order)
        await store.delete_thread("foreign", other_context)
        with pytest.raises(NotFoundError):
            await load(9, "foreign", "asc")

    @KINDS
    async def test_limits_are_clamped(
        self, store: Store[Any], context: Any, kind: str
    ) -> None:
        load = await self.make_rows(store, context, kind, 101, 1)
        for limit, expected in ((0, 1), (-1, 1), (1, 1), (101, 100), (10**9, 100)):
            page = await load(limit, None, "asc")
            assert (len(page.data), page.has_more) == (expected, True), limit

    async def make_rows(
        self, store: Store[Any], context: Any, kind: str, count: int, step: int
    ) -> Load:
        """Add rows, some seconds apart, and return what loads a page of them."""
        if kind == "items":
            await store.save_thread(make_thread(), context)
        for n in range(count):
            at = T0 + n * step * SECOND
            await self.add_row(store, context, kind, f"row_{n}", at)

        def load(
            limit: int, after: str | None, order: str
        ) -> Awaitable[types.Page[Any]]:
            if kind == "threads":
                return store.load_threads(limit, after, order, context)
            return store.load_thread_items("thr_1", after, limit, order, context)

        return load

    async def add_row(
        self,
        store: Store[Any],
        context: Any,
        kind: str,
        key: str,
        at: datetime.datetime,
    ) -> None:
        """Add a thread or an item."""
        if kind == "threads":
            await store.save_thread(make_thread(key, created_at=at), context)
        else:
            item = make_message(key, created_at=at)
            await store.add_thread_item("thr_1", item, context)

    async def delete_row(
        self, store: Store[Any], context: Any, kind: str, key: str
    ) -> None:
        """Delete a thread or an item."""
        if kind == "threads":
            await store.delete_thread(key, context)
        else:
            await store.delete_thread_item("thr_1", key, context)
