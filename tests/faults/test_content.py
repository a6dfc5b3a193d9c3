"""What a model sends in place of an image, and in an image, through a whole turn."""

from __future__ import annotations

import base64
import gzip
import logging
import socket
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from chatkit import types

from chatkit_images import storage, times
from chatkit_images.context import RequestContext
from chatkit_images.models import GeneratedImage, ThreadItem
from chatkit_images.store import DjangoStore
from chatkit_images.testing import Image, LoopbackAPI, Text, Wait
from tests.client import ChatClient, done_items, of_type, thread_id
from tests.image_files import chunk, image_file, png_of

from .browsing import Raw, added, done, item_of, partial
from .test_ends import check_rows, check_wire, place, served, shown_items
from .watching import FORMATS

__all__ = ["place"]  # A fixture of the other module's.
RASTERS = ("png", "jpeg", "webp", "gif")
XMLNS = b'xmlns="http://www.w3.org/2000/svg"'
SVGS = {
    "script": b"<svg %s><script>alert(1)</script></svg>" % XMLNS,
    "onload": b'<svg %s onload="alert(1)"/>' % XMLNS,
    "foreign": b"<svg %s><foreignObject><p>a</p></foreignObject></svg>" % XMLNS,
    "declared": b'<?xml version="1.0"?><!-- a --><svg %s/>' % XMLNS,
}
WRAPPINGS: dict[str, Callable[[bytes], str]] = {
    "data-url": lambda data: f"data:image/png;base64,{coded(data)}",
    "lines": lambda data: f"{coded(data)[:76]}\n{coded(data)[76:]}",
    "spaces": lambda data: f" {coded(data)} ",
    "no-padding": lambda data: coded(data).rstrip("="),
    "url-safe": lambda data: base64.urlsafe_b64encode(data).decode(),
    "percent": lambda data: quote(coded(data), safe=""),
    "slashes": lambda data: coded(data).replace("/", "\\/"),
    "quotes": lambda data: f'"{coded(data)}"',
    "twice": lambda data: coded(coded(data).encode()),
    "hexadecimal": bytes.hex,
}
DOCUMENTS = {
    "html": b"<!DOCTYPE html><script>alert(1)</script>",
    "xhtml": b'<html xmlns="http://www.w3.org/1999/xhtml"/>',
    "javascript": b"alert(document.cookie)",
    "xml": b'<?xml version="1.0"?><a/>',
    "svg-with-entities": b'<!DOCTYPE svg [<!ENTITY a "b">]><svg>&a;</svg>',
    "pdf": b"%PDF-1.7\n",
    "zip": b"PK\x03\x04" + bytes(60),
    "gzipped-svg": gzip.compress(SVGS["script"]),
    "text": b"I cannot draw that.",
    "tiff": b"II*\x00" + bytes(60),
    "bmp": b"BM" + bytes(60),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "ico": b"\x00\x00\x01\x00" + bytes(60),
}
PAYLOAD = b"<script>alert(1)</script>PK\x03\x04"
HOSTILE = {
    "up": "../../../etc/passwd",
    "absolute": "/etc/passwd",
    "percent": "ig_%2e%2e%2f",
    "nul": "ig_\x00.png",
    "newline": "ig_\r\nX-Evil: 1",
    "long": "ig_" + "a" * 252,
    "quotes": "ig_\"'><script>",
    "backslash": "..\\..\\evil",
}


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def say(chat: ChatClient, model: LoopbackAPI, data: bytes) -> list[Any]:
    """Return the events of an answer whose image has these bytes."""
    model.respond_with(Image(data=data, partials=0), Text("Done."))
    events = await chat.say("a meadow")
    check_wire(events)
    assert of_type(events, "error") == []
    return events


async def check_refused(events: list[Any], *codes: str) -> None:
    """The call has failed with a reason, and left no byte."""
    assert done_items(events, "generated_image") == []
    texts = [m["content"][0]["text"] for m in done_items(events, "assistant_message")]
    assert set(texts) == {"The image could not be generated.", "Done."}
    image = await GeneratedImage.objects.aget()
    assert image.status == "failed"
    assert image.error_code in codes
    assert image.error_message
    assert image.file.name == ""
    await check_rows()


@pytest.mark.row("C01")
@pytest.mark.parametrize("kind", [pytest.param(k, id=f"C01-{k}") for k in SVGS])
async def test_an_svg_is_shown_in_a_page_and_never_by_itself(
    chat: ChatClient, model: LoopbackAPI, kind: str
) -> None:
    (item,) = done_items(await say(chat, model, SVGS[kind]), "generated_image")
    response = await chat.get(item["image"]["url"])
    assert response["Content-Type"] == "image/svg+xml"
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.row("C02")
@pytest.mark.row("C09")
@pytest.mark.parametrize("kind", [pytest.param(k, id=f"C02-{k}") for k in DOCUMENTS])
async def test_what_is_no_image_is_not_stored(
    chat: ChatClient, model: LoopbackAPI, kind: str
) -> None:
    """The model says PNG, whatever it sends."""
    await check_refused(await say(chat, model, DOCUMENTS[kind]), "unknown_type")


