"""Images that are hidden, held and restored: at every door, for person and model."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.urls import reverse

from chatkit_images import exchange, storage
from chatkit_images.context import RequestContext
from chatkit_images.maintenance import erase, sweep
from chatkit_images.models import Decision, Feedback, GeneratedImage, Thread
from chatkit_images.queries import aside, recovery, reviews
from chatkit_images.runs.registry import LIVE
from chatkit_images.storage import copying
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from chatkit_images.verdicts import Verdict
from tests.chat import TestServer
from tests.client import URL, ChatClient, done_items, of_type

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
