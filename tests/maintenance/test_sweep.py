"""The sweep and the commands."""

from __future__ import annotations

import datetime
import os
import threading
import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models import FileField, Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatkit_images import models, storage, times
from chatkit_images.deleted_files import file_columns
from chatkit_images.maintenance import find_orphans, sweep
from chatkit_images.models import (
    Attachment,
    DeletedFile,
    DeletedPosition,
    GeneratedImage,
    ImageVariant,
    PartialImage,
    RefusedInput,
    Run,
    RunEnd,
    Thread,
    UseCounter,
)
from chatkit_images.queries.file_names import naming
from chatkit_images.transactions import alias, atomic

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = timezone.now() - datetime.timedelta(days=2)
NOTHING = {
    "dead runs": 0,
    "rows of visitors who logged in": 0,
    "ends of runs told again": 0,
    "unfinished images": 0,
    "spooled files": 0,
    "recovered images": 0,
    "unsent attachments": 0,
    "unfinished uploads": 0,
    "forms without images": 0,
    "unused forms": 0,
    "files of hidden images": 0,
    "entries in no sum": 0,
    "old cursors": 0,
    "old counters": 0,
    "old ends of runs": 0,
    "old refusals": 0,
    "deleted files": 0,
    "half-written files": 0,
    "unknown files": 0,
}


