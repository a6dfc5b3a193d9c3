"""Forms of images for models: made once, kept with their images, gone with them."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from threading import Event
from typing import Any

import pytest
from channels.db import database_sync_to_async
from chatkit import types
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from PIL import Image

from chatkit_images import imaging, models, storage
from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoThreadItemConverter, parts
from chatkit_images.imaging import normal
from chatkit_images.maintenance import sweep
from chatkit_images.models import Attachment, DeletedFile, GeneratedImage, ImageVariant
from chatkit_images.queries import images, kept_rows, model_rows, variants
from chatkit_images.queries.model_rows import ModelRows
from chatkit_images.receiving import StoredImage
from chatkit_images.run_state import RunState, current_state
from chatkit_images.storage import kept_parts
from chatkit_images.storage.kept_parts import Kept
from chatkit_images.store import DjangoStore
from chatkit_images.testing import Image as ImageStep
from chatkit_images.testing import LoopbackAPI, Text
from chatkit_images.testing.contracts import T0, make_message, make_thread
from tests.client import ChatClient, thread_id
from tests.image_files import SVG, image_file, noise
from tests.refusable import IMAGES, PDF
from tests.test_model_input import ACCEPTED, images_of
from tests.test_thread_item_converter import (
    contents,
    earlier,
    file,
    generated,
    notes,
    text,
    user_message,
)

GIF, PNG = IMAGES["moving.gif"], image_file("navy")
LARGE = noise("PNG", (700, 700))


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    kept_parts.clear()
    yield
    kept_parts.clear()


@pytest.fixture
async def thread(context: RequestContext) -> None:
    await DjangoStore().save_thread(make_thread(), context)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read, drawn and encoded, in their order."""
    done: list[str] = []

    def count(owner: Any, name: str, word: str) -> None:
        plain = getattr(owner, name)

        def counting(*args: Any, **kwargs: Any) -> Any:
            done.append(word)
            return plain(*args, **kwargs)

        monkeypatch.setattr(owner, name, counting)

    count(storage, "read", "read")
    count(imaging, "redraw", "draw")
    count(normal, "redraw", "draw")
    count(parts, "data_url", "encode")
    return done


async def sent(*files: bytes, context: RequestContext) -> types.UserMessageItem:
    """Return a message with uploaded images."""
    store = DjangoAttachmentStore()
    found = [
        await store.upload(SimpleUploadedFile(f"{n}.png", data), context)
        for n, data in enumerate(files)
    ]
    return user_message(text("Look"), attachments=found, id=f"msg_{found[0].id}")


async def given(items: Any, context: RequestContext) -> list[Any]:
    found: list[Any] = await DjangoThreadItemConverter(context).to_agent_input(items)
    for _ in range(2):
        # What is kept may have an older file deleted.
        await database_sync_to_async(storage.drain)()
    return found


async def test_a_form_is_made_once_and_kept(
    thread: None, context: RequestContext, work: list[str]
) -> None:
    items = [await generated("ig_1", GIF, context), await sent(GIF, context=context)]
    work.clear()
    first = await given(items, context)
    # Each is looked at, and read once more when it is its turn to be drawn.
    assert sorted(work) == ["draw"] * 2 + ["encode"] * 2 + ["read"] * 4
    rows = [row async for row in ImageVariant.objects.order_by("image")]
    assert [bool(row.image_id) for row in rows].count(True) == 1
    for row, (mime, data) in zip(rows, images_of(first), strict=True):
        assert row.form == "model:2000:auto" and row.file.name.endswith(".png")
        assert (row.mime, row.bytes) == (mime, len(data)) == ("image/png", len(data))
        assert (row.width, row.height) == (64, 48)
        assert storage.read(row.file.name) == data
    # In this process it is kept as it was sent.
    work.clear()
    assert await given(items, context) == first and work == []
    # Another process reads it from the storage.
    kept_parts.clear()
    assert await given(items, context) == first
    assert sorted(work) == ["encode"] * 2 + ["read"] * 2
    assert await ImageVariant.objects.acount() == 2


