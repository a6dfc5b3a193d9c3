"""Whose work is done next, and what waits for what."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any, get_args

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from chatkit_images import imaging, models, storage
from chatkit_images.context import RequestContext
from chatkit_images.contexts import working_for
from chatkit_images.imaging import budget, pixels
from chatkit_images.storage import backend, lanes, room
from chatkit_images.storage.turns import Threads
from tests.client import ChatClient
from tests.image_files import image_file
from tests.imaging.test_budget import CLAIM
from tests.tuning import tuned

DIRECT = "/chatkit/attachments/"


@pytest.fixture
def threads() -> Iterator[Threads]:
    found = Threads(1, "test")
    yield found
    found.shutdown()


class Large:
    """Something whose end can be seen."""


class Held:
    """A thread that is busy until it is released; then it does what waits for it."""

    def __init__(self, threads: Threads, owner: str = "nobody") -> None:
        self.order: list[str] = []
        self._release, begun = threading.Event(), threading.Event()
        self._threads = threads

        def hold() -> None:
            begun.set()
            assert self._release.wait(60)

        self.jobs: list[Future[None]] = [threads.submit(owner, hold)]
        assert begun.wait(60)

    def submit(self, *names: str, spare: bool = False) -> None:
        for name in names:
            owner = name[0]
            note = lambda name=name: self.order.append(name)  # noqa: E731
            self.jobs.append(self._threads.submit(owner, note, spare=spare))

    def released(self) -> list[str]:
        self._release.set()
        for job in self.jobs:
            if not job.cancelled():
                job.result(60)
        return self.order


def test_everybody_has_their_turn(threads: Threads) -> None:
    held = Held(threads)
    held.submit("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    assert held.released() == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_a_first_job_waits_for_what_is_being_done_only(threads: Threads) -> None:
    """Whoever has had a turn waits for all others again."""
    held = Held(threads, "a")
    # Their owner has a job in the works already.
    held.submit("a1", "a2", "a3", "b1")
    assert held.released() == ["b1", "a1", "a2", "a3"]


def test_first_jobs_of_many_do_not_stop_the_others(threads: Threads) -> None:
    held = Held(threads, "z")
    held.submit("z1", *"abcdefgh")
    assert held.released() == [*"abcd", "z1", *"efgh"]


def test_what_can_be_spared_waits_for_all_that_is_wanted(threads: Threads) -> None:
    held = Held(threads)
    held.submit("a1", "a2", "b1", spare=True)
    held.submit("c1", "c2", "a3")
    assert held.released() == ["c1", "a3", "c2", "a1", "b1", "a2"]


def test_a_job_that_is_cancelled_is_skipped(threads: Threads) -> None:
    held = Held(threads)
    held.submit("a1", "a2", "b1")
    assert held.jobs[1].cancel()
    assert held.released() == ["b1", "a2"]


def test_an_error_is_the_callers_own_and_keeps_no_bytes(threads: Threads) -> None:
    kept = []

    def fail() -> None:
        data = Large()
        kept.append(weakref.ref(data))
        raise ValueError(data)

    gc.disable()
    try:
        assert isinstance(threads.submit("a", fail).exception(60), ValueError)
        threads.drain()
        assert kept[0]() is None
    finally:
        gc.enable()
    assert threads.submit("a", lambda: "next").result(60) == "next"


async def test_a_lane_serves_by_turns_those_for_whom_it_works(
    context: RequestContext, foreign: RequestContext
) -> None:
    held, order = Held(lanes.executor("uploads")), []
    jobs = []
    for name, whose in (("a", context), ("a", context), ("b", foreign)):
        with working_for(whose):
            jobs.append(lanes.begin("uploads", order.append, name))
    held.released()
    for job in jobs:
        job.result(60)
    assert order == ["a", "b", "a"]


async def test_no_lane_waits_for_another() -> None:
    """A4."""
    for busy in get_args(lanes.Lane):
        with ExitStack() as stack:
            release = threading.Event()
            stack.callback(release.set)
            for _ in range(20):
                lanes.begin(busy, release.wait, 60)
            others = [lane for lane in get_args(lanes.Lane) if lane != busy]
            jobs = [storage.call(lane, lambda: None) for lane in others]
            await asyncio.wait_for(asyncio.gather(*jobs), 60)


async def test_a_write_that_waits_for_a_thread_is_no_silence_of_the_storage(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time counts from when it begins."""
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, STORAGE_TIMEOUT=0.5)
    answer, put = threading.Event(), backend.put

    def slow(name: str, data: bytes, *where: str | None) -> None:
        answer.wait(0.3)
        put(name, data, *where)

    monkeypatch.setattr(backend, "put", slow)
    names = [storage.new_name("images", "png") for _ in range(16)]
    uploads = [storage.upload(name, b"bytes") for name in names]
    # The second eight are done after 0.6 seconds.
    with caplog.at_level(logging.WARNING):
        assert all(await asyncio.gather(*uploads))
    assert caplog.messages == []

    release = threading.Event()
    for _ in range(8):
        lanes.begin("storage", release.wait, 60)
    name = storage.new_name("images", "png")
    with caplog.at_level(logging.WARNING):
        assert not await storage.upload(name, b"bytes")
    release.set()
    assert caplog.messages == [
        f"No thread was free to write {name} for 0.5 s, it stays in the spool"
    ]
    assert storage.read(name) == b"bytes"