def stored(kind: str = "images", *, old: bool = False) -> str:
    name = storage.new_name(kind, "png")
    storage.store(name, b"bytes")
    if old:
        path = Path(storages["default"].path(name))
        os.utime(path, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    return name


def there(name: str) -> bool:
    return storages["default"].exists(name)


def found(**options: Any) -> list[str]:
    with find_orphans(**options) as orphans:
        return [name for page in orphans.unknown.pages() for name in page]


def leftovers() -> dict[str, Any]:
    """Make one of each thing that a crash or a person leaves behind."""
    thread = Thread.objects.create(pk="thr_1", owner="user:1")
    run = Run.objects.create(thread=thread, owner="user:1", heartbeat_at=LONG_AGO)
    kept = stored(old=True)
    noted, orphan, young = stored(), stored(old=True), stored()
    ImageVariant.objects.create(image_id=uuid.uuid4(), form="model", file=stored())
    GeneratedImage.objects.create(thread=thread, call_id="ig_1", run=run)
    GeneratedImage.objects.create(thread=thread, call_id="ig_2", created_at=LONG_AGO)
    GeneratedImage.objects.create(
        thread=thread, call_id="ig_3", file=kept, status="completed"
    )
    unsent = stored("attachments")
    Attachment.objects.create(
        pk="atc_1", owner="user:1", name="a", file=unsent, created_at=LONG_AGO
    )
    Attachment.objects.create(pk="atc_2", owner="user:1", name="b")
    DeletedPosition.objects.create(
        scope="s", key="k", position="1", stood_at=LONG_AGO, created_at=LONG_AGO
    )
    DeletedFile.objects.create(name=noted)
    spooled = storage.new_name("images", "png")
    storage.spool.keep(spooled, b"bytes")
    storage.spool.hand_over(spooled)
    RefusedInput.objects.create(
        host="api.example", created_at=LONG_AGO - datetime.timedelta(days=30)
    )
    RefusedInput.objects.create(host="api.example")
    for days in (50, 70):
        then = LONG_AGO - datetime.timedelta(days=days)
        UseCounter.objects.create(owner=f"user:{days}", updated_at=then)
    RunEnd.objects.create(run_id=uuid.uuid4(), due_at=LONG_AGO)
    RunEnd.objects.create(run_id=uuid.uuid4(), due_at=None, created_at=then)
    # Of a file, and of the marker.
    for whole in (kept, storage.marker.name()):
        half = Path(storages["default"].path(whole)).with_name(".0123.tmp")
        half.write_bytes(b"byt")
        os.utime(half, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    return {"gone": [noted, orphan, unsent], "left": [kept, young]}


def test_what_is_left_behind_is_counted_and_settled() -> None:
    files = leftovers()
    counts = {
        "dead runs": 1,
        "rows of visitors who logged in": 0,
        "ends of runs told again": 1,
        "unfinished images": 1,
        "spooled files": 1,
        "recovered images": 0,
        "unsent attachments": 1,
        "unfinished uploads": 0,
        "forms without images": 1,
        "unused forms": 0,
        "files of hidden images": 0,
        "entries in no sum": 0,
        "old cursors": 1,
        "old counters": 1,
        "old ends of runs": 1,
        "old refusals": 1,
        "deleted files": 1,
        "half-written files": 2,
        "unknown files": 1,
    }

    assert sweep(dry_run=True) == counts
    assert all(there(name) for name in files["gone"] + files["left"])
    assert Run.objects.running().exists()

    assert sweep() == counts
    assert [there(name) for name in files["gone"]] == [False] * 3
    assert [there(name) for name in files["left"]] == [True] * 2
    assert set(GeneratedImage.objects.values_list("call_id", "status")) == {
        ("ig_1", "interrupted"),
        ("ig_2", "interrupted"),
        ("ig_3", "completed"),
    }
    assert sweep() == NOTHING


def test_forms_go_by_settings_by_which_none_was_made_for_a_week(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatkit_images.queries.in_pages.PAGE", 2)
    thread = Thread.objects.create(pk="thr_1", owner="user:1")
    weeks = datetime.timedelta(weeks=2)
    names: dict[str, list[str]] = {"1:old": [], "2:deploy": [], "2000:auto": []}
    for number in range(3):
        image = GeneratedImage.objects.create(
            thread=thread, identity=f"{number}", status="completed"
        )
        for form, made in names.items():
            is_new = form == "2:deploy" and number == 2
            made.append(stored())
            ImageVariant.objects.create(
                image=image,
                form=f"model:{form}",
                file=made[-1],
                created_at=timezone.now() - (weeks * (not is_new)),
            )
    assert sweep(dry_run=True) == NOTHING | {"unused forms": 3}
    assert sweep() == NOTHING | {"unused forms": 3}
    left = {form: all(map(there, made)) for form, made in names.items()}
    assert left == {"1:old": False, "2:deploy": True, "2000:auto": True}
    assert ImageVariant.objects.count() == 6


def test_the_sweep_passes_over_a_file_that_goes_while_it_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = sorted(stored(old=True) for _ in range(3))
    modified = storages["default"].get_modified_time

    def late(name: str) -> datetime.datetime:
        if name == names[1]:
            storages["default"].delete(name)
        return modified(name)

    monkeypatch.setattr(storages["default"], "get_modified_time", late)
    assert sweep()["unknown files"] == 2
    assert not any(there(name) for name in names)


@pytest.mark.parametrize("of_a_run", [False, True])
def test_an_image_whose_end_was_not_told_is_told(of_a_run: bool) -> None:
    """Whoever ended it was killed before the transaction that shows it."""
    thread = Thread.objects.create(pk="thr_1", owner="user:1")
    now = timezone.now()
    hour = datetime.timedelta(hours=1)
    run = Run.objects.create(
        thread=thread, owner="user:1", status="interrupted", finished_at=now - hour
    )
    image = GeneratedImage.objects.create(
        thread=thread,
        run=run if of_a_run else None,
        call_id="ig",
        created_at=now - 2 * hour,
        finished_at=now - hour,
        status="interrupted",
        reason="interrupted",
    )
    sweep()
    image.refresh_from_db()
    assert image.item is not None
    assert image.item.is_note
    item = image.item
    sweep()
    assert list(thread.items.all()) == [item]


def test_an_image_without_a_run_has_time_to_be_made() -> None:
    """A project's own view iterates it, and nobody says that it is alive."""
    thread = Thread.objects.create(pk="thr_1", owner="user:1")
    run = Run.objects.create(thread=thread, owner="user:1", status="interrupted")
    now = timezone.now()

    def image(call_id: str, run: Run | None, **age: float) -> None:
        created_at = now - datetime.timedelta(**age)
        GeneratedImage.objects.create(
            thread=thread, run=run, call_id=call_id, created_at=created_at
        )

    image("alone", None, hours=1)
    image("alone for days", None, days=2)
    image("left", run, hours=1)
    image("just begun", run, seconds=1)

    assert sweep(dry_run=True)["unfinished images"] == 2
    assert sweep()["unfinished images"] == 2

    unfinished = GeneratedImage.objects.unfinished()
    assert {i.call_id for i in unfinished} == {"alone", "just begun"}


@pytest.mark.row("D12")
def test_the_sweep_stops_at_a_listing_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    orphan = stored(old=True)

    def broken(path: str) -> Any:
        raise ConnectionError("no listing today")

    monkeypatch.setattr(storages["default"], "listdir", broken)
    settled = sweep()
    assert there(orphan)
    assert settled == NOTHING
    (trouble,) = settled.troubles
    assert "cannot be listed: ConnectionError('no listing today')" in str(trouble)


@pytest.mark.row("D09")
def test_a_row_takes_its_files_with_it_after_the_commit() -> None:
    thread = Thread.objects.create(pk="thr_1", owner="user:1")
    names = [stored() for _ in range(5)]
    image = GeneratedImage.objects.create(
        thread=thread, call_id="ig_1", file=names[0], thumbnail=names[1]
    )
    PartialImage.objects.create(image=image, index=0, file=names[2])
    Attachment.objects.create(
        pk="atc_1",
        owner="user:1",
        name="a",
        thread=thread,
        file=names[3],
        thumbnail=names[4],
    )
    with pytest.raises(RuntimeError), atomic():
        thread.delete()
        raise RuntimeError
    assert all(map(there, names))

    thread = Thread.objects.get()
    with atomic():
        thread.delete()
        assert all(map(there, names))
        assert DeletedFile.objects.count() == 5
    storage.drain()
    assert not any(map(there, names))
    assert not DeletedFile.objects.exists()


def test_a_file_that_cannot_be_deleted_now_is_deleted_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = stored()
    Attachment.objects.create(pk="atc_1", owner="user:1", name="a", file=name)

    def broken(name: str) -> None:
        raise ConnectionError

    monkeypatch.setattr(storages["default"], "delete", broken)
    Attachment.objects.get().delete()
    storage.drain()
    assert DeletedFile.objects.get().name == name
    monkeypatch.undo()
    assert sweep()["deleted files"] == 1
    assert not there(name)


def test_a_commit_does_not_wait_for_the_storage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = stored()
    Attachment.objects.create(pk="atc_1", owner="user:1", name="a", file=name)
    release, delete = threading.Event(), storages["default"].delete
    opened: list[Any] = []

    def slow(name: str) -> None:
        assert release.wait(60)
        delete(name)

    monkeypatch.setattr(storages["default"], "delete", slow)
    Attachment.objects.get().delete()
    assert there(name)
    assert DeletedFile.objects.get().name == name
    release.set()
    storage.drain()
    assert not there(name)
    assert not DeletedFile.objects.exists()
    # The thread leaves no connection behind.
    storage.later(lambda: opened.append(connections[alias()].connection))
    storage.drain()
    assert opened == [None]


def test_a_note_that_cannot_be_settled_does_not_hold_up_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = [stored(), "../secret", stored(), "/etc/passwd", stored()]
    orphan = stored(old=True)
    DeletedFile.objects.bulk_create(DeletedFile(name=name) for name in names)
    settled = sweep()
    assert settled["deleted files"] == 3
    assert "Not a name made by chatkit_images: '../secret'" in str(settled.troubles[0])
    assert set(DeletedFile.objects.values_list("name", flat=True)) == {
        "../secret",
        "/etc/passwd",
    }
    assert not any(there(name) for name in [*names[::2], orphan])
    assert "/etc/passwd cannot be deleted" in caplog.text


def test_an_unknown_file_that_cannot_be_deleted_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    orphans = [stored(old=True) for _ in range(3)]
    delete = storages["default"].delete

    def broken(name: str) -> None:
        if name in orphans[:2]:
            raise ConnectionError(name)
        delete(name)

    monkeypatch.setattr(storages["default"], "delete", broken)
    settled = sweep()
    assert settled.troubles.counts == {"ConnectionError": 2}
    assert [there(name) for name in orphans] == [True, True, False]


def test_no_file_field_is_forgotten() -> None:
    fields = {
        (model.__name__, field.name)
        for model in vars(models).values()
        if isinstance(model, type) and issubclass(model, Model)
        for field in model._meta.fields
        if isinstance(field, FileField)
    }
    columns = file_columns()
    assert fields == {
        (model.__name__, name) for model, names in columns.items() for name in names
    }
    assert set(columns) == {GeneratedImage, PartialImage, Attachment, ImageVariant}


def test_a_file_of_any_field_is_known() -> None:
    """Each column of itself keeps a file from the sweep."""
    thread = Thread.objects.create(pk="thr_1", owner="user:1")
    image = GeneratedImage.objects.create(thread=thread, call_id="ig_1")
    others: dict[type[Model], dict[str, Any]] = {
        GeneratedImage: {"thread": thread, "call_id": "ig_2"},
        PartialImage: {"image": image, "index": 0},
        Attachment: {"pk": "atc_1", "owner": "user:1", "name": "a"},
        ImageVariant: {"image": image, "form": "model"},
    }
    for model, names in file_columns().items():
        for field in names:
            kept = stored(old=True)
            row = model._default_manager.create(**others[model], **{field: kept})
            assert found() == []
            row.delete()
            storage.drain()
            assert not there(kept)
    noted = stored(old=True)
    DeletedFile.objects.create(name=noted)
    assert found() == []


def test_the_sweep_command_prints_counts() -> None:
    leftovers()
    out = StringIO()
    call_command("chatkit_images_sweep", "--dry-run", stdout=out)
    assert "Would settle 1 dead runs." in out.getvalue()
    call_command("chatkit_images_sweep", stdout=out)
    assert "Settled 1 unknown files." in out.getvalue()


def test_the_flush_command_moves_the_spool(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, data: bytes, *where: str | None) -> None:
        raise OSError("no")

    monkeypatch.setattr(storage.backend, "put", refuse)
    name = stored()
    with pytest.raises(CommandError, match="The storage refuses files"):
        call_command("chatkit_images_flush_spool", stdout=StringIO())
    monkeypatch.undo()
    out = StringIO()
    call_command("chatkit_images_flush_spool", stdout=out)
    assert out.getvalue() == "Moved 1 files to the storage, 0 are left.\n"
    assert there(name)


def test_many_files_are_looked_up_in_batches(
    monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr("chatkit_images.maintenance.orphans.BATCH", 2)
    names = [stored(old=True) for _ in range(5)]
    with django_assert_max_num_queries(3 * 8):
        assert set(found()) == set(names)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="It is SQLite's plan.")
def test_each_column_of_files_is_asked_by_its_index() -> None:
    queries = naming([storage.new_name("images", "png") for _ in range(500)])
    assert len(queries) == 8
    for rows in queries:
        plan = rows.explain().splitlines()
        assert plan and all(" SEARCH " in f" {step}" for step in plan), plan
        assert "INDEX chatkit_" in plan[0], plan
        assert "TEMP B-TREE" not in " ".join(plan)


@pytest.mark.parametrize("count", [1, 3])
def test_a_statement_of_the_sweep_does_not_grow(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_images.maintenance.orphans.BATCH", 20)
    names = [storage.new_name("images", "png") for _ in range(20 * count)]
    ages = [(name, 10.0**6) for name in names]
    monkeypatch.setattr(storage, "listing", lambda errors, alias: iter(ages))
    with CaptureQueriesContext(connection) as queries:
        assert found(adopts=True) == names
    assert len(queries) == count * (8 + 3)
    assert max(len(query["sql"]) for query in queries) < 20 * 80 + 4000


def test_a_position_is_called_by_its_key() -> None:
    assert str(DeletedPosition(key="msg_1")) == "msg_1"


def test_recover_ends_dead_runs_and_with_all_every_run() -> None:
    dead = Run.objects.create(owner="user:1", heartbeat_at=LONG_AGO)
    alive = Run.objects.create(owner="user:1", heartbeat_at=times.Now())

    def recover(*options: str) -> str:
        out = StringIO()
        call_command("chatkit_images_recover", *options, stdout=out)
        return out.getvalue()

    assert recover() == "Ended 1 runs, 1 go on.\n"
    dead.refresh_from_db()
    alive.refresh_from_db()
    assert (dead.status, alive.status) == ("interrupted", "running")
    assert recover("--all") == "Ended 1 runs, 0 go on.\n"
    alive.refresh_from_db()
    assert (alive.status, alive.reason) == ("interrupted", "interrupted")
