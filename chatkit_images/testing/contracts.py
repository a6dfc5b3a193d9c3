"""What every ``chatkit.store.Store`` must do, as tests to subclass.

It needs pytest and pytest-asyncio; neither Django nor this app's models::

    from chatkit_images.testing.contracts import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self): ...
        @pytest.fixture
        def context(self): ...
        @pytest.fixture
        def other_context(self): ...
"""

from __future__ import annotations

import asyncio
import copy
import datetime
import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeAlias

import pytest
from chatkit import types
from chatkit.store import AttachmentStore, NotFoundError, Store, StoreItemType
from chatkit.widgets import Button, Card, Col, Image, Row, Text
from pydantic import BaseModel, TypeAdapter

T0 = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901)
SECOND = datetime.timedelta(seconds=1)
ID = re.compile(r"[a-z]{2,5}_[0-9a-zA-Z]{22,40}")
KINDS = pytest.mark.parametrize("kind", ["threads", "items"])
Load: TypeAlias = Callable[[int, "str | None", str], Awaitable[types.Page[Any]]]

#: Unions of the SDK each of whose members the samples must contain.
UNIONS = {
    "ThreadItem": types.ThreadItem,
    "Attachment": types.Attachment,
    "UserMessageContent": types.UserMessageContent,
    "Source": types.Source,
    "StructuredInput": types.StructuredInput,
    "Task": types.Task,
    "WorkflowSummary": types.WorkflowSummary,
}


def make_thread(key: str = "thr_1", **fields: Any) -> types.ThreadMetadata:
    """Return a thread that no store has seen."""
    return types.ThreadMetadata.model_validate({"id": key, "created_at": T0} | fields)


def make_message(
    key: str = "msg_1", thread_id: str = "thr_1", text: str = "Hello", **fields: Any
) -> types.AssistantMessageItem:
    """Return an assistant's message."""
    content = [types.AssistantMessageContent(text=text)]
    base = {"id": key, "thread_id": thread_id, "created_at": T0, "content": content}
    return types.AssistantMessageItem.model_validate(base | fields)


def make_attachment(
    key: str = "atc_1", thread_id: str | None = None
) -> types.FileAttachment:
    """Return an attachment without a file."""
    return types.FileAttachment(
        id=key, name="notes.txt", mime_type="text/plain", thread_id=thread_id
    )


