"""Retention: what is past its time goes, and nothing else."""

from __future__ import annotations

import datetime
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from chatkit import types
from django.contrib.auth.models import User
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models.signals import pre_delete
from django.utils import timezone

from chatkit_images import checks, notes, storage
from chatkit_images.context import RequestContext
from chatkit_images.maintenance import (
    apply_retention,
    slices,
    sweep,
    threads_retention,
)
from chatkit_images.maintenance.retention import Expired
from chatkit_images.models import (
    Attachment,
    DeletedPosition,
    GeneratedImage,
    ImageSource,
    LegalHold,
    PartialImage,
    Run,
    Thread,
    UseEntry,
)
from chatkit_images.queries import items, use
from chatkit_images.store import DjangoStore
from tests.chat import TestServer as ChatServer

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now()
# Of a month that is over.
DAY = NOW.date() - datetime.timedelta(days=40)
OLD, YOUNG = NOW - datetime.timedelta(days=8), NOW - datetime.timedelta(days=6)
ALL = {
    "THREADS": 7,
    "PARTIAL_IMAGES": 7,
    "FAILED_IMAGES": datetime.timedelta(days=7),
    "SUPERSEDED_IMAGES": 7.0,
    "RUNS": 7,
    "USE_ENTRIES": 7,
}
asked: list[str] = []


class PlanServer(ChatServer):
    """Premium owners keep everything; one has a plan that nobody knows."""

    def get_retention(self, context: RequestContext) -> Any:
        asked.append(context.owner)
        if context.owner == "user:odd":
            raise LookupError("no such plan")
        if context.owner == "team:premium":
            return {"THREADS": None}
        if context.owner == "visitor:short":
            return {"THREADS": 1}
        return super().get_retention(context)


class LateServer(ChatServer):
    """Somebody writes in each thread just as it is asked for how long it is kept."""

    async def get_retention(self, context: RequestContext) -> Any:
        threads = Thread.objects.filter(owner=context.owner)
        await threads.aupdate(updated_at=timezone.now())
        return {"THREADS": 7}


@pytest.fixture(autouse=True)
def nobody_was_asked() -> Iterator[None]:
    asked.clear()
    yield


def keep(settings: Any, retention: Any = ALL, **more: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"RETENTION": retention, **more}


def thread(key: str, at: datetime.datetime = NOW, owner: str = "user:1") -> Thread:
    made = Thread.objects.create(pk=key, owner=owner)
    Thread.objects.filter(pk=key).update(updated_at=at)
    return made


def image(of: Thread, **fields: Any) -> GeneratedImage:
    name = storage.new_name("images", "png")
    storage.store(name, b"bytes")
    values = {"status": "completed", "file": name, "bytes": 5, "finished_at": NOW}
    call = f"ig_{GeneratedImage.objects.count()}"
    return GeneratedImage.objects.create(thread=of, call_id=call, **values | fields)


def there(row: GeneratedImage) -> bool:
    return storages["default"].exists(row.file.name)


def left(model: Any) -> set[Any]:
    return set(model.objects.values_list("pk", flat=True))


def run(**options: Any) -> str:
    out = StringIO()
    call_command("chatkit_images_retention", stdout=out, **options)
    return out.getvalue()


