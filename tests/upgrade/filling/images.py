"""Threads with an image in every state that there is."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import sync_to_async
from chatkit import types
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings
from people import Person, reach
from PIL import Image as Pillow

from chatkit_images.testing import (
    ErrorEvent,
    FailedImage,
    Gate,
    Image,
    Images,
    Text,
    Usage,
)

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'
LOOK = Text("Here you are.", chunk=64)
MORE = Text("Tell me what to change.", chunk=64)


def square(form: str, colour: str = "orange") -> bytes:
    """Return a small image of one colour."""
    out = io.BytesIO()
    Pillow.new("RGB", (32, 24), colour).save(out, form)
    return out.getvalue()


@contextmanager
def without_storage(spool: bool = True) -> Iterator[None]:
    """Let no file be written to the storage, nor to the spool if that is gone too."""
    blocked = settings.WORK / "blocked"
    blocked.touch()
    app = settings.CHATKIT_IMAGES
    if not spool:
        app = app | {"SPOOL_DIR": blocked / "spool"}
    with override_settings(MEDIA_ROOT=blocked / "media", CHATKIT_IMAGES=app):
        yield


@contextmanager
def using(**values: Any) -> Iterator[None]:
    """Change settings of the app."""
    with override_settings(CHATKIT_IMAGES=settings.CHATKIT_IMAGES | values):
        yield


async def formats(ann: Person) -> str:
    """Fill a thread with complete images of every format."""
    first = Image(partials=2, size="64x64", quality="high", background="opaque")
    usage = Usage(1200, 340, cached_tokens=64, reasoning_tokens=12)
    key = await ann.begin("Formats", "a red fox in the snow", LOOK, first, MORE, usage)
    for form in ("JPEG", "WEBP", "GIF"):
        image = Image(data=square(form), format=form.lower(), partials=0)
        await ann.ask(f"the same as {form}", key, image, MORE)
    await ann.ask("as a drawing of lines", key, Image(data=SVG, partials=0), MORE)
    context = await ann.context(key)
    thread = await ann.store.load_thread(key, context)
    thread.metadata = {"customer": {"number": 7, "vip": True}, "tags": ["fox", "äöü"]}
    thread.allowed_image_domains = ["images.example.com"]
    await ann.store.save_thread(thread, context)
    return key


async def ends(ann: Person) -> str:
    """Fill a thread with images that have no final, each for another reason."""
    key = await ann.begin("Ends", "one that fails", Image(result=False), MORE)
    await ann.ask("one that is blocked", key, FailedImage(partials=1), MORE)
    cut = Image(partials=1, finish=False)
    await ann.ask("one whose stream breaks", key, LOOK, cut, ErrorEvent())
    with without_storage(spool=False):
        await ann.ask("one that is not saved", key, Image(partials=0), MORE)
    for previews in (1, 0):
        gate = Gate()
        image = Image(partials=previews, gate=gate)
        async with ann.asking("one to stop", key, LOOK, image, MORE) as events:
            await reach(gate, preview=bool(previews))
            await ann.stop(key)
            async for _ in events:
                pass
    for previews in (1, 0):
        gate = Gate()
        image = Image(partials=previews, gate=gate)
        async with ann.asking("one to interrupt", key, LOOK, image, MORE) as events:
            await reach(gate, preview=bool(previews))
            await sync_to_async(call_command)("chatkit_images_recover", "--all")
            async for _ in events:
                pass
    return key


async def retried(ann: Person) -> str:
    """Let an answer with an image be given once more."""
    events = await ann.ask("a boat", None, LOOK, Image(partials=1), MORE)
    (asked,) = (
        event["item"]
        for event in events
        if event["type"] == "thread.item.done"
        and event["item"]["type"] == "user_message"
    )
    key = str(asked["thread_id"])
    ann.model.respond_with(LOOK, Image(partials=1, prompt="a better boat"), MORE)
    await ann.stream("threads.retry_after_item", thread_id=key, item_id=asked["id"])
    await ann.call("threads.update", thread_id=key, title="Retried")
    return key


async def parallel(ann: Person) -> str:
    """Let two images be made at once, and keep their previews."""
    gate = Gate()
    both = Images(Image(partials=2, prompt="a cat", gate=gate), Image(partials=0))
    with using(KEEP_PARTIAL_IMAGES=True):
        async with ann.asking("a cat and a house", None, both, MORE) as events:
            await reach(gate)
            gate.open()
            created = await anext(events)
            async for _ in events:
                pass
    key = str(created["thread"]["id"])
    await ann.call("threads.update", thread_id=key, title="Parallel")
    return key


async def spooled(bob: Person) -> str:
    """Let an image be made while the storage is away, and another before."""
    key = await bob.begin("Spooled", "a tree", LOOK, Image(partials=1), MORE)
    with without_storage():
        await bob.ask("a tree in the storm", key, LOOK, Image(partials=0), MORE)
    return key


async def locked(ann: Person, status: types.ThreadStatus) -> str:
    """Fill a thread and let it take no more messages."""
    title = status.type.capitalize()
    key = await ann.begin(title, "a lighthouse", LOOK, Image(partials=0), MORE)
    context = await ann.context(key)
    thread = await ann.store.load_thread(key, context)
    thread.status = status
    await ann.store.save_thread(thread, context)
    return key