def sample_items(
    thread_id: str,
    attachments: list[types.Attachment],
    image: types.GeneratedImage,
) -> list[types.ThreadItem]:
    """Return items of every type that the SDK has, with every field filled."""
    url = types.URLSource(
        title="Foxes", url="https://example.com/fox?a=1&b=ü#x", attribution="A",
        description="d", timestamp="2026-01-02", group="g",
    )  # fmt: skip
    file = types.FileSource(title="F", filename="fox.pdf", description="d")
    entity = types.EntitySource(
        title="E", id="e1", icon="sparkle", label="l", inline_label="i",
        interactive=True, data={"deep": {"none": None, "n": 1.5}},
    )  # fmt: skip
    answer = types.StructuredInputAnswer(values=["red", "grün"])
    option = types.StructuredInputMultipleChoiceOption
    tasks: list[types.Task] = [
        types.CustomTask(title="T", icon="bolt", content="c", status_indicator="none"),
        types.SearchTask(title_query="q", queries=["a", "b"], sources=[url]),
        types.ThoughtTask(title="T", content="hm", status_indicator="loading"),
        types.FileTask(title="T", sources=[file]),
        types.ImageTask(title="T", status_indicator="complete"),
    ]
    arguments = {"none": None, "list": [None, {"none": None}], "": "", "ключ": "🦊"}
    card = Card(
        children=[
            Text(value="Fuchs 🦊", id="text"),
            Row(children=[Col(children=[Image(src="https://example.com/fox.png")])]),
            Button(label="Again", onClickAction={"type": "again", "payload": {"n": 1}}),
        ]
    )
    fields: list[tuple[type[BaseModel], dict[str, Any]]] = [
        (
            types.UserMessageItem,
            {
                "content": [
                    types.UserMessageTextContent(text="Draw "),
                    types.UserMessageTagContent(
                        id="t1", text="fox", data={"none": None}, group="animals",
                        interactive=True,
                    ),
                ],
                "attachments": attachments,
                "quoted_text": "before",
                "inference_options": types.InferenceOptions(
                    tool_choice=types.ToolChoice(id="draw"), model="gpt-5"
                ),
            },
        ),
        (types.UserMessageItem, {"content": [], "inference_options": {}}),
        (
            types.AssistantMessageItem,
            {
                "content": [
                    types.AssistantMessageContent(
                        text="**Look**\n",
                        annotations=[
                            types.Annotation(source=source, index=index)
                            for index, source in enumerate((url, file, entity))
                        ],
                    ),
                    types.AssistantMessageContent(text=""),
                ]
            },
        ),
        (
            types.ClientToolCallItem,
            {
                "call_id": "call_1", "name": "pick", "status": "completed",
                "arguments": arguments | {"big": 2**53, "f": -1.5e-7, "t": True},
                "output": [None, {"none": None}, 0, False, ""],
            },
        ),
        (types.ClientToolCallItem, {"call_id": "c", "name": "n", "arguments": {}}),
        (types.WidgetItem, {"widget": card, "copy_text": "Fuchs"}),
        (types.GeneratedImageItem, {}),
        (types.GeneratedImageItem, {"image": image}),
        (
            types.StructuredInputItem,
            {
                "status": "answered",
                "inputs": [
                    types.StructuredInputMultipleChoice(
                        id="q1", question="Which?", multiple=True, answer=answer,
                        options=[option(value="red"), option(value="grün")],
                    ),
                    types.StructuredInputFreeform(
                        id="q2", question="Why?", description="d",
                        answer=types.StructuredInputAnswer(skipped=True),
                    ),
                ],
            },
        ),
        (
            types.WorkflowItem,
            {
                "workflow": types.Workflow(
                    type="custom", tasks=tasks, expanded=True,
                    summary=types.CustomSummary(title="S", icon="bolt"),
                )
            },
        ),
        (
            types.WorkflowItem,
            {
                "workflow": types.Workflow(
                    type="reasoning", tasks=[],
                    summary=types.DurationSummary(duration=0),
                )
            },
        ),
        *((types.TaskItem, {"task": task}) for task in tasks),
        (types.HiddenContextItem, {"content": "secret"}),
        (types.HiddenContextItem, {"content": {"none": None, "list": [1, "2"]}}),
        (types.HiddenContextItem, {"content": None}),
        (types.SDKHiddenContextItem, {"content": "cancelled"}),
        (types.EndOfTurnItem, {}),
    ]  # fmt: skip
    adapter: TypeAdapter[types.ThreadItem] = TypeAdapter(types.ThreadItem)
    base = {"thread_id": thread_id, "created_at": T0}
    return [
        adapter.validate_python(model(id=f"msg_{n}", **base, **values))
        for n, (model, values) in enumerate(fields)
    ]


def models_in(value: Any) -> Iterator[type]:
    """Yield the type of every model in a value."""
    if isinstance(value, BaseModel):
        yield type(value)
        value = dict(value)
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, BaseModel | dict | list):
            yield from models_in(inner)


def members(union: Any) -> set[type]:
    """Return the members of a union, annotated or not."""
    if typing.get_origin(union) is typing.Annotated:
        union = typing.get_args(union)[0]
    return set(typing.get_args(union))