def test_each_kind_goes_when_its_time_is_over(settings: Any) -> None:
    keep(settings)
    kept, gone = thread("thr_kept", YOUNG), thread("thr_gone", OLD)
    whole = image(gone)
    Attachment.objects.create(pk="atc_1", owner="user:1", thread=gone, bytes=7)
    images = {
        "old failed": image(kept, status="failed", finished_at=OLD),
        "young failed": image(kept, status="failed", finished_at=YOUNG),
        "old superseded": image(kept, superseded_at=OLD),
        "young superseded": image(kept, superseded_at=YOUNG),
        "shown": image(kept, finished_at=OLD, created_at=OLD),
    }
    for at in (OLD, YOUNG):
        index = PartialImage.objects.count()
        images["shown"].partials.create(index=index, bytes=3, created_at=at)
        Run.objects.create(
            owner="user:1", status="completed", created_at=OLD, finished_at=at
        )
        UseEntry.objects.create(
            owner="user:1", day=DAY, kind="run", amount=1, created_at=at
        )
    counts = {
        "THREADS": {"rows": 1, "bytes": 12, "held": 0, "partly": 0},
        "PARTIAL_IMAGES": {"rows": 1, "bytes": 3, "held": 0, "partly": 0},
        "FAILED_IMAGES": {"rows": 1, "bytes": 5, "held": 0, "partly": 0},
        "SUPERSEDED_IMAGES": {"rows": 1, "bytes": 5, "held": 0, "partly": 0},
        "RUNS": {"rows": 1, "bytes": 0, "held": 0, "partly": 0},
        "USE_ENTRIES": {"rows": 1, "bytes": 0, "held": 0, "partly": 0},
    }
    told = json.loads(run(dry_run=True, json=True))
    assert told == {"kinds": counts, "failed_owners": 0, "dry_run": True}
    assert there(whole)
    assert "Deleted 1 of THREADS, 12 bytes.\n" in run()
    assert left(Thread) == {"thr_kept"}
    stay = {"young failed", "young superseded", "shown"}
    assert left(GeneratedImage) == {images[name].pk for name in stay}
    assert {name for name, row in images.items() if there(row)} == stay
    assert not there(whole)
    assert not Attachment.objects.exists()
    assert [model.objects.count() for model in (PartialImage, Run, UseEntry)] == [1] * 3
    # A second one finds nothing.
    again = apply_retention().to_json()["kinds"].values()
    assert {(found["rows"], found["held"]) for found in again} == {(0, 0)}


def test_what_is_at_work_held_or_needed_stays(settings: Any) -> None:
    keep(settings)
    busy, held, kept = (thread(f"thr_{n}", OLD) for n in range(3))
    Thread.objects.filter(pk=kept.pk).update(updated_at=NOW)
    going = Run.objects.create(thread=busy, owner="user:1", created_at=OLD)
    UseEntry.objects.create(
        owner="user:1", day=DAY, kind="run", amount=1, created_at=OLD, run_id=going.pk
    )
    LegalHold.objects.create(thread_id=held.pk)
    stay = [
        image(busy, superseded_at=OLD),
        image(held, status="failed", finished_at=OLD),
        image(kept, status="generating", file="", created_at=OLD),
        # Its bytes may be in the spool of any host.
        image(kept, status="failed", finished_at=OLD, reason="not_saved"),
        source := image(kept, superseded_at=OLD),
    ]
    newer = image(kept)
    ImageSource.objects.create(image=newer, source_image=source, role="edited")
    report = apply_retention()
    assert left(Thread) == {busy.pk, held.pk, kept.pk}
    assert left(GeneratedImage) == {row.pk for row in [*stay, newer]}
    assert UseEntry.objects.count() == Run.objects.count() == 1
    assert report.kinds["THREADS"].held == 1
    assert report.kinds["FAILED_IMAGES"].held == 1
    assert "1 are held" in run()
    LegalHold.objects.all().delete()
    assert apply_retention().kinds["THREADS"].rows == 1


def test_a_chain_of_superseded_images_goes_at_once(settings: Any) -> None:
    keep(settings, {"SUPERSEDED_IMAGES": 7})
    here = thread("thr_1")
    chain = [image(here, superseded_at=OLD) for _ in range(5)]
    for source, made in zip(chain, chain[1:], strict=False):
        ImageSource.objects.create(image=made, source_image=source, role="edited")
    assert apply_retention().kinds["SUPERSEDED_IMAGES"].rows == 5
    assert not any(map(there, chain))


