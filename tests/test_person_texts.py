"""What a person writes is text: nothing in it is decoded, stored or looked up alone."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from typing import Any

import pytest
from chatkit import types
from chatkit.widgets import Card, Image
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chatkit_images import imaging, models, storage, url_tokens
from chatkit_images.context import RequestContext
from chatkit_images.queries import data_urls, own_urls, references
from chatkit_images.queries import items as item_rows
from chatkit_images.queries import threads as thread_rows
from chatkit_images.store import DjangoStore
from chatkit_images.testing import LoopbackAPI, Text
from chatkit_images.testing.contracts import T0, make_message, make_thread
from tests.client import ChatClient, thread_id
from tests.image_files import image_file

REMARK = "[A file was left out here. Files can be attached.]"
PNG = image_file("red")
CODED = base64.b64encode(PNG).decode()
LONG = base64.b64encode(bytes(range(256))).decode()
URL = f"data:image/png;base64,{CODED}"


def folded(text: str, width: int = 76, end: str = "\n") -> str:
    return end.join(text[at : at + width] for at in range(0, len(text), width))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"a {URL} b", "a {} b"),
        (f"![fox]({URL})", "![fox]({})"),
        (f'<img src="{URL}">', '<img src="{}">'),
        (json.dumps({"src": URL}), '{{"src": "{}"}}'),
        (json.dumps({"src": URL}).replace("/", "\\/"), '{{"src": "{}"}}'),
        (f"{URL},{URL}", "{},{}"),
        (URL.upper(), "{}"),
        (URL.replace("data:image/png", "data:"), "{}"),
        (URL.replace("image/png", "application/octet-stream"), "{}"),
        (URL.replace("image/png", "image/svg+xml;charset=utf-8;name=a"), "{}"),
        (URL.replace(";base64,", "; base64 ,"), "{}"),
        (URL.replace(":", "%3A").replace("/", "%2F").replace(",", "%2C"), "{}"),
        (URL.replace("+", "%2B").replace("=", "%3D"), "{}"),
        (URL.replace(":", "&colon;").replace("/", "&#x2F;"), "{}"),
        ("".join(f"{c}\u200b" for c in URL[22:]).join([URL[:22], " b"]), "{} b"),
        (f"data:image/png;base64,{folded(LONG)}\nand so on", "{}\nand so on"),
        (f"data:image/png;base64,\n{folded(LONG, 64)}\n\nEnd", "{}\n\nEnd"),
        ("> data:image/png;base64," + folded(LONG, 64, "\n> "), "> {}"),
        (f"data:image/png;base64, {LONG} end", "{} end"),
        (f"data:image/png;base64,{'A' * 76}\nLook at this", "{}\nLook at this"),
    ],
)
def test_bytes_in_a_persons_text_are_cut(before: str, after: str) -> None:
    assert data_urls.Cutter().cut(before) == after.format(*[REMARK] * 2)


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64, etc.",
        "data:image/png;base64,... is how it begins",
        "data:image/svg+xml,%3Csvg/%3E",
        "metadata: base64, please",
        "data\u200b:image/png;base64,AAAA",
        "The data: see base64 in the docs.",
        CODED,
        "",
    ],
)
def test_words_about_bytes_stay(text: str) -> None:
    assert data_urls.Cutter().cut(text) == text


def test_a_text_of_many_files_does_not_grow() -> None:
    text = "data:;base64,A " * 50_000
    cut = data_urls.Cutter().cut(text)
    assert cut.count(REMARK) == data_urls.REMARKS
    assert len(cut) < len(text)


@pytest.mark.parametrize(
    "part",
    ["data:", "data:image/", "data:;base64,", "data:;base64,A\n", "%2B", " ", "=",
     f"data:;base64,{'A' * 50}\n", "A" * 50 + " ", "data%3a", "&#58;", "\\n", "\u200b"],
)  # fmt: skip
def test_no_text_takes_a_cutter_long(part: str) -> None:
    text = "data:image/png;base64," + part * (1_000_000 // len(part))
    began = time.thread_time()
    data_urls.Cutter().cut(text)
    assert time.thread_time() - began < 3


def persons_items() -> list[types.ThreadItem]:
    """Return items in which everything that a person says is an image."""
    base: dict[str, Any] = {"thread_id": "thr_1", "created_at": T0}
    tag = types.UserMessageTagContent(id=URL, text=URL, data={URL: [URL]}, group=URL)
    answer = types.StructuredInputAnswer(values=[URL, "red"])
    return [
        types.UserMessageItem(
            id="msg_1",
            content=[types.UserMessageTextContent(text=f"Like {URL}?"), tag],
            quoted_text=URL,
            inference_options=types.InferenceOptions(
                model=URL, tool_choice=types.ToolChoice(id=URL)
            ),
            **base,
        ),
        types.StructuredInputItem(
            id="msg_2",
            inputs=[types.StructuredInputFreeform(id="a", question="?", answer=answer)],
            **base,
        ),
        types.ClientToolCallItem(
            id="msg_3", call_id="c", name="n", arguments={}, output=[{URL: URL}], **base
        ),
    ]


@pytest.mark.django_db(transaction=True)
async def test_what_a_person_writes_is_never_decoded(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("A person's text was decoded.")

    monkeypatch.setattr(imaging, "decode_base64", refuse)
    store = DjangoStore()
    await store.save_thread(make_thread(title=f"Like {URL}"), context)
    for item in persons_items():
        await store.add_thread_item("thr_1", item, context)

    assert await models.GeneratedImage.objects.acount() == 0
    assert list(storage.listing()) == []
    rows = [row async for row in models.ThreadItem.objects.order_by("item_id")]
    for row in rows:
        assert "base64" not in json.dumps(row.payload)
    message = await store.load_item("thr_1", "msg_1", context)
    assert isinstance(message, types.UserMessageItem)
    assert message.content[0].text == f"Like {REMARK}?"
    assert rows[1].payload["inputs"][0]["answer"]["values"] == [REMARK, "red"]
    assert rows[2].payload["output"] == [{REMARK: REMARK}]
    assert (await store.load_thread("thr_1", context)).title == f"Like {REMARK}"


async def test_all_see_what_is_kept_of_a_message(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Text("A fox."))
    events = await chat.say(f"What is {URL}?")
    page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    for seen in (events, page, model.requests[-1]):
        assert "base64" not in json.dumps(seen) and REMARK in json.dumps(seen)


@pytest.mark.django_db(transaction=True)
async def test_bytes_of_a_project_are_worked_on_in_threads_for_it(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def noting(func: Any) -> Any:
        def noted(*args: Any, **kwargs: Any) -> Any:
            seen.append(threading.current_thread().name.rpartition("_")[0])
            return func(*args, **kwargs)

        return noted

    for module, name in ((imaging, "decode_base64"), (storage, "store")):
        monkeypatch.setattr(module, name, noting(getattr(module, name)))
    store = DjangoStore()
    await store.save_thread(make_thread(), context)
    widget = Card(children=[Image(src=URL)])
    item = types.WidgetItem(id="msg_w", thread_id="thr_1", created_at=T0, widget=widget)
    await store.add_thread_item("thr_1", item, context)
    preview = types.ImageAttachment(
        id="atc_1", name="a", mime_type="image/png", preview_url=URL
    )
    await store.save_attachment(preview, context)

    assert seen == [
        "chatkit-images-decode",
        *["chatkit-images-storage"] * 2,
        "chatkit-images-scale",
        "chatkit-images-thumbnails",
    ]
    assert await models.GeneratedImage.objects.acount() == 1


async def test_all_bytes_of_an_item_have_a_bound(
    transactional_db: None,
    context: RequestContext,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    both = len(CODED) * 3 // 4 * 2
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MAX_IMAGE_BYTES": both - 1}
    store = DjangoStore()
    await store.save_thread(make_thread(), context)
    other = URL.replace(CODED, base64.b64encode(image_file("blue")).decode())
    item = make_message(text=f"{URL} {other}")
    await store.add_thread_item("thr_1", item, context)
    assert await models.GeneratedImage.objects.acount() == 1
    assert caplog.messages == ["An item has too many inline images"]


def names_and_keys(count: int) -> list[str]:
    """Return URLs of every form that might be the owner's, and are not."""
    return [
        url
        for _ in range(count)
        for url in (
            f"/media/{storage.new_name('images', 'png')}",
            f"https://b.example/{storage.new_name('thumbnails', 'webp')}?X-Signature=a",
            f"/{storage.new_name('attachments', 'png')}",
            f"/chatkit/images/{uuid.uuid4()}/full/",
            "/chatkit/images/"
            + url_tokens.make("image", uuid.uuid4().hex, "full", "user:2"),
        )
    ]


