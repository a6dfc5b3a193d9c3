"""How the SDK calls a store, and for which owner."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable
from typing import Any

import pytest
from chatkit import types
from chatkit.store import NotFoundError, Store, StoreItemType

from .base import ID, Contract
from .samples import make_attachment, make_message, make_thread


class CallsContract(Contract):
    """Signatures and ids."""

    async def test_parameters_keep_the_names_that_the_sdk_uses(
        self, store: Store[Any]
    ) -> None:
        for name in Store.__abstractmethods__:
            ours = inspect.signature(getattr(store, name)).parameters
            sdks = list(inspect.signature(getattr(Store, name)).parameters)[1:]
            assert list(ours)[: len(sdks)] == sdks, name

    @pytest.mark.parametrize("by", ["position", "keyword"])
    async def test_every_method_is_called_by_position_and_by_keyword(
        self, store: Store[Any], context: Any, by: str
    ) -> None:
        thread, item, attachment = make_thread(), make_message(), make_attachment()
        page = {"limit": 9, "after": None, "order": "asc"}
        steps: list[tuple[str, dict[str, Any]]] = [
            ("save_thread", {"thread": thread}),
            ("load_thread", {"thread_id": thread.id}),
            ("load_threads", page),
            ("add_thread_item", {"thread_id": thread.id, "item": item}),
            ("save_item", {"thread_id": thread.id, "item": item}),
            ("load_item", {"thread_id": thread.id, "item_id": item.id}),
            ("load_thread_items", {"thread_id": thread.id} | page),
            ("save_attachment", {"attachment": attachment}),
            ("load_attachment", {"attachment_id": attachment.id}),
            ("delete_attachment", {"attachment_id": attachment.id}),
            ("delete_thread_item", {"thread_id": thread.id, "item_id": item.id}),
            ("delete_thread", {"thread_id": thread.id}),
        ]
        found = {}
        for name, given in steps:
            method, given = getattr(store, name), given | {"context": context}
            if by == "keyword":
                found[name] = await method(**given)
            else:
                order = list(inspect.signature(getattr(Store, name)).parameters)[1:]
                found[name] = await method(*(given[key] for key in order))
        assert set(found) == Store.__abstractmethods__
        assert {name: value for name, value in found.items() if value is not None} == {
            "load_thread": thread,
            "load_threads": types.Page(data=[thread]),
            "load_item": item,
            "load_thread_items": types.Page(data=[item]),
            "load_attachment": attachment,
        }

    async def test_ids_are_random_and_of_128_bits(
        self, store: Store[Any], context: Any
    ) -> None:
        thread = make_thread()
        ids = [store.generate_thread_id(context) for _ in range(3000)]
        for item_type in typing.get_args(StoreItemType):
            ids += [
                store.generate_item_id(item_type, thread, context) for _ in range(1000)
            ]
        assert len(ids) == len(set(ids)) == 10_000
        assert [key for key in ids if not ID.fullmatch(key)] == []


class OwnersContract(Contract):
    """Rows of another owner do not exist."""

    @pytest.mark.parametrize("whose", ["nobody's", "another's"])
    async def test_what_is_missing_or_anothers_is_not_found(
        self, store: Store[Any], context: Any, other_context: Any, whose: str
    ) -> None:
        if whose == "another's":
            await self.fill(store, other_context)
        calls: list[Awaitable[Any]] = [
            store.load_thread("thr_1", context),
            store.delete_thread("thr_1", context),
            store.load_thread_items("thr_1", None, 9, "asc", context),
            store.load_item("thr_1", "msg_1", context),
            store.add_thread_item("thr_1", make_message(text="Stolen"), context),
            store.save_item("thr_1", make_message(text="Stolen"), context),
            store.delete_thread_item("thr_1", "msg_1", context),
            store.load_attachment("atc_1", context),
        ]
        for call in calls:
            with pytest.raises(NotFoundError):
                await call
        if whose == "another's":
            await self.check_untouched(store, other_context)

    @pytest.mark.parametrize("whose", ["nobody's", "another's"])
    async def test_deleting_an_attachment_that_is_missing_or_anothers_does_nothing(
        self, store: Store[Any], context: Any, other_context: Any, whose: str
    ) -> None:
        # ChatKit calls this also after an attachment store that has no rows.
        if whose == "another's":
            await self.fill(store, other_context)
        await store.delete_attachment("atc_1", context)
        await store.delete_attachment("atc_\x00", context)
        if whose == "another's":
            await self.check_untouched(store, other_context)

    async def test_what_is_anothers_is_not_overwritten(
        self, store: Store[Any], context: Any, other_context: Any
    ) -> None:
        await self.fill(store, other_context)
        calls: list[Awaitable[None]] = [
            store.save_thread(make_thread(title="Stolen"), context),
            store.save_attachment(make_attachment(), context),
            store.save_attachment(make_attachment("atc_2", "thr_1"), context),
            store.save_attachment(make_attachment("atc_3", "missing"), context),
        ]
        for call in calls:
            with pytest.raises(NotFoundError):
                await call
        await self.check_untouched(store, other_context)
        page = await store.load_threads(9, None, "asc", context)
        assert page == types.Page(data=[], has_more=False, after=None)

    async def test_a_missing_item_of_ones_own_thread_is_not_found(
        self, store: Store[Any], context: Any
    ) -> None:
        await store.save_thread(make_thread(), context)
        for key in ("msg_9", "msg_\x00", ""):
            with pytest.raises(NotFoundError):
                await store.load_item("thr_1", key, context)
            with pytest.raises(NotFoundError):
                await store.load_thread(key, context)
            with pytest.raises(NotFoundError):
                await store.load_attachment(key, context)
            await store.delete_thread_item("thr_1", key, context)

    async def test_two_owners_may_have_equal_item_ids(
        self, store: Store[Any], context: Any, other_context: Any
    ) -> None:
        for key, who in (("thr_1", context), ("thr_2", other_context)):
            await store.save_thread(make_thread(key), who)
            await store.add_thread_item(key, make_message("m", key, text=key), who)
        for key, who in (("thr_1", context), ("thr_2", other_context)):
            item = await store.load_item(key, "m", who)
            assert item == make_message("m", key, text=key)
        await store.delete_thread_item("thr_1", "m", context)
        assert await store.load_item("thr_2", "m", other_context) is not None