def test_the_server_decides_for_each_owner(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    keep(settings, {"THREADS": 7}, SERVER=f"{__name__}.PlanServer")
    for owner in ("team:premium", "user:odd", "user:1", "visitor:short"):
        for n, at in enumerate((OLD, YOUNG)):
            thread(f"{owner}-{n}", at, owner)
    with (
        caplog.at_level(logging.ERROR, "chatkit_images"),
        pytest.raises(CommandError, match="has failed for 1 owners"),
    ):
        run()
    assert left(Thread) == {
        "team:premium-0",
        "team:premium-1",
        "user:odd-0",
        "user:odd-1",
        "user:1-1",
    }
    assert "get_retention() has failed for user:odd; all" in caplog.text
    assert len(asked) == len(set(asked))


def test_the_server_knows_the_user_of_an_owner(settings: Any, ann: User) -> None:
    found = []

    class Server(ChatServer):
        def get_retention(self, context: RequestContext) -> Any:
            found.append((context.owner, context.user))
            return {}

    globals()["Found"] = Server
    keep(settings, {"THREADS": 7}, SERVER=f"{__name__}.Found")
    thread("thr_1", OLD, f"user:{ann.pk}")
    thread("thr_2", OLD, "team:1")
    Thread.objects.filter(pk="thr_2").update(user=ann)
    apply_retention()
    assert set(found) == {(f"user:{ann.pk}", ann), ("team:1", None)}


def test_what_somebody_writes_in_at_this_moment_stays(settings: Any) -> None:
    keep(settings, {}, SERVER=f"{__name__}.LateServer")
    thread("thr_1", OLD)
    assert apply_retention().kinds["THREADS"].rows == 0
    assert Thread.objects.exists()


@pytest.fixture
def large(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Thread:
    """A thread that has more rows than go at once, and some that have fewer."""
    monkeypatch.setattr(threads_retention, "MOST_ROWS", 6)
    monkeypatch.setattr(slices, "SLICE", 2)
    keep(settings, {"THREADS": 7})
    for n in range(3):
        small = thread(f"thr_small_{n}", OLD)
        small.items.create(item_id="itm", type="user_message", payload={})
        image(small)
    made = thread("thr_large", OLD)
    for n in range(5):
        made.items.create(item_id=f"itm_{n}", type="user_message", payload={})
    for _ in range(3):
        image(made)
    Run.objects.create(owner="user:1", thread=made, status="completed")
    Attachment.objects.create(pk="atc_1", owner="user:1", thread=made, bytes=7)
    Thread.objects.filter(pk=made.pk).update(updated_at=OLD)
    return made


@contextmanager
def deletions(react: Callable[[Any], None]) -> Iterator[None]:
    """Call a function with each row that is about to be deleted."""

    def told(instance: Any, **more: Any) -> None:
        react(instance)

    pre_delete.connect(told)
    try:
        yield
    finally:
        pre_delete.disconnect(told)


def test_a_transaction_deletes_so_many_rows_at_most(large: Thread) -> None:
    counts: list[int] = []
    open_now: list[Any] = []

    def count(row: Any) -> None:
        if not open_now:
            transaction.on_commit(lambda: counts.append(len(open_now)))
            transaction.on_commit(open_now.clear)
        open_now.append(row)

    with deletions(count):
        report = apply_retention()
    assert max(counts) <= threads_retention.MOST_ROWS
    assert report.kinds["THREADS"] == Expired(rows=4, bytes=37)
    assert not Thread.objects.exists()
    assert not GeneratedImage.objects.exists() and not Run.objects.exists()
    assert DeletedPosition.objects.filter(scope="user:1").count() == 4


def test_a_killed_job_goes_on_with_half_a_thread(large: Thread) -> None:
    def die(row: Any) -> None:
        if isinstance(row, Run):
            raise KeyboardInterrupt

    with deletions(die), pytest.raises(KeyboardInterrupt):
        apply_retention()
    half = Thread.objects.get(pk=large.pk)
    # Nobody writes into it any more, and its time is what it was.
    assert (half.status, half.updated_at) == ("closed", OLD)
    assert half.runs.exists() and not half.items.exists()
    apply_retention()
    assert not Thread.objects.exists()


def test_a_hold_that_comes_meanwhile_keeps_the_rest(large: Thread) -> None:
    def hold(row: Any) -> None:
        if isinstance(row, GeneratedImage) and row.thread_id == large.pk:
            LegalHold.objects.get_or_create(thread_id=large.pk)

    with deletions(hold):
        told = run()
    assert "Deleted 3 of THREADS, 25 bytes. 1 have lost a part, and keep the" in told
    assert large.images.count() == 1 and large.items.count() == 5
    LegalHold.objects.all().delete()
    assert apply_retention().kinds["THREADS"].rows == 1


def test_limits_count_as_before_when_entries_of_use_are_gone(settings: Any) -> None:
    keep(settings, {"USE_ENTRIES": 7})
    use.grant_run(uuid.uuid4(), "user:1", "")
    UseEntry.objects.update(created_at=OLD)
    UseEntry.objects.create(
        owner="user:1", day=DAY, kind="run", amount=1, created_at=OLD
    )
    assert apply_retention().kinds["USE_ENTRIES"].rows == 1
    assert set(UseEntry.objects.values_list("kind", "amount")) == {
        ("run", 1),
        ("image", 1),
    }


def test_a_run_stays_while_the_thread_of_its_visitor_is_to_be_moved(
    settings: Any, ann: User
) -> None:
    keep(settings, {"RUNS": 7})
    here = thread("thr_1", owner=(visitor := f"visitor:{'0' * 32}"))
    # They have logged in, and the process of the run has died before its end was told.
    Run.objects.create(
        owner=visitor, user=ann, thread=here, status="interrupted", created_at=OLD
    )
    assert apply_retention().kinds["RUNS"].rows == 0
    sweep()
    assert Thread.objects.get().owner == f"user:{ann.pk}"
    assert apply_retention().kinds["RUNS"].rows == 1


async def test_what_a_person_was_shown_has_its_end_still(
    settings: Any, ann: User
) -> None:
    keep(settings, {"FAILED_IMAGES": 7})
    context = RequestContext.for_user(ann)

    def make() -> None:
        thread("thr_1", owner=context.owner)
        here = Thread.objects.get()
        failed = image(here, status="failed", finished_at=OLD)
        common = {"thread_id": "thr_1", "created_at": datetime.datetime.now()}
        shown = types.GeneratedImage(id=failed.image_id, url="")
        preview = types.GeneratedImageItem(id="item_1", image=shown, **common)
        items.save("thr_1", preview, context)
        key = notes.note_id(failed)
        items.save(
            "thr_1",
            notes.message(key, "thr_1", common["created_at"], "It failed."),
            context,
        )
        assert url_of(items.load("thr_1", "item_1", context))
        apply_retention()

    await sync_to_async(make)()
    page = await sync_to_async(items.load_page)(
        "thr_1", None, 10, "asc", context, hidden=False
    )
    assert [each.content[0].text for each in page.data] == [
        "This image was removed.",
        "It failed.",
    ]


def url_of(item: Any) -> str:
    return str(item.image.url)


async def test_a_cursor_outlives_its_thread(settings: Any, ann: User) -> None:
    context = RequestContext.for_user(ann)
    keep(settings, {"THREADS": 7})

    def make() -> None:
        for n, at in enumerate((NOW, OLD, NOW)):
            thread(f"thr_{n}", at, context.owner)
        apply_retention()

    await sync_to_async(make)()
    page = await DjangoStore().load_threads(10, "thr_1", "asc", context)
    assert [each.id for each in page.data] == ["thr_2"]


def test_without_a_retention_everything_stays(settings: Any) -> None:
    thread("thr_1", OLD - datetime.timedelta(days=5000))
    assert run() == "RETENTION keeps everything for ever.\n"
    assert Thread.objects.exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (30, "is a dict, got 30"),
        ({"THREAD": 7}, "no retention of 'THREAD'; there are THREADS, "),
        ({"RUNS": 0}, "RUNS must be above 0 and at most 36500 days, got 0"),
        ({"RUNS": -1}, "must be above 0"),
        ({"RUNS": float("nan")}, "must be above 0"),
        ({"RUNS": float("inf")}, "at most 36500 days"),
        ({"RUNS": datetime.timedelta()}, "must be above 0"),
        ({"RUNS": "7"}, "must be days, a timedelta or None, got '7'"),
        ({"RUNS": True}, "must be days, a timedelta or None, got True"),
        ({7: 7}, "no retention of 7"),
    ],
)
def test_a_retention_that_is_none_is_told(
    settings: Any, value: Any, words: str
) -> None:
    keep(settings, value)
    (found,) = checks.check_settings(None)
    assert found.id == "chatkit_images.E038"
    assert words in found.msg
    with pytest.raises(Exception, match="RETENTION|retention|RUNS"):
        apply_retention()


def test_times_and_for_ever_pass_the_checks(settings: Any) -> None:
    keep(settings, ALL | {"THREADS": None})
    assert checks.check_settings(None) == []