async def test_the_form_of_a_large_image_is_there_before_its_next_turn(
    chat: ChatClient, model: LoopbackAPI, work: list[str]
) -> None:
    model.respond_with(ImageStep(data=LARGE, partials=0), Text("1."))
    model.respond_with(Text("2."))
    key = thread_id(await chat.say("a fox"))
    # Also by a turn that begins while it is being made.
    await chat.say("and now?", key)
    assert work.count("draw") == 1
    await database_sync_to_async(storage.drain)()
    made = await ImageVariant.objects.aget()
    assert made.mime == "image/jpeg" and made.file
    work.clear()
    model.respond_with(Text("3."))
    await chat.say("and now?", key)
    assert work == []
    assert "data:image/jpeg" in str(model.requests[-1]["input"])


async def uploaded(chat: ChatClient, data: bytes, name: str = "fox.png") -> str:
    """Send a file as ChatKit does, and return its id."""
    response = await chat.post(
        "/chatkit/attachments/", {"file": SimpleUploadedFile(name, data)}
    )
    assert response.status_code == 200, response.content
    return str(response.json()["id"])


async def drawn() -> None:
    """Wait for what is being drawn, and until it is kept."""
    await asyncio.wrap_future(storage.begin_spare("redraw", lambda: None))
    for _ in range(2):
        # What is kept may have a file deleted.
        await database_sync_to_async(storage.drain)()


async def test_the_form_of_a_large_attachment_is_there_before_its_turn(
    chat: ChatClient, model: LoopbackAPI, work: list[str]
) -> None:
    key = await uploaded(chat, LARGE)
    await drawn()
    made = await ImageVariant.objects.aget()
    assert (made.attachment_id, made.mime) == (key, "image/jpeg")
    assert work == ["read", "draw", "encode"]
    await chat.say("and this?", attachments=[key])
    assert work == ["read", "draw", "encode"]
    data = base64.b64encode(storage.read(str(made.file.name))).decode()
    assert f"data:image/jpeg;base64,{data}" in str(model.requests[-1]["input"])
    # Also a turn that begins while it is being made waits for it.
    work.clear()
    await chat.say("and this?", attachments=[await uploaded(chat, LARGE)])
    assert work.count("draw") == 1
    assert "data:image/jpeg" in str(model.requests[-1]["input"])


