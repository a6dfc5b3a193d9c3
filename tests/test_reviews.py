"""Images that are hidden, held and restored: at every door, for person and model."""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from chatkit import types
from django.urls import reverse

from chatkit_images import exchange, receiving, storage, times, verdicts
from chatkit_images.context import RequestContext
from chatkit_images.imaging import ImageInfo
from chatkit_images.maintenance import erase, sweep
from chatkit_images.models import (
    Decision,
    Feedback,
    GeneratedImage,
    Run,
    Thread,
)
from chatkit_images.queries import aside, images, recovery, reviews
from chatkit_images.run_state import RunState, current_state
from chatkit_images.runs import changes
from chatkit_images.runs.registry import LIVE
from chatkit_images.storage import copying
from chatkit_images.store import DjangoStore
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from chatkit_images.verdicts import Verdict
from tests.chat import TestServer
from tests.client import URL, ChatClient, done_items, of_type
from tests.image_files import image_file

HIDDEN = "This image was hidden."
HELD = "This image is being reviewed and cannot be shown yet."


async def draw(chat: ChatClient, model: LoopbackAPI) -> tuple[GeneratedImage, str]:
    """Return an image of a new thread, and its URL."""
    model.respond_with(Image("a red fox", partials=1), Text("Done."))
    events = await chat.say("a red fox")
    (item,) = done_items(events, "generated_image")
    image = await GeneratedImage.objects.select_related("item", "thread").aget()
    return image, item["image"]["url"]


async def items(chat: ChatClient, image: GeneratedImage) -> list[dict[str, Any]]:
    page = await chat.call("items.list", thread_id=image.thread_id)
    found: list[dict[str, Any]] = page["data"]
    return found


def words(item: dict[str, Any]) -> str:
    assert item["type"] == "assistant_message"
    text: str = item["content"][0]["text"]
    return text


async def decide(action: str, image: GeneratedImage, **options: Any) -> list[Any]:
    changed: list[Any] = await sync_to_async(getattr(reviews, action))(
        [image.pk], options.pop("by", "ann"), **options
    )
    return changed