@pytest.mark.asyncio
class StoreContract:
    """The contract of ``chatkit.store.Store``.

    A subclass gives the fixtures ``store`` (empty), ``context`` and
    ``other_context``, of two owners. It may override ``make_image`` and
    ``concurrently``.
    """

    @pytest.fixture
    def store(self) -> Any:
        """Return an empty store."""
        raise NotImplementedError(f"{type(self).__name__} must give 'store'.")

    @pytest.fixture
    def context(self) -> Any:
        """Return the context of an owner."""
        raise NotImplementedError(f"{type(self).__name__} must give 'context'.")

    @pytest.fixture
    def other_context(self) -> Any:
        """Return the context of another owner."""
        raise NotImplementedError(f"{type(self).__name__} must give 'other_context'.")

    async def make_image(
        self, thread: types.ThreadMetadata, context: Any
    ) -> types.GeneratedImage:
        """Return an image that the store gives back as it is. Default: a web one."""
        return types.GeneratedImage(id="ig_1", url="https://example.com/fox.png")

    async def concurrently(self, *calls: Coroutine[Any, Any, Any]) -> list[Any]:
        """Return what calls return, or raise, that run at the same time."""
        return await asyncio.gather(*calls, return_exceptions=True)

    # How the SDK calls

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

    # Whose it is

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
            store.delete_attachment("atc_1", context),
        ]
        for call in calls:
            with pytest.raises(NotFoundError):
                await call
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

    # Threads

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

    # Items

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
            # What was loaded can be saved again.
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

    # Attachments

    async def test_attachments_are_inserted_and_updated(
        self, store: Store[Any], context: Any
    ) -> None:
        await store.save_thread(make_thread(), context)
        for attachment in self.make_attachments(None):
            await store.save_attachment(attachment, context)
            assert await store.load_attachment(attachment.id, context) == attachment
        for attachment in self.make_attachments("thr_1"):
            await store.save_attachment(attachment, context)
            assert await store.load_attachment(attachment.id, context) == attachment

    # Pages

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
                after, seen = None, []
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

    # Many at once

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

    # Helpers

    async def fill(self, store: Store[Any], context: Any) -> None:
        """Save a thread with an item and an attachment."""
        await store.save_thread(make_thread(title="Mine"), context)
        await store.add_thread_item("thr_1", make_message(text="Mine"), context)
        await store.save_attachment(make_attachment(), context)

    async def check_untouched(self, store: Store[Any], context: Any) -> None:
        """Check that what ``fill`` saved is there as it was."""
        assert await store.load_thread("thr_1", context) == make_thread(title="Mine")
        page = await store.load_thread_items("thr_1", None, 9, "asc", context)
        assert page.data == [make_message(text="Mine")]
        assert await store.load_attachment("atc_1", context) == make_attachment()

    def make_attachments(self, thread_id: str | None) -> list[types.Attachment]:
        """Return attachments of every kind."""
        preview = "https://example.com/fox.png?a=1"
        fields: dict[str, Any] = {"thread_id": thread_id, "metadata": {"none": None}}
        return [
            types.FileAttachment(
                id="atc_f", name="füchse.pdf", mime_type="application/pdf", **fields
            ),
            types.ImageAttachment.model_validate(
                {"id": "atc_i", "name": "fox.png", "mime_type": "image/png"}
                | {"preview_url": preview, **fields}
            ),
        ]

    async def make_samples(
        self, store: Store[Any], context: Any
    ) -> list[types.ThreadItem]:
        """Save a thread and attachments and return items that are in no store yet."""
        await store.save_thread(make_thread(), context)
        attachments = self.make_attachments("thr_1")
        for attachment in attachments:
            await store.save_attachment(attachment, context)
        image = await self.make_image(make_thread(), context)
        return sample_items("thr_1", attachments, image)

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


@pytest.mark.asyncio
class AttachmentStoreContract:
    """The contract of ``chatkit.store.AttachmentStore`` for two-phase uploads.

    A subclass gives the fixtures ``attachment_store``, ``store`` (its fellow,
    which holds the metadata), ``context`` and ``other_context``.
    """

    PARAMS = types.AttachmentCreateParams(
        name="notes.txt", size=5, mime_type="text/plain"
    )

    async def test_ids_are_random_and_of_128_bits(
        self, attachment_store: AttachmentStore[Any], context: Any
    ) -> None:
        ids = {
            attachment_store.generate_attachment_id("image/png", context)
            for _ in range(1000)
        }
        assert len(ids) == 1000
        assert [key for key in ids if not ID.fullmatch(key)] == []

    async def test_an_announced_file_says_where_its_bytes_go(
        self, attachment_store: AttachmentStore[Any], store: Store[Any], context: Any
    ) -> None:
        made = await attachment_store.create_attachment(self.PARAMS, context)
        assert (made.name, made.mime_type) == ("notes.txt", "text/plain")
        assert made.upload_descriptor is not None
        assert made.upload_descriptor.url.scheme in ("http", "https")
        # The SDK saves it next.
        await store.save_attachment(made, context=context)
        loaded = await store.load_attachment(made.id, context)
        assert (loaded.id, loaded.name) == (made.id, "notes.txt")

    async def test_only_the_owner_may_delete(
        self,
        attachment_store: AttachmentStore[Any],
        store: Store[Any],
        context: Any,
        other_context: Any,
    ) -> None:
        made = await attachment_store.create_attachment(self.PARAMS, context)
        await store.save_attachment(made, context=context)
        with pytest.raises(NotFoundError):
            await attachment_store.delete_attachment(made.id, context=other_context)
        with pytest.raises(NotFoundError):
            await attachment_store.delete_attachment("missing", context=context)
        assert (await store.load_attachment(made.id, context)).id == made.id
        await attachment_store.delete_attachment(made.id, context=context)
        await store.delete_attachment(made.id, context=context)
        with pytest.raises(NotFoundError):
            await store.load_attachment(made.id, context)
