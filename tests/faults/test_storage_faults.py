"""An S3 server in trouble: the image is there in time, and its bytes stay."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from chatkit_images import storage
from chatkit_images.testing import Image, Images, LoopbackAPI, Text
from tests.client import ChatClient
from tests.image_files import image_file
from tests.tuning import tuned

from .proxy import Network
from .storages import s3_storage
from .watching import FORMATS, arrives, flush, listen, only_image, served, spooled

# The person has the image after so many seconds, whatever the storage does.
IN_TIME = 18
# Words wait for nothing but a busy machine; those that waited for a storage would come
# after the image.
AT_ONCE = 10


@dataclass(frozen=True)
class Case:
    """Trouble with S3.

    Attributes:
        trouble: What the network does.
        seconds: How long a write takes at least, which the words must not wait for.
        spooled: Whether the bytes are in the spool afterwards.
        timeout: The project's ``STORAGE_TIMEOUT``; short where a write never ends.
    """

    trouble: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0
    spooled: bool = False
    timeout: float = 10


CASES = {
    "slow": Case({"delay": 0.2}),
    "very-slow": Case({"delay": 3, "writes_only": True}, seconds=3),
    "fails-twice": Case({"status": 500, "code": "InternalError", "times": 2}),
    "always-fails": Case({"status": 500, "code": "InternalError"}, spooled=True),
    "cut-in-the-body": Case({"cut_after": 100}, spooled=True),
    "cut-once": Case({"cut_after": 100, "times": 1}),
    "answer-lost-once": Case({"lose_answer": True, "times": 1}),
    "answer-lost-always": Case({"lose_answer": True}, spooled=True),
    "silent": Case({"stall_after": 0}, seconds=1, spooled=True, timeout=1.5),
    "stalls-in-the-body": Case(
        {"stall_after": 50}, seconds=1, spooled=True, timeout=1.5
    ),
    "forbidden": Case({"status": 403, "code": "AccessDenied"}, spooled=True),
    "slow-down-once": Case({"status": 503, "code": "SlowDown", "times": 1}),
    "slow-down-always": Case({"status": 503, "code": "SlowDown"}, spooled=True),
    "conflict-once": Case(
        {"status": 409, "code": "ConditionalRequestConflict", "times": 1}
    ),
    "conflict-always": Case(
        {"status": 409, "code": "ConditionalRequestConflict"}, spooled=True
    ),
}


@pytest.fixture
def s3(net: Network, settings: Any, request: pytest.FixtureRequest) -> Network:
    """The project's storage is an S3 server behind a network that can be troubled."""
    location = "".join(c if c.isalnum() else "-" for c in request.node.name)
    settings.STORAGES = settings.STORAGES | {
        "chatkit_images": s3_storage(net.url, location)
    }
    settings.CHATKIT_IMAGES = tuned(
        settings.CHATKIT_IMAGES, STORAGE_BACKOFF_SECONDS=0.05, RUN_STALE_SECONDS=2
    )
    return net


async def patiently(what: Any, seconds: float = 30) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "It never came."
        await asyncio.sleep(0.02)


@pytest.mark.sweep(20)
@pytest.mark.row("S15")
@pytest.mark.parametrize(
    ("form", "name"),
    [
        pytest.param(form, name, id=f"S15-{name}-{form}")
        for name in CASES
        for form in FORMATS
    ],
)
async def test_an_image_survives_the_storage(
    s3: Network,
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    form: str,
    name: str,
) -> None:
    case, data = CASES[name], FORMATS[form]
    settings.CHATKIT_IMAGES = tuned(
        settings.CHATKIT_IMAGES, STORAGE_TIMEOUT=case.timeout
    )
    model.respond_with(Image(data=data, partials=1), Text("Done."))
    trouble = s3.suffer(**case.trouble)

    answer = await listen(chat, "a meadow")

    # A busy machine may take longer to connect than an image waits.
    await patiently(lambda: trouble.met)
    assert answer.done_at < IN_TIME
    assert answer.text_at < AT_ONCE
    if case.seconds:
        assert answer.text_at < answer.done_at
        assert answer.done_at >= case.seconds
    image = await only_image()
    assert image.status == "completed"
    # Still in trouble: the bytes come from the spool then.
    assert (image.file.name in spooled()) is case.spooled
    if case.spooled:
        assert await served(chat, answer.item) == data

    s3.heal()
    if form in ("png", "webp", "svg"):
        await patiently(lambda: not unreleased())
        assert await flush()
    else:
        # One write that gets through takes one file of the spool along each time.
        for _ in range(30):
            await asyncio.to_thread(
                storage.store, storage.new_name("images", "png"), data
            )
            await asyncio.to_thread(storage.drain)
            if not spooled():
                break
            await asyncio.sleep(0.3)
    assert spooled() == []
    if "stall_after" in case.trouble:
        await s3.rest()
    await arrives(chat, answer.item, str(image.file.name), data)


def unreleased() -> set[str]:
    """Return the files of the spool that a write may still be at work on."""
    return set(spooled()) - set(storage.spool.handed_over(aged=True))


@pytest.mark.row("O09")
@pytest.mark.row("S15")
@pytest.mark.parametrize("count", [pytest.param(10, id="S15-silent-ten-images")])
async def test_a_silent_storage_holds_nobody_up(
    s3: Network, chat: ChatClient, model: LoopbackAPI, settings: Any, count: int
) -> None:
    """More images than threads, and every thread of the storage hangs."""
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, STORAGE_TIMEOUT=1.5)
    colours = [image_file("green", size=(40 + n, 40)) for n in range(count)]
    images = [Image(data=data, partials=1) for data in colours]
    model.respond_with(Images(*images), Text("Done."))
    s3.suffer(stall_after=0)

    answer = await listen(chat, "ten meadows")

    done = answer.times("thread.item.done", "generated_image")
    assert len(done) == count
    assert max(done) < IN_TIME
    assert answer.text_at < min(AT_ONCE, max(done))
    seen = [
        await served(chat, event["item"])
        for _, event in answer.events
        if event["type"] == "thread.item.done"
        and event["item"]["type"] == "generated_image"
    ]
    assert sorted(seen) == sorted(colours)
    s3.heal()
    # The writes that hung are tried again.
    await s3.rest()
    await patiently(lambda: not unreleased())
    assert await flush()
    assert spooled() == []


@pytest.mark.row("S15")
@pytest.mark.parametrize("end", [pytest.param("silent", id="S15-silent-by-default")])
async def test_the_defaults_keep_the_promise(
    s3: Network, chat: ChatClient, model: LoopbackAPI, settings: Any, end: str
) -> None:
    """The image is there after ten seconds, without any setting."""
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"TUNING": {}}
    options = s3_storage(s3.url, "default", read_timeout=20)
    settings.STORAGES = settings.STORAGES | {"chatkit_images": options}
    model.respond_with(Image(data=FORMATS["png"], partials=1), Text("Done."))
    s3.suffer(stall_after=0)

    answer = await listen(chat, "a meadow")

    assert answer.text_at < min(AT_ONCE, answer.done_at)
    assert 8 < answer.done_at < IN_TIME
    assert await served(chat, answer.item) == FORMATS["png"]
    s3.heal()