async def test_a_hidden_image_is_words_and_comes_back(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    image, url = await draw(chat, model)
    (thumbnail, preview) = [
        f"{URL}images/{image.pk}/{variant}/" for variant in ("thumbnail", "partial-0")
    ]
    before = await items(chat, image)

    assert await decide("hide", image, reason="a likeness") == [image.pk]
    after = await items(chat, image)

    assert [item["id"] for item in after] == [item["id"] for item in before]
    (shown,) = [item for item in after if item["id"] == image.item.item_id]
    assert words(shown) == HIDDEN
    thread = await chat.call("threads.get_by_id", thread_id=image.thread_id)
    assert thread["items"]["data"] == after[::-1]
    for address in (url, thumbnail, preview, f"{URL}images/{image.pk}/full/"):
        assert (await chat.get(address)).status_code == 410
    assert await decide("hide", image) == []
    assert await decide("restore", image) == [image.pk]
    assert await items(chat, image) == before
    assert (await chat.get(url)).status_code == 200
    noted = [row async for row in Decision.objects.order_by("pk")]
    assert [(row.action, row.by, row.reason) for row in noted] == [
        ("hide", "ann", "a likeness"),
        ("restore", "ann", ""),
    ]


async def test_staff_choose_the_words(chat: ChatClient, model: LoopbackAPI) -> None:
    image, _ = await draw(chat, model)

    await decide("hide", image, words="Ask us about it.")

    assert HIDDEN not in (said := str(await items(chat, image)))
    assert "Ask us about it." in said
    assert await decide("hide", image, words="Or do not.") == [image.pk]


async def test_the_model_does_not_see_what_is_hidden(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    image, _ = await draw(chat, model)
    await decide("hide", image)
    model.respond_with(Text("Well."))

    await chat.say("make it blue", image.thread_id)

    sent = str(model.requests[-1])
    assert "input_image" not in sent
    assert "was hidden from the user by the application" in sent


async def test_held_images_are_reviewed(chat: ChatClient, model: LoopbackAPI) -> None:
    image, _ = await draw(chat, model)

    await decide("hold", image)

    assert HELD in str(await items(chat, image))
    await image.arefresh_from_db()
    assert image.review_since is not None
    assert await decide("keep", image) == [image.pk]
    await image.arefresh_from_db()
    assert (image.visibility, image.review_since) == ("shown", None)


@pytest.mark.parametrize(
    "sent", ["x", '{"reason": 1}', f'{{"reason": "{"a" * 1001}"}}']
)
async def test_a_report_that_cannot_be_read_is_refused(
    chat: ChatClient, model: LoopbackAPI, sent: str
) -> None:
    image, _ = await draw(chat, model)
    url = reverse("chatkit_images:report", args=[image.pk])

    answer = await chat.post(url, sent, "application/json")

    assert answer.status_code == 400
    assert not await Feedback.objects.aexists()


async def test_a_hidden_image_cannot_be_reported(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    image, _ = await draw(chat, model)
    await decide("hide", image)
    url = reverse("chatkit_images:report", args=[image.pk])

    answer = await chat.post(url, {}, "application/json")

    assert answer.status_code == 404


async def test_a_report_is_for_staff(chat: ChatClient, model: LoopbackAPI) -> None:
    image, _ = await draw(chat, model)
    url = reverse("chatkit_images:report", args=[image.image_id])

    for _ in range(2):
        answer = await chat.post(url, {"reason": " A likeness. "}, "application/json")
        assert answer.json() == {"reported": True}

    await image.arefresh_from_db()
    assert image.review_reason == "report"
    assert image.visibility == "shown"
    said = await Feedback.objects.aget()
    assert (said.kind, said.reason) == ("negative", "A likeness.")
    assert await Decision.objects.acount() == 1
    assert await decide("keep", image) == [image.pk]
    # What staff have kept is not theirs to look at again by the same report.
    for days, review in {0: "", 2: "report"}.items():
        reports = Decision.objects.filter(action="report")
        await reports.aupdate(created_at=times.Now() - datetime.timedelta(days=days))
        answer = await chat.post(url, {"reason": "Again."}, "application/json")
        assert answer.json() == {"reported": True}
        await image.arefresh_from_db()
        assert image.review_reason == review
    assert (await Feedback.objects.aget()).reason == "Again."


class Checking(TestServer):
    """Says of each image what a test wants."""

    says: Any = None
    seen: list[bool]

    def check_image(
        self, image: GeneratedImage, data: bytes, context: RequestContext
    ) -> Any:
        """Query the database, as a project may."""
        assert image.mime == "image/png" and len(data) == image.bytes
        assert context.owner == Thread.objects.get(pk=image.thread_id).owner
        self.seen.append(image.arrived_at is not None)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@pytest.fixture
def checking(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[type]:
    settings.CHATKIT_IMAGES = {
        **settings.CHATKIT_IMAGES,
        "SERVER": "tests.test_reviews.Checking",
    }
    monkeypatch.setattr(Checking, "seen", [], raising=False)
    yield Checking
    Checking.says = None


@pytest.mark.parametrize(
    ("says", "visibility", "text", "review"),
    [
        ("hold", "held", HELD, "check"),
        ("block", "hidden", HIDDEN, ""),
        (Verdict("block", "nude", "Not here."), "hidden", "Not here.", ""),
        (RuntimeError("away"), "held", HELD, "check"),
        ("perhaps", "held", HELD, "check"),
    ],
    ids=str,
)
async def test_a_check_decides_before_a_url_leaves(
    chat: ChatClient,
    model: LoopbackAPI,
    checking: Any,
    says: Any,
    visibility: str,
    text: str,
    review: str,
) -> None:
    checking.says = says
    model.respond_with(Image("a red fox", partials=2), Text("Done."))

    events = await chat.say("a red fox")

    assert "/images/" not in str(events)
    assert done_items(events, "generated_image") == []
    image = await GeneratedImage.objects.select_related("item").aget()
    assert (image.status, image.visibility) == ("completed", visibility)
    assert image.review_reason == review
    (seen,) = [
        item
        for item in done_items(events, "assistant_message")
        if item["id"] == image.item.item_id
    ]
    assert words(seen) == text
    assert (await Decision.objects.aget()).by == "check_image"
    assert text in str(await items(chat, image))
    await decide("restore", image)
    (item,) = [i for i in await items(chat, image) if i["type"] == "generated_image"]
    assert (await chat.get(item["image"]["url"])).status_code == 200


async def test_a_check_lets_pass_what_it_has_nothing_against(
    chat: ChatClient, model: LoopbackAPI, checking: Any
) -> None:
    image, url = await draw(chat, model)

    assert (image.visibility, image.review_since) == ("shown", None)
    assert (await chat.get(url)).status_code == 200
    assert checking.seen[-1] is True


async def test_an_image_that_nobody_has_checked_is_held(
    chat: ChatClient, model: LoopbackAPI, checking: Any
) -> None:
    """The process died after the bytes came; another one finds them."""
    image, _ = await draw(chat, model)
    rows = GeneratedImage.objects.filter(pk=image.pk)
    await rows.aupdate(status="interrupted", visibility="unchecked")
    await sync_to_async(recovery.recover)(await rows.aget())

    await image.arefresh_from_db()
    assert (image.status, image.visibility) == ("completed", "held")


async def test_the_final_of_a_shown_preview_is_held_if_nobody_has_checked_it(
    chat: ChatClient, model: LoopbackAPI, checking: Any
) -> None:
    """Its end was written before its bytes were found."""
    image, url = await draw(chat, model)
    rows = GeneratedImage.objects.filter(pk=image.pk)
    begun = {"status": "generating", "visibility": "unchecked", "finished_at": None}
    await rows.aupdate(**begun)
    await sync_to_async((await rows.aget()).end)("interrupted")
    assert (await chat.get(url)).status_code == 200

    await sync_to_async(recovery.recover)(await rows.aget())

    await image.arefresh_from_db()
    assert (image.status, image.visibility) == ("completed", "held")
    assert (await chat.get(url)).status_code == 410


@pytest.mark.parametrize("kind", ["plain", "asynchronous"])
async def test_an_image_is_held_if_something_within_its_check_is_cancelled(
    chat: ChatClient,
    model: LoopbackAPI,
    checking: Any,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    def plain(*args: Any) -> None:
        raise asyncio.CancelledError

    async def asynchronous(*args: Any) -> None:
        raise asyncio.CancelledError

    check = plain if kind == "plain" else asynchronous
    monkeypatch.setattr(checking, "check_image", check)

    image, _ = await no_image(chat, model)

    assert (image.status, image.visibility) == ("completed", "held")


async def no_image(
    chat: ChatClient, model: LoopbackAPI, **options: Any
) -> tuple[GeneratedImage, list[dict[str, Any]]]:
    """Return an image that its person does not see, and all events."""
    model.respond_with(Image("a red fox", partials=1, **options), Text("Done."))
    events = await chat.say("a red fox")
    assert done_items(events, "generated_image") == []
    return await GeneratedImage.objects.select_related("item").aget(), events


async def test_checks_that_hang_keep_no_thread_of_the_event_loop(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    """These look up the names of hosts, for example of the provider."""
    image, _ = await draw(chat, model)
    context = RequestContext(user=None, owner=image.thread.owner)
    info = ImageInfo("image/png", "png", 8, 8, 100, "")
    hung = threading.Event()
    ask = partial(verdicts.ask, lambda *args: hung.wait(60) and None, image, info, b"")
    asked = [asyncio.ensure_future(ask(context, None)) for _ in range(40)]
    await asyncio.sleep(0)
    try:
        assert await asyncio.wait_for(asyncio.to_thread(int), 10) == 0
    finally:
        hung.set()
    assert set(await asyncio.gather(*asked)) == {verdicts.SHOW}


async def test_an_image_in_an_item_is_checked_as_a_final(
    chat: ChatClient, model: LoopbackAPI, checking: Any
) -> None:
    image, _ = await draw(chat, model)
    context = RequestContext(user=None, owner=image.thread.owner)
    checking.seen.clear()
    state = RunState(check_image=Checking.__new__(Checking).check_image)
    token = current_state.set(state)
    try:
        await add_hidden_context(image, context)
    finally:
        current_state.reset(token)

    assert checking.seen == [True]


async def add_hidden_context(
    image: GeneratedImage, context: RequestContext
) -> GeneratedImage:
    """Return the image of an item that no client gets."""
    data = base64.b64encode(image_file("blue")).decode()
    item = types.HiddenContextItem(
        id="hidden_1",
        thread_id=image.thread_id,
        created_at=times.now(),
        content=f"secret data:image/png;base64,{data}",
    )
    await DjangoStore().add_thread_item(image.thread_id, item, context)
    return await GeneratedImage.objects.exclude(pk=image.pk).aget()


async def test_a_preview_that_was_hidden_while_its_image_formed_comes_back(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    told = asyncio.create_task(no_image(chat, model, gate=gate, result=False))
    await asyncio.to_thread(gate.reached.wait, 10)
    async with asyncio.timeout(10):
        while not await GeneratedImage.objects.filter(partial_count=1).aexists():
            await asyncio.sleep(0.01)
    await decide("hide", forming := await GeneratedImage.objects.aget())
    # A preview that comes later stands nowhere, and its file goes.
    late = receiving.store(image_file("green"), storage.new_key())
    assert await sync_to_async(images.add_partial)(forming, 1, late, 10) is None
    await sync_to_async(storage.drain)()
    assert not await sync_to_async(storage.get_storage().exists)(late.name)
    gate.open()
    image, events = await told
    assert HIDDEN in str(events)

    await decide("restore", image)

    (item,) = [i for i in await items(chat, image) if i["type"] == "generated_image"]
    assert (await chat.get(item["image"]["url"])).status_code == 200


async def test_what_the_check_says_of_a_hidden_image_is_kept(
    chat: ChatClient, model: LoopbackAPI, checking: Any
) -> None:
    gate = Gate()
    told = asyncio.create_task(no_image(chat, model, gate=gate))
    await asyncio.to_thread(gate.reached.wait, 10)
    async with asyncio.timeout(10):
        while not await GeneratedImage.objects.aexists():
            await asyncio.sleep(0.01)
    await decide("hide", await GeneratedImage.objects.aget(), words="Ask us.")
    checking.says = Verdict("block", "nude", "Not here.")
    gate.open()
    image, _ = await told

    assert (image.visibility, image.hidden_words) == ("hidden", "Ask us.")
    noted = [(row.by, row.reason) async for row in Decision.objects.order_by("pk")]
    assert noted == [("ann", ""), ("check_image", "nude")]


async def test_a_stream_that_is_read_again_has_words_by_now(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    image, url = await draw(chat, model)
    key = await Run.objects.values_list("pk", flat=True).aget()
    address = reverse("chatkit_images:run-events", args=[key])
    from_the_first = {"headers": {"Last-Event-ID": "0"}}
    answer = await chat.get(address, **from_the_first)
    assert url in str([chunk async for chunk in answer.streaming_content])

    await decide("hide", image)
    answer = await chat.get(address, **from_the_first)
    after = str([chunk async for chunk in answer.streaming_content])

    assert "/images/" not in after
    assert HIDDEN in after


async def test_an_open_stream_is_not_told_what_no_client_gets(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    image, _ = await draw(chat, model)
    context = RequestContext(user=None, owner=image.thread.owner)
    second = await add_hidden_context(image, context)
    await decide("hide", second)

    told, _ = await sync_to_async(changes.find)({image.thread_id: context}, ())

    assert told == []


async def test_each_of_many_is_told_the_newest_first(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MOST", 1)
    image, _ = await draw(chat, model)
    model.respond_with(Image("a boat", partials=0), Text("Done."))
    await chat.say("a boat", image.thread_id)
    both = GeneratedImage.objects.order_by("created_at").select_related("item")
    drawn = [each async for each in both]
    for each in drawn:
        await decide("hide", each)
    threads = {
        image.thread_id: RequestContext(user=None, owner=image.thread.owner),
    }
    known: set[int] = set()
    told = []
    for _ in range(3):
        found, known = await sync_to_async(changes.find)(threads, known)
        told += [change.chunk.decode() for change in found]

    first, second = told
    assert drawn[1].item.item_id in first
    assert drawn[0].item.item_id in second


async def test_an_open_stream_is_told(chat: ChatClient, model: LoopbackAPI) -> None:
    image, _ = await draw(chat, model)
    gate = Gate()
    model.respond_with(gate, Text("Later."))
    told = asyncio.create_task(chat.say("and then?", image.thread_id))
    await asyncio.to_thread(gate.reached.wait, 10)

    await decide("hide", image)
    await model_waits(image)
    gate.open()

    replaced = of_type(await told, "thread.item.replaced")
    assert [words(event["item"]) for event in replaced] == [HIDDEN]
    assert replaced[0]["item"]["id"] == image.item.item_id


async def model_waits(image: GeneratedImage) -> None:
    """Wait until the run's log has what staff have decided."""
    (live,) = [run for run in LIVE.values() if run.thread_id == image.thread_id]
    number = live.log.last
    async with asyncio.timeout(10):
        async for batch in live.log.read(number):
            if any(b"thread.item.replaced" in chunk for _, chunk in batch):
                return


async def test_a_hidden_file_is_moved_away_from_urls_of_the_storage(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    ours = {"IMAGE_URLS": "storage", "MOVE_HIDDEN": True}
    settings.CHATKIT_IMAGES = {**settings.CHATKIT_IMAGES, **ours}
    image, url = await draw(chat, model)
    before, data = image.file.name, await sync_to_async(storage.read)(image.file.name)
    assert before in url

    await decide("hide", image)
    await sync_to_async(storage.drain)()

    await image.arefresh_from_db()
    assert image.file.name != before
    with pytest.raises(FileNotFoundError):
        await sync_to_async(storage.read)(before)
    await decide("restore", image)
    (item,) = [i for i in await items(chat, image) if i["type"] == "generated_image"]
    assert image.file.name in item["image"]["url"]
    assert await sync_to_async(storage.read)(image.file.name) == data
    # Its new URL is known by now.
    await decide("hold", image)
    assert await sync_to_async(aside.waiting().count)() == 0
    await image.arefresh_from_db()
    assert image.file.name not in item["image"]["url"]


async def test_a_file_that_cannot_be_moved_waits_for_the_sweep(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = {"IMAGE_URLS": "storage", "MOVE_HIDDEN": True}
    settings.CHATKIT_IMAGES = {**settings.CHATKIT_IMAGES, **ours}
    image, _ = await draw(chat, model)
    before = image.file.name

    def away(*args: Any, **options: Any) -> None:
        raise OSError("away")

    with monkeypatch.context() as patched:
        patched.setattr(copying, "copy", away)
        await decide("hide", image)
    await image.arefresh_from_db()
    assert (image.visibility, image.file.name) == ("hidden", before)

    settled = await sync_to_async(sweep)()

    assert settled["files of hidden images"] == 1
    await image.arefresh_from_db()
    assert image.file.name != before


async def test_a_hidden_image_is_in_no_archive_of_its_person(
    chat: ChatClient, model: LoopbackAPI, tmp_path: Path
) -> None:
    image, _ = await draw(chat, model)
    await decide("hide", image)
    context = RequestContext(user=None, owner=image.thread.owner)

    for internal in (False, True):
        path = tmp_path / f"{internal}.zip"
        await sync_to_async(exchange.export)(context, path, internal=internal)
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            fact = json.loads(archive.read("images.jsonl"))
        assert any(name.startswith("images/") for name in names) is internal
        assert fact.get("left_out") == (None if internal else "hidden")


async def test_an_erasure_keeps_who_decided_what(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    image, _ = await draw(chat, model)
    await decide("hide", image, reason="It shows Ann.", words="Sorry, Ann.")

    await sync_to_async(erase)(owner=image.thread.owner)

    left = await Decision.objects.aget()
    assert (left.action, left.by) == ("hide", "ann")
    assert (left.reason, left.words, left.thread_id, left.item_id) == ("", "", "", "")
