from __future__ import annotations

import asyncio
import base64
import itertools
import json
import uuid
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from asgiref.sync import ThreadSensitiveContext
from chatkit import types
from chatkit.store import NotFoundError
from chatkit.widgets import Card, Image, Text
from django.db.models.signals import post_save
from django.test import AsyncClient

from chatkit_images import file_urls, imaging, models, storage, url_tokens, url_windows
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoResponseStreamConverter
from chatkit_images.exceptions import RequestRefused
from chatkit_images.queries import inline_rows
from chatkit_images.queries import items as item_rows
from chatkit_images.queries import threads as thread_rows
from chatkit_images.store import DjangoStore
from chatkit_images.testing.contracts import (
    T0,
    StoreContract,
    make_attachment,
    make_message,
    make_thread,
)
from chatkit_images.transactions import atomic
from tests.image_files import image_file
from tests.tuning import tuned


@pytest.fixture(autouse=True)
def one_window(settings: Any) -> None:
    """URLs of one test are equal, whenever it runs."""
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, URL_WINDOW=10**9)


class TestDjangoStore(StoreContract):
    @pytest.fixture
    def store(self) -> DjangoStore:
        return DjangoStore()

    @pytest.fixture
    def other_context(self, foreign: RequestContext) -> RequestContext:
        return foreign

    @pytest.fixture
    def context(self, context: RequestContext) -> RequestContext:
        return context

    @pytest.fixture(autouse=True)
    def image(self, png: bytes) -> None:
        self.png = png

    async def make_image(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> types.GeneratedImage:
        converter = DjangoResponseStreamConverter(thread, context)
        url = await converter.base64_image_to_url(
            "ig_1", base64.b64encode(self.png).decode()
        )
        return types.GeneratedImage(id="ig_1", url=url)

    async def concurrently(self, *calls: Coroutine[Any, Any, Any]) -> list[Any]:
        async def run(call: Coroutine[Any, Any, Any]) -> Any:
            # As in a server: each request has a thread of its own for the ORM.
            async with ThreadSensitiveContext():
                return await call

        return await asyncio.gather(*map(run, calls), return_exceptions=True)


# What is Django's


@pytest.fixture
def store() -> DjangoStore:
    return DjangoStore()


@pytest.fixture
async def thread(store: DjangoStore, context: RequestContext) -> types.ThreadMetadata:
    thread = make_thread()
    await store.save_thread(thread, context)
    return await store.load_thread(thread.id, context)


@pytest.fixture
def data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def image_item(url: str, key: str = "ig_1") -> types.GeneratedImageItem:
    return types.GeneratedImageItem(
        id=f"msg_{key}",
        thread_id="thr_1",
        created_at=T0,
        image=types.GeneratedImage(id=key, url=url),
    )


def text_of(item: types.ThreadItem) -> str:
    assert isinstance(item, types.AssistantMessageItem)
    return item.content[0].text


def files() -> list[str]:
    storage.drain()
    return sorted(name for name, _ in storage.listing())


async def test_a_text_full_of_images_keeps_the_first_ones(
    store: DjangoStore,
    context: RequestContext,
    thread: types.ThreadMetadata,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examined = Mock(side_effect=imaging.examine)
    monkeypatch.setattr(imaging, "examine", examined)
    urls = [
        f"data:image/png;base64,{base64.b64encode(image_file(f'rgb(0,0,{n})')).decode()}"
        for n in range(25)
    ]
    text = " ".join(url for url in urls for _ in range(3))
    await store.add_thread_item("thr_1", make_message("msg_t", text=text), context)

    kept = inline_rows.MAX_INLINE
    assert await models.GeneratedImage.objects.acount() == kept
    assert examined.call_count == kept
    item = await store.load_item("thr_1", "msg_t", context)
    shown = text_of(item).split()
    assert len(shown) == 3 * kept and len(set(shown)) == kept
    assert "base64" not in text_of(item)


async def test_rows_hold_references_and_readers_get_images(
    store: DjangoStore,
    context: RequestContext,
    thread: types.ThreadMetadata,
    data_url: str,
    png: bytes,
    async_client: AsyncClient,
) -> None:
    widget = types.WidgetItem(
        id="msg_w",
        thread_id="thr_1",
        created_at=T0,
        widget=Card(children=[Image(src=data_url), Text(value="A fox")]),
    )
    for item in (
        image_item(data_url),
        make_message("msg_t", text=f"Look: ![fox]({data_url}) and ![]({data_url})."),
        widget,
    ):
        await store.add_thread_item("thr_1", item, context)

    rows = [row async for row in models.ThreadItem.objects.all()]
    stored = json.dumps([row.payload for row in rows])
    assert "base64" not in stored and "http" not in stored and "/" not in stored
    # The same bytes outside a call are one image.
    images = [image async for image in models.GeneratedImage.objects.order_by("pk")]
    assert {image.status for image in images} == {"completed"}
    assert {storage.read(image.file.name) for image in images} == {png}
    named, inline = sorted(images, key=lambda image: image.call_id)
    assert named.call_id == "ig_1" and inline.call_id.startswith("inline-")
    assert named.item_id == rows[0].pk and inline.item_id == rows[1].pk

    page = await store.load_thread_items("thr_1", None, 9, "asc", context)
    generated, message, card = page.data
    url = file_urls.image_url(inline, context)
    assert text_of(message) == f"Look: ![fox]({url}) and ![]({url})."
    assert card == widget.model_copy(
        update={"widget": Card(children=[Image(src=url), Text(value="A fox")])}
    )
    assert isinstance(generated, types.GeneratedImageItem) and generated.image
    assert generated.image.url == file_urls.image_url(named, context)
    for link in (url, generated.image.url):
        assert link.startswith("https://shop.example/chatkit/images/image.")
        response = await async_client.get(link.removeprefix("https://shop.example"))
        assert (response.status_code, response.content) == (200, png)


async def test_bytes_that_are_no_image_are_left_out(
    store: DjangoStore, context: RequestContext, thread: types.ThreadMetadata
) -> None:
    broken = "data:image/png;base64,aGVsbG8="
    await store.add_thread_item("thr_1", image_item(broken), context)
    await store.add_thread_item("thr_1", make_message(text=f"a {broken} b"), context)
    page = await store.load_thread_items("thr_1", None, 9, "asc", context)
    assert page.data == [image_item(""), make_message(text="a  b")]
    assert files() == []


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        # A converter of the project's own has uploaded the image.
        ("https://cdn.shop.example/a.png?v=1", True),
        ("https://shop.example/chatkit/images/{token}/", False),
        ("https://shop.example/chatkit/images/{key}/full/", False),
        ("https://s3.example/chatkit_images/images/00/{hex}.png?Expires=1", False),
        ("javascript:alert(1)", False),
        ("/a.png", False),
        (f"https://cdn.shop.example/{'a' * 2000}", False),
    ],
    ids=["foreign", "signed", "session", "storage", "script", "relative", "long"],
)
async def test_a_foreign_url_of_an_image_item_is_kept_by_a_store_that_says_so(
    store: DjangoStore,
    context: RequestContext,
    thread: types.ThreadMetadata,
    url: str,
    kept: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = uuid.UUID(int=7)
    token = url_tokens.make("image", key.hex, "full", context.owner)
    url = url.format(token=token, key=key, hex=key.hex)
    await store.add_thread_item("thr_1", image_item(url), context)
    assert await store.load_item("thr_1", "msg_ig_1", context) == image_item("")
    assert ("keeps_foreign_urls" in caplog.text) is kept
    monkeypatch.setattr(DjangoStore, "keeps_foreign_urls", True)
    await store.add_thread_item("thr_1", image_item(url), context)
    shown = image_item(url if kept else "")
    assert await store.load_item("thr_1", "msg_ig_1", context) == shown


async def test_own_urls_in_text_are_kept_as_references_for_their_owner_only(
    store: DjangoStore,
    context: RequestContext,
    foreign: RequestContext,
    thread: types.ThreadMetadata,
    data_url: str,
) -> None:
    await store.add_thread_item("thr_1", image_item(data_url), context)
    image = await models.GeneratedImage.objects.aget()
    url = file_urls.image_url(image, context)
    path = url.removeprefix("https://shop.example")
    text = (
        f"![a]({url}) <img src='{path}'> {url}, {file_urls.image_url(image, context)}"
    )
    await store.add_thread_item("thr_1", make_message(text=text), context)
    row = await models.ThreadItem.objects.aget(item_id="msg_1")
    reference = f"chatkit-image:{image.pk}"
    assert row.payload["content"][0]["text"] == (
        f"![a]({reference}) <img src='{reference}'> {reference}, {reference}"
    )
    assert text_of(await store.load_item("thr_1", "msg_1", context)) == text.replace(
        f"'{path}'", f"'{url}'"
    )

    upload = url_tokens.make("upload", "atc_1", "full", context.owner)
    await store.save_thread(make_thread("thr_2"), foreign)
    for n, (who, thread_id, plain) in enumerate(
        [
            (foreign, "thr_2", text),
            (foreign, "thr_2", reference),
            (context, "thr_1", f"https://shop.example{path[:-3]}xx/"),
            (context, "thr_1", f"/chatkit/uploads/{upload}/"),
            (context, "thr_1", "chatkit-image:" + "-" * 36),
            (context, "thr_1", f"chatkit-image:{uuid.uuid4()}"),
        ]
    ):
        item = make_message(f"plain_{n}", thread_id, plain)
        await store.add_thread_item(thread_id, item, who)
        assert await store.load_item(thread_id, item.id, who) == item
        row = await models.ThreadItem.objects.aget(item_id=item.id)
        assert row.payload["content"][0]["text"] == plain


async def test_an_expired_url_of_an_own_image_is_kept_as_a_reference(
    store: DjangoStore,
    context: RequestContext,
    thread: types.ThreadMetadata,
    data_url: str,
) -> None:
    await store.add_thread_item("thr_1", image_item(data_url), context)
    image = await models.GeneratedImage.objects.aget()
    expired = url_tokens.make("image", image.pk.hex, "full", context.owner, expires=1)
    text = f"![](/chatkit/images/{expired}/)"
    await store.add_thread_item("thr_1", make_message(text=text), context)
    assert text_of(await store.load_item("thr_1", "msg_1", context)) == (
        f"![]({file_urls.image_url(image, context)})"
    )


async def test_an_own_url_of_the_session_route_is_kept_as_a_reference(
    store: DjangoStore,
    context: RequestContext,
    foreign: RequestContext,
    thread: types.ThreadMetadata,
    data_url: str,
    settings: Any,
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"IMAGE_URLS": "session"}
    await store.add_thread_item("thr_1", image_item(data_url), context)
    image = await models.GeneratedImage.objects.aget()
    url = file_urls.image_url(image, context)
    assert url == f"https://shop.example/chatkit/images/{image.pk}/full/"
    path = url.removeprefix("https://shop.example")
    small = url.replace("full", "thumbnail")
    unknown = f"/chatkit/images/{uuid.uuid4()}/full/"
    text = f"![a]({url}) <img src='{path}'> {small}, {unknown} a{path}"
    await store.add_thread_item("thr_1", make_message(text=text), context)
    await store.save_thread(make_thread("thr_2"), foreign)
    await store.add_thread_item("thr_2", make_message("b", "thr_2", text), foreign)

    row = await models.ThreadItem.objects.aget(item_id="msg_1")
    reference = f"chatkit-image:{image.pk}"
    assert row.payload["content"][0]["text"] == (
        f"![a]({reference}) <img src='{reference}'> {reference}, {unknown} a{path}"
    )
    assert text_of(await store.load_item("thr_1", "msg_1", context)) == (
        f"![a]({url}) <img src='{url}'> {url}, {unknown} a{path}"
    )
    row = await models.ThreadItem.objects.aget(item_id="b")
    assert row.payload["content"][0]["text"] == text


async def test_an_own_url_of_an_attachment_is_kept_as_a_reference(
    store: DjangoStore,
    context: RequestContext,
    foreign: RequestContext,
    thread: types.ThreadMetadata,
) -> None:
    await store.save_attachment(make_attachment(), context)
    attachment = await models.Attachment.objects.aget()
    url = file_urls.attachment_url(attachment, context)
    text = f"![a]({url}) and {url}"
    await store.add_thread_item("thr_1", make_message(text=text), context)
    await store.save_thread(make_thread("thr_2"), foreign)
    await store.add_thread_item("thr_2", make_message("b", "thr_2", text), foreign)
    reference = "chatkit-attachment:atc_1"
    quoted = make_message("c", "thr_2", reference)
    await store.add_thread_item("thr_2", quoted, foreign)

    row = await models.ThreadItem.objects.aget(item_id="msg_1")
    assert row.payload["content"][0]["text"] == f"![a]({reference}) and {reference}"
    assert text_of(await store.load_item("thr_1", "msg_1", context)) == text
    assert text_of(await store.load_item("thr_2", "b", foreign)) == text
    # Another owner gets no URL for it.
    assert text_of(await store.load_item("thr_2", "c", foreign)) == reference
    await store.delete_attachment("atc_1", context)
    assert text_of(await store.load_item("thr_1", "msg_1", context)) == (
        f"![a]({reference}) and {reference}"
    )


async def test_an_image_url_is_stable_within_its_window(
    store: DjangoStore,
    context: RequestContext,
    thread: types.ThreadMetadata,
    data_url: str,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, URL_WINDOW=900)
    await store.add_thread_item("thr_1", image_item(data_url), context)
    urls = []
    # Two windows end within 1,800 seconds, whenever they begin.
    for now in range(900_000, 901_801, 300):
        clock = SimpleNamespace(time=lambda now=now: now)
        monkeypatch.setattr(url_windows, "time", clock)
        item = await store.load_item("thr_1", "msg_ig_1", context)
        assert isinstance(item, types.GeneratedImageItem) and item.image
        urls.append(item.image.url)
    assert len(set(urls)) == len([*itertools.groupby(urls)]) == 3


async def test_messages_hold_attachments_by_id(
    store: DjangoStore, context: RequestContext, thread: types.ThreadMetadata
) -> None:
    file = make_attachment(thread_id="thr_1")
    await store.save_attachment(file, context)
    message = types.UserMessageItem(
        id="msg_1",
        thread_id="thr_1",
        created_at=T0,
        content=[],
        attachments=[file],
        inference_options=types.InferenceOptions(),
    )
    await store.add_thread_item("thr_1", message, context)
    row = await models.ThreadItem.objects.aget()
    assert row.payload["attachments"] == ["atc_1"]
    assert await store.load_item("thr_1", "msg_1", context) == message
    await store.delete_attachment("atc_1", context)
    loaded = await store.load_item("thr_1", "msg_1", context)
    assert loaded == message.model_copy(update={"attachments": []})


async def test_a_data_preview_of_an_attachment_becomes_a_thumbnail(
    store: DjangoStore, context: RequestContext, data_url: str, async_client: Any
) -> None:
    image = types.ImageAttachment.model_validate(
        {"id": "atc_1", "name": "a.png", "mime_type": "image/png"}
        | {"preview_url": data_url}
    )
    for _ in range(2):
        await store.save_attachment(image, context)
    loaded = await store.load_attachment("atc_1", context)
    assert isinstance(loaded, types.ImageAttachment)
    url = str(loaded.preview_url)
    response = await async_client.get(url.removeprefix("https://shop.example"))
    assert response["Content-Type"] == "image/webp"
    assert imaging.inspect(response.content).mime == "image/webp"
    # The file of the first save is gone.
    assert len(files()) == 1
    # What was loaded can be saved: the URL is ours and stays out of the row.
    await store.save_attachment(loaded, context)
    row = await models.Attachment.objects.aget()
    assert row.foreign_preview_url == ""


@pytest.fixture
def full_thread(transactional_db: None, context: RequestContext, png: bytes) -> None:
    """A thread with an image, a preview and an attachment, each with its files."""

    def file(kind: str) -> str:
        name = storage.new_name(kind, "png")
        storage.store(name, png)
        return name

    thread_rows.save(make_thread(), context)
    item_rows.save("thr_1", image_item(""), context)
    image = models.GeneratedImage.objects.create(
        thread_id="thr_1",
        item=models.ThreadItem.objects.get(),
        call_id="ig_1",
        status="completed",
        file=file("images"),
        thumbnail=file("thumbnails"),
    )
    models.PartialImage.objects.create(image=image, index=0, file=file("images"))
    models.Attachment.objects.create(
        id="atc_1",
        owner=context.owner,
        thread_id="thr_1",
        kind="image",
        name="a.png",
        mime_type="image/png",
        file=file("attachments"),
        thumbnail=file("thumbnails"),
    )


def test_a_thread_takes_its_files_along_when_its_deletion_is_committed(
    full_thread: None, context: RequestContext
) -> None:
    before = files()
    assert len(before) == 5
    with pytest.raises(ZeroDivisionError), atomic():
        thread_rows.delete("thr_1", context)
        raise ZeroDivisionError
    assert files() == before
    assert models.DeletedFile.objects.count() == 0
    assert models.GeneratedImage.objects.count() == 1

    with atomic():
        thread_rows.delete("thr_1", context)
        assert files() == before
    # The files are deleted first, then their notes.
    assert files() == []
    for model in (
        models.Thread,
        models.ThreadItem,
        models.GeneratedImage,
        models.PartialImage,
        models.Attachment,
        models.DeletedFile,
    ):
        assert model.objects.count() == 0, model


async def test_an_item_leaves_its_image_as_a_superseded_version(
    store: DjangoStore, full_thread: None, context: RequestContext
) -> None:
    before = files()
    await store.delete_thread_item("thr_1", "msg_ig_1", context)
    image = await models.GeneratedImage.objects.aget()
    assert image.item_id is None and image.superseded_at is not None
    assert files() == before
    # The SDK may add it again: then it is no old version any more.
    await store.add_thread_item("thr_1", image_item(""), context)
    await image.arefresh_from_db()
    assert image.superseded_at is None and image.item_id is not None


def test_a_receiver_may_look_at_the_thread_of_an_item(
    transactional_db: None, context: RequestContext
) -> None:
    seen: list[tuple[str, str | None]] = []

    def receive(instance: models.ThreadItem, **kwargs: Any) -> None:
        seen.append((instance.thread.owner, instance.thread.title))

    thread_rows.save(make_thread(title="Foxes"), context)
    post_save.connect(receive, models.ThreadItem)
    try:
        item_rows.save("thr_1", make_message(), context)
        item_rows.save("thr_1", make_message(), context)
    finally:
        post_save.disconnect(receive, models.ThreadItem)
    assert seen == [(context.owner, "Foxes")] * 2


def test_a_page_takes_the_same_queries_however_long_it_is(
    transactional_db: None,
    context: RequestContext,
    django_assert_num_queries: Any,
) -> None:
    thread_rows.save(make_thread(), context)
    images = [
        models.GeneratedImage(thread_id="thr_1", call_id=f"ig_{n}") for n in range(50)
    ]
    models.GeneratedImage.objects.bulk_create(images)
    models.Attachment.objects.create(
        id="atc_1", owner=context.owner, kind="file", name="a", mime_type="text/plain"
    )
    for n, image in enumerate(images):
        payloads: list[tuple[str, dict[str, Any]]] = [
            ("generated_image", {"image": {"id": f"ig_{n}"}}),
            (
                "user_message",
                {
                    "content": [
                        {"type": "input_text", "text": f"chatkit-image:{image.pk}"}
                    ],
                    "attachments": ["atc_1"],
                    "inference_options": {},
                },
            ),
        ]
        models.ThreadItem.objects.bulk_create(
            models.ThreadItem(
                thread_id="thr_1",
                item_id=f"{kind}_{n}",
                type=kind,
                payload=payload | {"type": kind},
            )
            for kind, payload in payloads
        )
    for limit in (2, 100):
        # The items, their images, their attachments.
        with django_assert_num_queries(3):
            page = item_rows.load_page("thr_1", None, limit, "asc", context)
        assert len(page.data) == limit
        assert "chatkit-image:" not in page.model_dump_json()


def test_a_list_of_threads_reads_no_items(
    full_thread: None, context: RequestContext, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1) as captured:
        page = thread_rows.load_page(20, None, "desc", context)
    assert [thread.id for thread in page.data] == ["thr_1"]
    assert "threaditem" not in captured.captured_queries[0]["sql"]


async def test_an_item_of_an_unknown_type_is_left_out_of_its_page(
    store: DjangoStore,
    context: RequestContext,
    thread: types.ThreadMetadata,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for n in range(4):
        await store.add_thread_item("thr_1", make_message(f"m{n}"), context)
    rows = models.ThreadItem.objects.filter(item_id__in=["m1", "m2"])
    await rows.aupdate(type="hologram", payload={"type": "hologram", "depth": 3})
    seen, after = [], None
    for _ in range(4):
        page = await store.load_thread_items("thr_1", after, 1, "asc", context)
        seen.append([item.id for item in page.data])
        after = page.after
    assert seen == [["m0"], [], [], ["m3"]] and not page.has_more
    assert "of thread thr_1 is left out" in caplog.text
    with pytest.raises(NotFoundError, match="Item m1 not found in thread thr_1"):
        await store.load_item("thr_1", "m1", context)


async def test_pages_for_the_client_are_full_and_without_hidden_items(
    store: DjangoStore, context: RequestContext, thread: types.ThreadMetadata
) -> None:
    for n in range(6):
        kind = (types.HiddenContextItem, types.SDKHiddenContextItem)[n % 2]
        hidden = kind(id=f"h{n}", thread_id="thr_1", created_at=T0, content="secret")
        await store.add_thread_item("thr_1", hidden, context)
        await store.add_thread_item("thr_1", make_message(f"m{n}"), context)
    page = await store.load_visible_items("thr_1", "h1", 3, "asc", context)
    assert [item.id for item in page.data] == ["m1", "m2", "m3"]
    page = await store.load_visible_items("thr_1", page.after, 3, "asc", context)
    assert [item.id for item in page.data] == ["m4", "m5"] and not page.has_more


async def test_what_is_not_found_is_named(
    store: DjangoStore, context: RequestContext, thread: types.ThreadMetadata
) -> None:
    for call, message in (
        (store.load_thread("thr_9", context), "Thread thr_9 not found"),
        (store.load_item("thr_1", "m", context), "Item m not found in thread thr_1"),
        (store.load_attachment("atc_9", context), "Attachment atc_9 not found"),
        (store.load_threads(9, "thr_9", "asc", context), "Nothing to list after thr_9"),
    ):
        with pytest.raises(NotFoundError, match=f"^{message}$"):
            await call


async def test_an_attachment_belongs_to_one_thread(
    store: DjangoStore, context: RequestContext, thread: types.ThreadMetadata
) -> None:
    await store.save_thread(make_thread("thr_2"), context)
    await store.save_attachment(make_attachment(thread_id="thr_1"), context)
    with pytest.raises(
        RequestRefused, match="^Attachment atc_1 belongs to another thread.$"
    ):
        await store.save_attachment(make_attachment(thread_id="thr_2"), context)