async def test_of_other_attachments_nothing_is_made_ahead(
    chat: ChatClient, work: list[str], settings: Any
) -> None:
    more = {"ATTACHMENT_TYPES": (*ACCEPTED, "image/svg+xml")}
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | more
    for name, data in (
        ("small.png", PNG),
        ("fox.pdf", PDF + bytes(2**20)),
        ("fox.svg", SVG + b" " * 2**20),
    ):
        await uploaded(chat, data, name)
    await drawn()
    assert work == [] and not await ImageVariant.objects.aexists()


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Nothing is drawn until this is set."""
    may, plain = Event(), imaging.for_model

    def for_model(data: bytes) -> tuple[str, bytes]:
        assert may.wait(10)
        return plain(data)

    monkeypatch.setattr(imaging, "for_model", for_model)
    yield may
    may.set()


async def test_of_an_attachment_that_is_deleted_meanwhile_nothing_is_left(
    chat: ChatClient, drawing: Event
) -> None:
    # The answer does not wait until the form is drawn.
    key = await uploaded(chat, LARGE)
    await chat.call("attachments.delete", attachment_id=key)
    await database_sync_to_async(storage.drain)()
    drawing.set()
    await drawn()
    assert not await ImageVariant.objects.aexists()
    assert not await DeletedFile.objects.aexists()
    assert list(storage.listing()) == []
    assert kept_parts.held() == 0


async def test_what_a_turn_needs_is_drawn_before_what_is_made_ahead(
    chat: ChatClient, drawing: Event
) -> None:
    for _ in range(2):
        await uploaded(chat, LARGE)
    needed = [storage.begin("redraw", kept_parts.held) for _ in range(2)]
    drawing.set()
    one, same = [await asyncio.wrap_future(each) for each in needed]
    await drawn()
    await drawn()
    assert one == same == kept_parts.held() / 2


async def test_no_more_forms_wait_than_a_message_can_show(
    chat: ChatClient, drawing: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_images.converters.prepared_forms.NEWEST", 2)
    for _ in range(3):
        await uploaded(chat, LARGE)
    drawing.set()
    await drawn()
    await drawn()
    assert await ImageVariant.objects.acount() == 2
    # Later ones are made again.
    await uploaded(chat, LARGE)
    await drawn()
    assert await ImageVariant.objects.acount() == 3


async def test_of_an_image_that_has_the_form_there_is_no_second_file(
    thread: None, context: RequestContext, work: list[str]
) -> None:
    item = await generated("ig_1", PNG, context)
    first = await given(item, context)
    row = await ImageVariant.objects.aget()
    assert (row.file.name, row.mime, row.bytes) == ("", "image/png", len(PNG))
    assert (row.width, row.height) == (64, 48)
    # Neither is it looked at again.
    kept_parts.clear()
    work.clear()
    assert await given(item, context) == first
    assert work == ["read", "encode"]
    # What hangs behind an upload is none of it, and what is cut is made again.
    await ImageVariant.objects.aupdate(bytes=len(PNG) + 1)
    kept_parts.clear()
    assert await given(item, context) == first
    assert (await ImageVariant.objects.aget()).bytes == len(PNG)


async def test_other_settings_make_another_form_and_leave_that_of_others(
    thread: None, context: RequestContext, settings: Any, work: list[str]
) -> None:
    item = await generated("ig_1", image_file("navy", size=(300, 90)), context)
    names = []
    for side, form in ((300, "auto"), (100, "auto"), (100, "webp"), (60, "jpeg")):
        settings.CHATKIT_IMAGES |= {"MODEL_SIDE": side, "MODEL_FORMAT": form}
        ((_, data),) = images_of(await given(item, context))
        assert max(Image.open(io.BytesIO(data)).size) == side
        row = await ImageVariant.objects.alatest("pk")
        assert row.form == f"model:{side}:{form}"
        names.append(row.file.name)
    assert not names[0] and all(map(storage.exists, names[1:]))
    # As long as two processes have different settings, neither makes a form again.
    for side, form in ((100, "auto"), (60, "jpeg")) * 2:
        settings.CHATKIT_IMAGES |= {"MODEL_SIDE": side, "MODEL_FORMAT": form}
        kept_parts.clear()
        work.clear()
        ((_, data),) = images_of(await given(item, context))
        assert max(Image.open(io.BytesIO(data)).size) == side
        assert work == ["read", "encode"]
    assert await ImageVariant.objects.acount() == 4


@pytest.mark.parametrize("harm", ["missing", "cut", "other", "unreadable"])
async def test_a_form_that_is_lost_is_made_again(
    thread: None,
    context: RequestContext,
    monkeypatch: pytest.MonkeyPatch,
    harm: str,
) -> None:
    item = await generated("ig_1", GIF, context)
    first = await given(item, context)
    old = await ImageVariant.objects.aget()
    name = str(old.file.name)
    read = storage.read
    if harm == "unreadable":

        def fail(wanted: str, *where: str | None) -> bytes:
            if wanted == name:
                raise ValueError("AccessDenied")
            return read(wanted, *where)

        monkeypatch.setattr(storage, "read", fail)
    else:
        data = read(name)
        storage.delete(name)
        if harm != "missing":
            storage.store(name, data[:-9] if harm == "cut" else bytes(len(data)))
    kept_parts.clear()
    assert await given(item, context) == first
    new = await ImageVariant.objects.aget()
    assert new.file.name not in ("", name) and read(str(new.file.name))
    assert not storage.exists(name)


async def test_a_turn_goes_on_if_a_form_cannot_be_kept(
    thread: None, context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await generated("ig_1", GIF, context)

    def fail(*args: Any) -> None:
        raise OSError("disk full")

    for place in ("store", "drain"):
        with monkeypatch.context() as patch:
            if place == "store":
                patch.setattr(storage, "store", fail)
            else:
                patch.setattr(variants, "keep", fail)
            kept_parts.clear()
            assert list(images_of(await given(item, context)))
    # Nor is it kept if too many bytes wait for the storage.
    with monkeypatch.context() as patch:
        patch.setattr(storage.backlog, "fits", lambda size: False)
        kept_parts.clear()
        assert list(images_of(await given(item, context)))
    assert await ImageVariant.objects.acount() == 0


def of_image(image: GeneratedImage) -> None:
    image.delete()


def of_thread(image: GeneratedImage) -> None:
    image.thread.delete()


def of_many(image: GeneratedImage) -> None:
    models.Thread.objects.all().delete()


@pytest.mark.parametrize("delete", [of_image, of_thread, of_many])
async def test_forms_go_with_their_images(
    thread: None, context: RequestContext, delete: Callable[[GeneratedImage], None]
) -> None:
    item = await generated("ig_1", GIF, context)
    message = await sent(GIF, context=context)
    await DjangoStore().add_thread_item("thr_1", message, context)
    await Attachment.objects.aupdate(thread="thr_1")
    await given([item, message], context)
    names = [row.file.name async for row in ImageVariant.objects.all()]
    assert len(names) == 2 and all(map(storage.exists, names))
    image = await GeneratedImage.objects.select_related("thread").aget()
    source = await database_sync_to_async(variants.original)(image)
    await database_sync_to_async(delete)(image)
    left = 1 if delete is of_image else 0
    assert await ImageVariant.objects.acount() == left
    await database_sync_to_async(storage.drain)()
    assert [storage.exists(name) for name in names].count(True) == left
    # What a form is made of may be gone by the time that it is made.
    await database_sync_to_async(variants.keep)(source, "image/png", 3, PNG)
    await database_sync_to_async(storage.drain)()
    assert await ImageVariant.objects.acount() == left
    assert (await database_sync_to_async(sweep)())["unknown files"] == 0


async def test_what_is_deleted_is_kept_in_memory_no_more(
    thread: None, context: RequestContext
) -> None:
    first = await generated("ig_1", GIF, context)
    message = await sent(PDF, context=context)
    items = [first, await generated("ig_2", PNG, context), message]
    await given(items, context)
    name = str((await GeneratedImage.objects.aget(call_id="ig_1")).file.name)

    def delete() -> None:
        with transaction.atomic():
            GeneratedImage.objects.all().delete()
            transaction.set_rollback(True)
        assert kept_parts.held() == held
        GeneratedImage.objects.filter(call_id="ig_1").delete()
        assert 0 < kept_parts.held() < held
        GeneratedImage.objects.all().delete()
        Attachment.objects.all().delete()
        assert kept_parts.held() == 0

    held = kept_parts.held()
    await database_sync_to_async(delete)()
    # Nor is it kept by a turn that was at work with it.
    kept_parts.keep((name, ""), Kept("image/png", 3, "data:"))
    assert kept_parts.held() == 0
    assert list(images_of(await given(items, context))) == []


async def test_a_form_of_a_preview_is_none_of_the_image(
    thread: None, context: RequestContext
) -> None:
    """The final of a stopped call may come after its preview was sent."""
    item = await generated("ig_1", GIF, context)
    await GeneratedImage.objects.aupdate(status="cancelled")
    await given(item, context)
    preview = await ImageVariant.objects.aget()
    row = await GeneratedImage.objects.aget()
    old = await database_sync_to_async(variants.original)(row)
    name = storage.new_name("images", "png")
    storage.store(name, PNG)
    final = StoredImage(name, imaging.inspect(PNG))
    assert await database_sync_to_async(images.complete)(row, final)
    # Whoever was at work with the preview comes too late.
    await database_sync_to_async(variants.keep)(old, "image/png", 3, PNG)
    assert await given(item, context)
    made = await ImageVariant.objects.aget()
    assert (made.file.name, made.bytes) == ("", len(PNG))
    assert not storage.exists(str(preview.file.name))


async def history(
    count: int, context: RequestContext
) -> tuple[list[types.ThreadItem], str]:
    """Return a thread with so many images of each kind, and one in another thread."""
    store = DjangoStore()
    await store.save_thread(make_thread("thr_2"), context)
    await generated("ig_other", PNG, context, "thr_2")
    other = await GeneratedImage.objects.aget(thread="thr_2")
    tag = {"type": "input_tag", "id": other.image_id, "text": "it", "data": {}}
    rows = [
        Attachment(
            pk=f"atc_{n}",
            owner=context.owner,
            thread_id="thr_1",
            kind="image",
            name=f"{n}.png",
            mime_type="image/png",
            file=other.file.name,
            bytes=len(PNG),
        )
        for n in range(count)
    ]
    await Attachment.objects.abulk_create(rows)
    for n in range(count):
        image = await GeneratedImage.objects.acreate(
            thread_id="thr_1", identity=f"{n}", status="completed", file=other.file.name
        )
        failed = await GeneratedImage.objects.acreate(
            thread_id="thr_1", identity=f"failed {n}", status="failed", prompt=f"f{n}"
        )
        preview = {"preview_url": "https://shop.example/x"}
        base = {"id": f"atc_{n}", "name": f"{n}.png", "mime_type": "image/png"}
        files = [types.ImageAttachment.model_validate(base | preview)]
        shown = types.GeneratedImage(id=image.image_id, url="https://shop.example/x")
        for item in (
            user_message(tag, id=f"msg_{n}", attachments=files),
            types.GeneratedImageItem(
                id=f"img_item_{n}", thread_id="thr_1", created_at=T0, image=shown
            ),
            make_message(failed.image_id, text="Failed."),
        ):
            await store.add_thread_item("thr_1", item, context)
    page = await store.load_thread_items("thr_1", None, 100, "asc", context)
    return page.data, other.image_id


@asynccontextmanager
async def statements() -> AsyncIterator[list[str]]:
    """Collect the statements of the thread in which a request's code is executed."""
    found: list[str] = []

    def collect(execute: Any, sql: str, *rest: Any) -> Any:
        if not sql.startswith("SET "):  # Of a new connection.
            found.append(sql)
        return execute(sql, *rest)

    wrappers = await database_sync_to_async(lambda: connection.execute_wrappers)()
    wrappers.append(collect)
    try:
        yield found
    finally:
        wrappers.remove(collect)