@pytest.mark.row("C03")
@pytest.mark.parametrize(
    "mime",
    [
        pytest.param(mime, id=f"C03-{mime}")
        for mime in ("text/html", "image/svg+xml", "image/png", "application/xml")
    ],
)
@pytest.mark.parametrize("kind", ["html", "javascript"])
async def test_the_type_of_a_data_url_is_not_believed(
    chat: ChatClient, context: RequestContext, mime: str, kind: str
) -> None:
    """A project's own item may bring a ``data:`` URL; its bytes say what it is."""
    store = DjangoStore()
    thread = types.ThreadMetadata(id="thr_1", created_at=times.now())
    await store.save_thread(thread, context)
    text = base64.b64encode(DOCUMENTS[kind]).decode()
    item = types.GeneratedImageItem(
        id="msg_1",
        thread_id="thr_1",
        created_at=times.now(),
        image=types.GeneratedImage(id="ig_1", url=f"data:{mime};base64,{text}"),
    )
    await store.add_thread_item("thr_1", item, context)

    found = await store.load_item("thr_1", "msg_1", context)
    assert isinstance(found, types.GeneratedImageItem)
    assert found.image is None or found.image.url == ""
    assert text not in str((await ThreadItem.objects.aget()).payload)
    assert list(storage.listing()) == []


@pytest.mark.row("C04")
@pytest.mark.parametrize("place", ["fs", "s3"], indirect=True)
@pytest.mark.parametrize("form", [pytest.param(f, id=f"C04-{f}") for f in RASTERS])
async def test_what_follows_an_image_is_not_served(
    chat: ChatClient, model: LoopbackAPI, form: str, place: str
) -> None:
    events = await say(chat, model, FORMATS[form] + PAYLOAD)
    (item,) = done_items(events, "generated_image")
    assert await served(chat, item) == FORMATS[form]


@pytest.mark.row("C05")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("====", "invalid_base64", id="C05-padding"),
        pytest.param("iVBO*R$w0K", "invalid_base64", id="C05-foreign"),
        pytest.param("iVBORw0K\niVBO", "invalid_base64", id="C05-newline"),
        pytest.param("data:image/png;base64,iVBO", "invalid_base64", id="C05-url"),
        pytest.param("iVBORw0KGgo", "invalid_base64", id="C05-cut"),
        pytest.param("iVBORw0KGgo=", "damaged", id="C05-signature-only"),
        pytest.param("ÄÖÜß", "invalid_base64", id="C05-umlauts"),
    ],
)
async def test_base64_of_no_image_is_refused(
    chat: ChatClient, model: LoopbackAPI, text: str, code: str
) -> None:
    item = item_of("ig_1") | {"status": "completed", "result": text}
    end = {"type": "response.output_item.done", "output_index": 0, "item": item}
    model.respond_with(added("ig_1", 0), Raw(end), Text("Done."))
    events = await chat.say("a meadow")
    check_wire(events)
    await check_refused(events, code)


@pytest.mark.parametrize(
    "client", ["tests.chat.EveryImage", "openai.DefaultAsyncHttpxClient"]
)
@pytest.mark.parametrize("wrapping", WRAPPINGS)
async def test_a_wrapped_image_is_an_image(
    chat: ChatClient, model: LoopbackAPI, settings: Any, wrapping: str, client: str
) -> None:
    """A gateway sends preview and image so; the answer has them both."""
    settings.HTTP_CLIENT = client
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"KEEP_PARTIAL_IMAGES": True}
    preview, data = FORMATS["jpeg"], FORMATS["png"]
    wrap = WRAPPINGS[wrapping]
    first = partial("ig_1", 0, 0, preview).event | {"partial_image_b64": wrap(preview)}
    item = item_of("ig_1") | {"status": "completed", "result": wrap(data)}
    end = {"type": "response.output_item.done", "output_index": 0, "item": item}
    model.respond_with(added("ig_1", 0), Raw(first), Wait(0.3), Raw(end), Text("Done."))

    events = await chat.say("a meadow")

    check_wire(events)
    (shown,) = done_items(events, "generated_image")
    assert await served(chat, shown) == data
    image = await GeneratedImage.objects.aget()
    (kept,) = [part async for part in image.partials.all()]
    assert storage.read(str(kept.file.name)) == preview


@pytest.mark.row("C06")
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("form", [pytest.param(f, id=f"C06-{f}") for f in RASTERS])
async def test_a_cut_image_is_no_image(
    chat: ChatClient, model: LoopbackAPI, form: str, share: float
) -> None:
    data = FORMATS[form]
    events = await say(chat, model, data[: max(1, int(len(data) * share))])
    await check_refused(events, "damaged", "unknown_type")


