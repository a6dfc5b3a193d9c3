"""What another store has becomes this app's: ids, order, times and images."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from chatkit import types
from chatkit.store import NotFoundError
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from chatkit_images import exchange, storage
from chatkit_images.context import RequestContext
from chatkit_images.models import Attachment, GeneratedImage, Thread, ThreadItem
from chatkit_images.store import DjangoStore
from tests.image_files import image_file

from . import other_store
from .other_store import GONE, OtherStore, at

pytestmark = pytest.mark.django_db

EAST = datetime.timezone(datetime.timedelta(hours=14))
PATH = "tests.exchange.other_store"


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> OtherStore:
    found = OtherStore()
    found.fill("ann", "thr_a")
    monkeypatch.setattr(other_store, "STORE", found)
    return found


async def imported(other: OtherStore, ours: RequestContext, **options: Any) -> Any:
    async def one() -> Any:
        yield exchange.Tenancy("ann", ours)

    return await exchange.import_store(other, one(), **options)


async def test_items_keep_ids_order_and_times_and_images_are_stored(
    other: OtherStore, context: RequestContext
) -> None:
    done = await imported(other, context)

    page = await DjangoStore().load_thread_items("thr_a", None, 100, "asc", context)
    assert [item.id for item in page.data] == list(other.items["thr_a"])
    assert [item.created_at for item in page.data][:3] == [at(1), at(3), at(3)]
    red = page.data[1]
    assert red.type == "generated_image" and red.image and red.image.url
    rows = {row.item.item_id: row async for row in _images()}
    assert set(rows) == {"img_a", "msg_2"}
    assert storage.read(rows["img_a"].file.name) == image_file("red")
    assert rows["img_a"].prompt == "draw a fox"
    text = str([row async for row in ThreadItem.objects.values_list("payload")])
    assert "base64" not in text and "http" not in text
    sent = await Attachment.objects.aget()
    assert (sent.pk, sent.thread_id, sent.thumbnail.name != "") == (
        "thr_a_file",
        "thr_a",
        True,
    )
    thread = await DjangoStore().load_thread("thr_a", context)
    assert (thread.title, thread.metadata) == ("Foxes", {"a": 1})
    assert thread.created_at == at(0)
    assert done.new == {"thread": 1, "item": 7, "attachment": 1}
    why = {each.what: each.why for each in done.refusals}
    assert why == {
        "item 'img_b'": "Its image is at a URL, which is not fetched.",
        "item 'img_c'": (
            "1 of its images are no image files that this project accepts."
        ),
    }
    assert done.notes == {"item": 2} and not done.refused


def _images() -> Any:
    return GeneratedImage.objects.select_related("item").all()


async def test_it_can_be_repeated_and_goes_on_where_it_ended(
    other: OtherStore, context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, left = exchange.from_store.items.save, [4]

    def cut(*args: Any, **kwargs: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise ConnectionError("killed")
        save(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(exchange.from_store.items, "save", cut)
        await imported(other, context)
    await imported(other, context)
    again = await imported(other, context)

    assert not again.new.total()
    assert await ThreadItem.objects.acount() == 7
    assert await GeneratedImage.objects.acount() == 2


async def test_urls_are_read_only_if_it_is_said(
    other: OtherStore, context: RequestContext
) -> None:
    asked = []

    async def fetcher(url: str) -> bytes:
        asked.append(url)
        return image_file("green")

    await imported(other, context)
    done = await imported(other, context, fetch=True, fetcher=fetcher)
    await imported(other, context, fetch=True, fetcher=fetcher)

    assert asked == [GONE]
    green = await GeneratedImage.objects.aget(item__item_id="img_b")
    assert storage.read(green.file.name) == image_file("green")
    assert done.new == {"item": 1} and done.is_whole
    page = await DjangoStore().load_thread_items("thr_a", None, 100, "asc", context)
    assert [item.id for item in page.data] == list(other.items["thr_a"])


async def test_a_url_into_the_network_is_refused(
    other: OtherStore, context: RequestContext
) -> None:
    inside = other_store.image("img_d", 7, "http://127.0.0.1:9/x.png", "thr_a")
    other.items["thr_a"] = {"img_d": inside}
    done = await imported(other, context, fetch=True)
    (refusal,) = done.refusals
    assert refusal.why.startswith("Its image cannot be fetched")


async def test_what_another_owner_has_and_odd_ids_are_refused(
    other: OtherStore, context: RequestContext, foreign: RequestContext
) -> None:
    other.fill("ann", "t" * 65)
    item = other.items["thr_a"].pop("end_1")
    for key in ("x" * 256, "a\0b", ""):
        other.items["thr_a"][key] = item.model_copy(update={"id": key})
    done = await imported(other, context)
    assert done.refused == {"thread": 1, "item": 3}
    taken = await imported(other, foreign)
    assert not taken.new and taken.refused["thread"] == 2
    with pytest.raises(NotFoundError):
        await DjangoStore().load_thread("thr_a", foreign)


async def test_a_dry_run_writes_nothing(
    other: OtherStore, context: RequestContext
) -> None:
    done = await imported(other, context, dry_run=True)
    assert done.new == {"thread": 1, "item": 7, "attachment": 1}
    assert not await Thread.objects.aexists()
    assert not await Attachment.objects.aexists()


@pytest.mark.parametrize(
    ("depth", "dry_run"),
    [(20, False), (150, True), (240, False), (450, True), (900, False), (9000, True)],
)
async def test_what_is_nested_deep_is_refused_and_the_others_go_on(
    other: OtherStore, context: RequestContext, depth: int, dry_run: bool
) -> None:
    deep: Any = []
    for _ in range(depth - 1):
        deep = [deep]
    other.fill("ann", "thr_b")
    other.threads["thr_b"].metadata = {"deep": deep}
    rows = other.items["thr_a"]
    rows["end_1"] = types.ClientToolCallItem(
        id="end_1",
        thread_id="thr_a",
        created_at=at(6),
        call_id="call_1",
        name="look",
        arguments={"deep": deep},
    )
    done = await imported(other, context, dry_run=dry_run)
    assert done.new["thread"] == (2 if depth < 100 else 1)
    refused = {each.what for each in done.refusals if "nested" in each.why}
    assert refused == (set() if depth < 100 else {"thread 'thr_b'", "item 'end_1'"})


@pytest.mark.parametrize("told", ["same", "circle", "nothing", "raises"])
async def test_what_a_store_does_not_give_is_refused_and_the_rest_is_imported(
    told: str,
    other: OtherStore,
    context: RequestContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other.fill("ann", "thr_b")
    load = OtherStore.load_thread_items

    async def lying(self: Any, thread_id: str, after: Any, *rest: Any) -> Any:
        page = await load(self, thread_id, after, *rest)
        if thread_id == "thr_b":
            return page
        if told == "raises" and after:
            raise KeyError("oops")
        if told == "nothing":
            return types.Page(data=[], has_more=True)
        page.has_more = True
        page.after = "msg_1" if after == "img_a" or told == "same" else "img_a"
        return page

    monkeypatch.setattr(OtherStore, "load_thread_items", lying)

    done = await imported(other, context)

    (said,) = [each for each in done.refusals if each.what == "further items"]
    assert said.place == "thread 'thr_a'" and "The store has" in said.why
    assert done.refused == {"item": 1} and done.new["thread"] == 2
    rows = ThreadItem.objects.filter(thread="thr_b")
    assert await rows.acount() == len(other.items["thr_b"])


async def test_a_store_that_has_no_threads_any_more_says_so(
    other: OtherStore, context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OtherStore, "load_threads", None)

    done = await imported(other, context)

    assert "has raised TypeError" in str(done.refusals)
    assert done.refused == {"thread": 1}


@pytest.mark.parametrize(
    "when",
    [
        datetime.datetime.min,
        datetime.datetime.max,
        datetime.datetime.min.replace(tzinfo=EAST),
    ],
)
async def test_times_that_no_column_takes_become_others(
    when: datetime.datetime, other: OtherStore, context: RequestContext
) -> None:
    rows = other.items["thr_a"]
    for key in ("msg_1", "end_1"):
        rows[key] = rows[key].model_copy(update={"created_at": when})
    other.fill("ann", "thr_b")
    late = other.threads["thr_b"].model_copy(update={"created_at": when})
    other.threads["thr_b"] = late

    done = await imported(other, context)

    page = await DjangoStore().load_thread_items("thr_a", None, 100, "asc", context)
    assert [item.id for item in page.data] == list(rows)
    assert [page.data[0].created_at, page.data[-1].created_at] == [at(0), at(5)]
    assert done.refused == {"thread": 1}


def test_the_command_imports_for_pairs_of_contexts_and_owners(
    other: OtherStore, ann: User, capsys: Any
) -> None:
    other.fill("bob", "thr_b")
    options = {"store": f"{PATH}.store", "context": f"{PATH}.people"}

    with pytest.raises(CommandError, match="4 are not whole"):
        call_command("chatkit_images_import", **options)

    assert "Imported 14 of the kind item." in capsys.readouterr().out
    owners = dict(Thread.objects.values_list("pk", "owner"))
    assert owners == {"thr_a": f"user:{ann.pk}", "thr_b": "team:7"}
    assert Thread.objects.get(pk="thr_a").user == ann
    call_command("chatkit_images_import", **options, dry_run=True)
    assert "(14 were there)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "Say an archive or --store"),
        ({"store": "nothing.here", "user": "ann"}, "No module named"),
        ({"store": f"{PATH}.at", "user": "ann"}, "cannot be called"),
        ({"store": f"{PATH}.GONE", "user": "ann"}, "is a str, not a chatkit.store"),
        ({"store": f"{PATH}.OtherStore"}, "Say --user or --owner"),
        ({"store": f"{PATH}.OtherStore", "archive": "x"}, "one of them"),
        ({"store": f"{PATH}.store", "context": f"{PATH}.nobody"}, "pairs of a context"),
        ({"store": f"{PATH}.store", "context": f"{PATH}.NOON"}, "pairs of a context"),
    ],
)
def test_what_is_no_store_or_says_no_owner_is_refused(
    other: OtherStore, ann: User, options: Any, why: str
) -> None:
    with pytest.raises(CommandError, match=why):
        call_command("chatkit_images_import", **options)