@pytest.mark.parametrize("count", [2, 20])
async def test_statements_do_not_grow_with_the_images(
    thread: None, context: RequestContext, work: list[str], count: int
) -> None:
    items, other = await history(count, context)
    assert len(items) == 3 * count

    def look_up() -> ModelRows:
        return model_rows.of_items(items, context, ModelRows(context.owner))

    async with statements() as found:
        rows = await database_sync_to_async(look_up)()
    assert len(found) == 2
    assert len(rows.images) == 2 * count and len(rows.attachments) == count
    assert list(rows.named) == [other]
    assert all([*rows.images.values(), *rows.named.values()])
    # The pages of a run's history have read them for their URLs.
    store, state = DjangoStore(), RunState()
    token = current_state.set(state)
    try:
        for is_warm in (False, True):
            work.clear()
            async with statements() as of_page:
                page = await store.load_thread_items("thr_1", None, 100, "asc", context)
            assert len(of_page) == 3 and page.data == items
            async with statements() as of_input:
                sent = await given(page.data, context)
            assert 2 <= len(list(images_of(sent))) <= 6 and state.rows is None
            if is_warm:
                assert of_input == [] and work == []
    finally:
        current_state.reset(token)


async def test_rows_of_a_run_are_its_owners(
    thread: None,
    context: RequestContext,
    foreign: RequestContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    items, _ = await history(1, context)
    token = current_state.set(RunState())
    try:
        await DjangoStore().load_thread_items("thr_1", None, 100, "asc", context)
        (found,) = contents(await given(items, foreign))[:1]
        assert "is gone" in found[0]
        # What is hidden or deleted meanwhile is read anew.
        await GeneratedImage.objects.aupdate(status="blocked")
        await Attachment.objects.all().adelete()
        await DjangoStore().load_thread_items("thr_1", None, 100, "asc", context)
        assert list(images_of(await given(items, context))) == []
        # So it is if the project took its time between a page and the input.
        await GeneratedImage.objects.aupdate(status="completed")
        await DjangoStore().load_thread_items("thr_1", None, 100, "asc", context)
        await GeneratedImage.objects.aupdate(status="blocked")
        monkeypatch.setattr(kept_rows, "FRESH", 0)
        assert list(images_of(await given(items, context))) == []
    finally:
        current_state.reset(token)


async def test_refusals_are_looked_up_only_where_there_are_some(
    thread: None, context: RequestContext
) -> None:
    items, _ = await history(2, context)
    assert kept_rows.may_be_refused(items, context)
    token = current_state.set(RunState())

    async def may_be_refused() -> bool:
        await DjangoStore().load_thread_items("thr_1", None, 100, "asc", context)
        return kept_rows.may_be_refused(items, context)

    try:
        assert kept_rows.may_be_refused(items, context)
        assert not await may_be_refused()
        # Of an item that the project has added nothing is known.
        more = await sent(PNG, context=context)
        assert kept_rows.may_be_refused([*items, more], context)
        for refused in (
            {"attachment_id": "atc_1"},
            {"image": await GeneratedImage.objects.filter(thread="thr_2").aget()},
        ):
            note = await models.RefusedInput.objects.acreate(host="x", **refused)
            assert await may_be_refused()
            await note.adelete()
        assert not await may_be_refused()
    finally:
        current_state.reset(token)


async def test_all_images_count_and_those_of_the_newest_message_go_first(
    thread: None, context: RequestContext, settings: Any
) -> None:
    many = [image_file(f"#{n:02x}0000") for n in range(12)]
    items: list[types.ThreadItem] = []
    for n in range(3):
        items.append(await sent(many[2 * n], context=context))
        items.append(await generated(f"ig_{n}", many[2 * n + 1], context))
    shown = [data for _, data in images_of(await given(items, context))]
    assert shown == many[:6]
    # Their own images take the places of older ones.
    newest = await sent(*many[6:9], context=context)
    found = await given([*items, newest], context)
    assert [data for _, data in images_of(found)] == many[4:9]
    gone = file("0.png", "is not shown again")
    lines = [words for n in range(3) for words in (gone, earlier(f"ig_{n}"))]
    told = [each for each in contents(found) if "not shown again" in str(each)]
    assert told == notes(*lines[:4])
    # They go even if they are more, to a number of their own.
    for count, most, expected in ((2, 20, 6), (0, 20, 6), (2, 4, 4), (8, 4, 8)):
        settings.CHATKIT_IMAGES |= {"MODEL_IMAGE_COUNT": count}
        newest = await sent(*many[6:], context=context)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("chatkit_images.converters.shown_images.NEWEST", most)
            found = await given([*items, newest], context)
        shown = [data for _, data in images_of(found)]
        assert len(shown) == expected, (count, most)
        assert set(shown) >= set(many[6 : 6 + min(most, 6)])


class Exchanging(DjangoThreadItemConverter):
    """Puts others in the place of what the history has, as a project may."""

    def __init__(self, context: RequestContext, **others: Any) -> None:
        super().__init__(context)
        self.others = others

    async def user_message_to_input(
        self, item: types.UserMessageItem, is_last_message: bool = True
    ) -> Any:
        copy = item.model_copy(update={"id": "copy"})
        return await super().user_message_to_input(copy, is_last_message)

    async def attachment_to_message_content(self, attachment: types.Attachment) -> Any:
        other = self.others.get("file") or attachment
        return await super().attachment_to_message_content(other)

    async def tag_to_message_content(self, tag: types.UserMessageTagContent) -> Any:
        named = tag.model_copy(update={"id": self.others["named"]})
        return await super().tag_to_message_content(named)

    async def generated_image_to_input(self, item: types.GeneratedImageItem) -> Any:
        shown = self.others.get("image") or item.image
        copy = item.model_copy(update={"image": shown})
        return await super().generated_image_to_input(copy)

    async def hidden_context_to_input(self, item: types.HiddenContextItem) -> Any:
        return await super().generated_image_to_input(self.others["hidden"])


async def test_a_converter_of_the_projects_may_put_others_in_the_place_of_images(
    thread: None, context: RequestContext, settings: Any
) -> None:
    red, blue, green = (image_file(name) for name in ("red", "blue", "green"))
    shown = await generated("ig_1", red, context)
    other = await generated("ig_2", blue, context)
    message, instead = [await sent(data, context=context) for data in (red, green)]

    async def images(items: list[types.ThreadItem], **others: Any) -> list[bytes]:
        converter = Exchanging(context, **others)
        return [data for _, data in images_of(await converter.to_agent_input(items))]

    assert await images([shown, message]) == [red, red]
    others = {"image": other.image, "file": instead.attachments[0]}
    assert await images([shown, message], **others) == [blue, green]
    tag = {"type": "input_tag", "id": "sku-1", "text": "it", "data": {}}
    row = await GeneratedImage.objects.aget(call_id="ig_2")
    for named, expected in ((row.image_id, [blue]), ("sku-2", [])):
        assert await images([user_message(tag)], named=named) == expected
    # Images that the history does not have are as many as those that it may have.
    hidden = [
        types.HiddenContextItem(
            id=f"hid_{n}", thread_id="thr_1", created_at=T0, content="x"
        )
        for n in range(3)
    ]
    for count, expected in ((0, 0), (2, 2), (6, 3)):
        settings.CHATKIT_IMAGES |= {"MODEL_IMAGE_COUNT": count}
        assert await images([*hidden], hidden=other) == [blue] * expected


async def test_what_is_kept_in_memory_is_bounded(
    thread: None, context: RequestContext, settings: Any, work: list[str]
) -> None:
    pdf = SimpleUploadedFile("fox.pdf", PDF)
    upload = await DjangoAttachmentStore().upload(pdf, context)
    message = user_message(attachments=[upload])
    items = [await generated(f"ig_{n}", PNG, context) for n in range(3)]
    for items_given in (message, items[0]):
        kept_parts.clear()
        first = await given(items_given, context)
        work.clear()
        assert await given(items_given, context) == first and work == []
    size = kept_parts.held()
    assert size > len(base64.b64encode(PNG)) + len("data:image/png;base64,")
    # The one that was used longest ago goes.
    settings.CHATKIT_IMAGES |= {"TUNING": {"MODEL_CACHE_BYTES": 4 * size}}
    for item in items:
        await given(item, context)
    assert kept_parts.held() <= 4 * size
    settings.CHATKIT_IMAGES |= {"TUNING": {"MODEL_CACHE_BYTES": 0}}
    kept_parts.clear()
    await given(items, context)
    assert kept_parts.held() == 0
    # A part of all is kept at most for one.
    settings.CHATKIT_IMAGES |= {"TUNING": {"MODEL_CACHE_BYTES": 4 * size - 1}}
    await given(items, context)
    assert kept_parts.held() == 0
    # What counts is memory: a character takes up to four bytes, a name takes some, too.
    settings.CHATKIT_IMAGES |= {"TUNING": {"MODEL_CACHE_BYTES": 40_000}}
    kept_parts.keep(("smiles.txt", ""), Kept("text/plain", 16_000, "😀" * 4_000))
    assert kept_parts.held() == 0
    for n in range(100):
        kept_parts.keep((f"{n}.txt", ""), Kept("text/plain", 0, ""))
    assert 30_000 < kept_parts.held() <= 40_000
    assert kept_parts.find(("99.txt", "")) and not kept_parts.find(("0.txt", ""))