@pytest.mark.row("C06")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="C06-png-without-pixels"),
        pytest.param(b"garbage", id="C06-png-of-garbage"),
        pytest.param(zlib.compress(b"\0" * 40), id="C06-png-of-few-pixels"),
    ],
)
async def test_right_checksums_do_not_make_an_image(
    chat: ChatClient, model: LoopbackAPI, body: bytes
) -> None:
    data = png_of(64, 64, chunk(b"IDAT", body))
    await check_refused(await say(chat, model, data), "damaged")


@pytest.mark.row("C07")
@pytest.mark.parametrize(
    "side", [pytest.param(side, id=f"C07-{side}") for side in (6_400, 13_000, 60_000)]
)
async def test_a_bomb_is_refused(
    chat: ChatClient, model: LoopbackAPI, side: int
) -> None:
    await check_refused(
        await say(chat, model, png_of(side, side)), "too_many_pixels", "damaged"
    )


@pytest.mark.row("C08")
@pytest.mark.parametrize("size", [pytest.param((1, 60_000), id="C08-1x60000")])
async def test_an_odd_shape_is_an_image(
    chat: ChatClient, model: LoopbackAPI, size: tuple[int, int]
) -> None:
    data = image_file("green", size=size)
    (item,) = done_items(await say(chat, model, data), "generated_image")
    assert await served(chat, item) == data


@pytest.mark.row("C11")
@pytest.mark.parametrize("place", ["fs", "s3"], indirect=True)
@pytest.mark.parametrize("kind", [pytest.param(k, id=f"C11-{k}") for k in HOSTILE])
async def test_no_id_of_the_providers_is_in_a_name(
    chat: ChatClient, model: LoopbackAPI, kind: str, place: str
) -> None:
    data = FORMATS["png"]
    model.respond_with(done(HOSTILE[kind], 0, data), Text("Done."))
    events = await chat.say("a meadow")
    check_wire(events)
    assert of_type(events, "error") == []
    image = await GeneratedImage.objects.aget()
    assert storage.NAME.fullmatch(str(image.file.name))
    await check_rows()
    (item,) = await shown_items(chat, thread_id(events))
    assert await served(chat, item) == data


@pytest.mark.row("C17")
@pytest.mark.parametrize("where", [pytest.param("turn", id="C17-turn")])
async def test_no_url_of_anybody_is_fetched(
    chat: ChatClient,
    context: RequestContext,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    """There are URLs in an item and in words; the server connects to none."""
    asked: list[Any] = []
    resolve = socket.getaddrinfo

    def note(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", note)
    model.respond_with(Text("![](http://metadata.invalid/latest)"))
    key = thread_id(await chat.say("http://metadata.invalid/image.png"))
    item = types.GeneratedImageItem(
        id="msg_1",
        thread_id=key,
        created_at=times.now(),
        image=types.GeneratedImage(id="ig_1", url="http://metadata.invalid/a.png"),
    )
    await DjangoStore().add_thread_item(key, item, context)
    model.respond_with(Text("Done."))
    await chat.say("And now?", key)
    assert set(asked) <= {"127.0.0.1", "localhost", None}
    assert "metadata.invalid/a.png" not in str(model.requests[-1])


@pytest.mark.row("C18")
@pytest.mark.row("D07")
@pytest.mark.parametrize("place", ["fs", "s3"], indirect=True)
async def test_a_turn_goes_on_without_an_image_that_is_gone(
    chat: ChatClient, model: LoopbackAPI, place: str
) -> None:
    events = await say(chat, model, FORMATS["png"])
    image = await GeneratedImage.objects.aget()
    storage.delete(str(image.file.name))

    (item,) = await shown_items(chat, thread_id(events))
    assert (await chat.get(item["image"]["url"])).status_code == 410
    model.respond_with(Text("Again."))
    again = await chat.say("And at night?", thread_id(events))

    assert of_type(again, "error") == []
    asked = str(model.requests[-1]["input"])
    assert "input_image" not in asked
    assert "/chatkit/images/" not in asked


@pytest.mark.row("S27")
@pytest.mark.parametrize("form", [pytest.param(f, id=f"S27-{f}") for f in FORMATS])
async def test_no_base64_is_in_an_event_or_a_log(
    chat: ChatClient,
    model: LoopbackAPI,
    caplog: pytest.LogCaptureFixture,
    form: str,
) -> None:
    data = FORMATS[form]
    with caplog.at_level(logging.DEBUG, logger="chatkit_images"):
        model.respond_with(Image(data=data, partials=2), Text("Done."))
        events = await chat.say("a meadow")
        model.respond_with(Image(data=data[:-9], partials=1), Text("Done."))
        events += await chat.say("a meadow")
    ours = [r.getMessage() for r in caplog.records if "chatkit_images" in r.name]
    for text in (str(events), str(ours)):
        assert base64.b64encode(data).decode()[:60] not in text
        assert ";base64," not in text
    assert max(len(str(event)) for event in events) < 64 * 1024