def test_a_text_takes_the_same_statements_whatever_it_names(
    transactional_db: None, context: RequestContext
) -> None:
    thread_rows.save(make_thread(), context)
    taken = set()
    for count in (1, 20, 2000):
        item = make_message(f"msg_{count}", text=" ".join(names_and_keys(count)))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            item_rows.save("thr_1", item, context)
        taken.add(len(queries))
        # Three lists of names in one statement, and two in the other.
        assert max(len(query["sql"]) for query in queries[:2]) < 3 * 500 * 90 + 3000
    assert len(taken) == 1


@pytest.mark.parametrize(
    "prefix", ["https://bucket.example/", "/media/", "https://b.example/a/b/"]
)
def test_names_of_an_owners_files_become_references(
    transactional_db: None,
    context: RequestContext,
    foreign: RequestContext,
    prefix: str,
) -> None:
    thread_rows.save(make_thread(), context)
    names = {kind: storage.new_name(kind, "png") for kind in ("images", "attachments")}
    small = [storage.new_name("thumbnails", "webp") for _ in range(2)]
    image = models.GeneratedImage.objects.create(
        thread_id="thr_1", call_id="ig_1", file=names["images"], thumbnail=small[0]
    )
    file = models.Attachment.objects.create(
        pk="atc_1",
        owner=context.owner,
        name="a",
        file=names["attachments"],
        thumbnail=small[1],
    )
    paths = [names["images"], small[0], names["attachments"], small[1]]
    text = " ".join(f"![]({prefix}{path}?Signature=abc)" for path in paths)
    told = own_urls.refer({"text": [text]}, context.owner)["text"][0]
    own = references.to_image(image.pk), references.to_attachment(file.pk)
    assert told == " ".join(f"![]({own[n]})" for n in (0, 0, 1, 1))
    assert own_urls.refer(text, foreign.owner) == text


def test_a_page_resolves_so_many_references_and_no_more(
    transactional_db: None, context: RequestContext
) -> None:
    thread_rows.save(make_thread(), context)
    image = models.GeneratedImage.objects.create(thread_id="thr_1", call_id="ig_1")
    own = references.to_image(image.pk)
    keys = [own, *(references.to_image(uuid.uuid4()) for _ in range(5000))]
    files = [references.to_attachment(f"atc_{n}") for n in range(5000)]
    item = make_message(text=" ".join(keys + files + [own]))
    item_rows.save("thr_1", item, context)
    with CaptureQueriesContext(connection) as queries:
        page = item_rows.load_page("thr_1", None, 9, "asc", context)
    assert len(queries) == 3
    assert max(len(query["sql"]) for query in queries) < references.MOST * 60 + 3000
    (shown,) = page.data
    assert isinstance(shown, types.AssistantMessageItem)
    text = shown.content[0].text
    assert own not in text and text.endswith("/")
    assert text.count("chatkit-image:") == 5000