# Uploads


def form(data: bytes) -> dict[str, Any]:
    return {"file": SimpleUploadedFile("fox.webp", data)}


def outcome(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def claim(side: int) -> bytes:
    """Return A1's file with other sides."""
    bits = (side - 1) | (side - 1) << 14
    return CLAIM[:21] + bits.to_bytes(4, "little") + CLAIM[25:]


async def test_uploads_at_once_take_no_more_than_the_budget(
    chat: ChatClient, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """A1."""
    settings.CHATKIT_IMAGES = tuned(
        settings.CHATKIT_IMAGES, DECODE_MEMORY_BYTES=20_000_000
    )
    decoded, load, held = 0, pixels.load, []
    lock = threading.Lock()

    def spy(data: bytes, mime: str, layout: Any, side: int) -> Any:
        nonlocal decoded
        size = int(layout.width * layout.height * 16.6)
        with lock:
            decoded += size
            held.append(decoded)
        try:
            return load(data, mime, layout, side)
        finally:
            with lock:
                decoded -= size

    monkeypatch.setattr(pixels, "load", spy)
    # Those of other doors do so in other threads.
    finals = [storage.decode(_examine, claim(1000)) for _ in range(3)]
    previews = [storage.call("redraw", _examine, claim(900)) for _ in range(3)]
    sent = [chat.post(DIRECT, form(claim(side))) for side in (6300, 1000) * 4]
    answers = await asyncio.gather(*sent, *finals, *previews)
    refused = [outcome(answer) for answer in answers[:8:2]]
    assert refused == [(413, "too_many_pixels")] * 4
    assert [answer.status_code for answer in answers[1:8:2]] == [200] * 4
    assert len(held) == 10 and max(held) <= 20_000_000
    assert budget.held() == 0


def _examine(data: bytes) -> None:
    imaging.examine(data, 320)


async def test_uploads_that_find_no_room_are_refused_before_they_are_read(
    chat: ChatClient, stranger: ChatClient, ann: User, png: bytes, settings: Any
) -> None:
    owner = RequestContext.for_user(ann).scope
    with ExitStack() as stack:
        for _ in range(room.SHARE):
            stack.enter_context(room.have(owner, 1))
        refused = await chat.post(DIRECT, form(png))
        assert outcome(refused) == (429, "too_many_uploads")
        assert 1 <= int(refused["Retry-After"]) <= 7
        assert (await stranger.post(DIRECT, form(png))).status_code == 200
        for number in range(room.MOST - room.SHARE):
            stack.enter_context(room.have(f"other {number}", 1))
        assert outcome(await stranger.post(DIRECT, form(png))) == (
            503,
            "too_many_uploads",
        )
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, UPLOAD_WAITING_BYTES=10)
    # A single one always fits.
    assert (await chat.post(DIRECT, form(png))).status_code == 200
    with room.have(owner, 4):
        assert outcome(await chat.post(DIRECT, form(png)))[0] == 429
        assert outcome(await stranger.post(DIRECT, form(png)))[0] == 503


async def test_an_upload_that_waits_for_the_storage_waits_on_a_disk(
    chat: ChatClient, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, STORAGE_MEMORY_BYTES=8)
    data = image_file("red")
    response = await chat.post(DIRECT, form(data))
    assert response.status_code == 200
    row = await models.Attachment.objects.aget()
    assert storage.read(row.file.name) == data
    assert not storage.spool.has(row.file.name)
