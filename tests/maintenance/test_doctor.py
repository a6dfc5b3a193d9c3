"""The doctor: it finds all drift and nothing else, mends it, and finds none again."""

from __future__ import annotations

import datetime
import json
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from chatkit import types
from django.core.management import CommandError, call_command
from django.utils import timezone

from chatkit_images import doctor, storage, webhooks
from chatkit_images.context import RequestContext
from chatkit_images.deleted_files import file_columns
from chatkit_images.doctor import examination, inventory
from chatkit_images.maintenance import NotOurFiles, claim, guard, sweep
from chatkit_images.models import (
    Attachment,
    DeletedFile,
    GeneratedImage,
    LegalHold,
    PartialImage,
    Run,
    RunEnd,
    Thread,
    UseCounter,
    UseEntry,
)
from chatkit_images.queries import items
from chatkit_images.runs import telling
from tests.chat import TestServer as ChatServer
from tests.webhook import SECRET, webhook

from .examining import NAMES, check_all, examined, second_storage
from .planting import SECOND, Planter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def another_storage(settings: Any, tmp_path: Any) -> None:
    second_storage(settings, tmp_path)


def test_all_drift_and_nothing_else_is_found_and_mended() -> None:
    """Of more seeds: tests/drift."""
    check_all(Planter(0))


def command(*args: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command("chatkit_images_doctor", *args, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), err.getvalue() + str(error)
    return 0, out.getvalue(), err.getvalue()


def test_the_command_counts_and_mends_and_says_so_by_its_code() -> None:
    planter = Planter(1)
    run = planter.stale_runs()
    files = [planter.undeleted_files() for _ in range(7)]

    code, out, err = command("--check", "stale-runs", "undeleted-files")
    assert code == 1
    assert err == "There is drift: 8 in all."
    lines = out.splitlines()
    assert lines[0] == "stale-runs: 1"
    assert lines[1].startswith(f"  Run {run.pk}: no sign of life since ")
    assert lines[2] == "undeleted-files: 7"
    assert lines[3].startswith(f"  DeletedFile {files[0].pk}: ")
    assert lines[8] == "  and 2 more"
    assert Run.objects.running().exists()

    code, out, err = command("--fix", "stale-runs", "undeleted-files")
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line[0] != " "] == [
        "stale-runs: 1, 1 mended",
        "undeleted-files: 7, 7 mended",
    ]
    assert command("--check", "stale-runs", "undeleted-files")[0] == 0


def test_the_command_prints_json() -> None:
    planted = Planter(2).plant(["counters"], most=1)
    code, out, _ = command("--check", "counters", "--json")
    data = json.loads(out)
    (what,) = planted["counters"]
    (example,) = data["classes"]["counters"].pop("examples")
    assert code == data.pop("exit_code") == 1
    assert (example["what"], example["bytes"]) == (what, 0)
    assert data == {
        "version": 1,
        "deep": False,
        "classes": {"counters": {"found": 1, "bytes": 0, "fixed": 0, "left": 1}},
        "errors": [],
    }


@pytest.mark.parametrize(
    "drift", ["spooled-files", "urls-in-items", "missing-thumbnails"]
)
def test_what_a_person_deletes_meanwhile_is_neither_drift_nor_trouble(
    drift: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = getattr(Planter(11), drift.replace("-", "_"))
    planted = [plant() for _ in range(4)]
    mend = examination._mend

    def late(finding: doctor.Finding, look: Any) -> bool:
        Thread.objects.all().delete()
        Attachment.objects.all().delete()
        if drift == "spooled-files":
            storage.spool.drop(finding.what)
        return mend(finding, look)

    monkeypatch.setattr(examination, "_mend", late)
    report = doctor.fix([drift])
    assert 1 <= report.counts[drift].found <= len(planted)
    assert (report.troubles, report.left) == ([], 0)


def test_what_is_held_is_found_and_stays() -> None:
    planter = Planter(3)
    row = planter.unsent_attachments()
    LegalHold.objects.create(owner=row.owner)
    report = doctor.fix(["unsent-attachments"])
    assert report.counts["unsent-attachments"].left == 1
    row.refresh_from_db()
    LegalHold.objects.all().delete()
    assert doctor.fix(["unsent-attachments"]).exit_code == 0


def test_what_is_held_is_not_rewritten_and_loses_no_row() -> None:
    planter = Planter(8)
    items = [planter.urls_in_items() for _ in range(6)]
    image = planter.image()
    partial, form = planter.partial(image), planter.variant(image)
    PartialImage.objects.update(created_at=planter.old)
    planter.lost(partial)
    planter.lost(form)
    changed = planter.changed_bytes()
    for thread in (image.thread, changed.thread, *(item.thread for item in items)):
        LegalHold.objects.create(thread_id=thread.pk)
    count = GeneratedImage.objects.count()
    names = ["urls-in-items", "missing-files", "changed-bytes"]
    report = doctor.fix(names, deep=True)
    assert report.counts["urls-in-items"].left == 6
    assert report.counts["missing-files"].left == 2
    assert report.counts["changed-bytes"].left == 1
    for item in items:
        payload = item.payload
        item.refresh_from_db()
        assert item.payload == payload
    assert GeneratedImage.objects.count() == count
    partial.refresh_from_db()
    form.refresh_from_db()
    LegalHold.objects.all().delete()
    assert doctor.fix(names, deep=True).exit_code == 0


def everything(settings: Any, tmp_path: Path) -> Any:
    """Return all files, and which of them rows name."""
    folders = (settings.MEDIA_ROOT, tmp_path / "second")
    paths = [path for folder in folders for path in Path(folder).rglob("*.*")]
    files = {path: path.read_bytes() for path in paths if path.is_file()}
    names = {
        (model.__name__, row.pk, blob)
        for model in file_columns()
        for row in model._default_manager.all()
        for blob in row.blobs()  # type: ignore[attr-defined]
    }
    return files, names, list(storage.spool.handed_over(aged=True))


@pytest.mark.parametrize("seed", range(20, 22))
@pytest.mark.sweep(1)
def test_the_doctor_of_a_copy_touches_no_file_of_the_other_database(
    seed: int, settings: Any, tmp_path: Path
) -> None:
    planter = Planter(seed)
    planter.plant(NAMES)
    guard()
    guard(SECOND)
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"INSTALLATION": "staging"}
    before = everything(settings, tmp_path)
    report, _ = examined(deep=True, fixes=["all", *NAMES])
    files, names, spooled = everything(settings, tmp_path)
    assert (files, spooled) == (before[0], before[2])
    # Notes of files that rows name are dropped.
    assert {each for each in before[1] - names if each[0] != "DeletedFile"} == set()
    assert report.exit_code == 2
    refused = {each.drift for each in report.troubles}
    assert {type(each.error) for each in report.troubles} == {NotOurFiles}
    # What changes rows alone is mended all the same.
    assert refused >= {"unsent-attachments", "undeleted-files", "old-partials"}
    assert report.counts["counters"].left == report.counts["ledger"].left == 0


def test_an_old_note_never_becomes_the_deletion_of_the_file_of_a_row() -> None:
    """The file was moved, and the storage of before is no more."""
    planter = Planter(9)
    image = planter.image()
    old = {"storage_alias": "gone", "due_at": planter.old, "created_at": planter.old}
    DeletedFile.objects.create(name=image.file.name, **old)
    left = storage.new_name("images", "png")
    storage.store(left, b"bytes")
    DeletedFile.objects.create(name=left, **old)
    assert doctor.fix(["unknown-storages"]).counts["unknown-storages"].fixed == 2
    note = DeletedFile.objects.get()
    assert (note.name, note.storage_alias) == (left, "default")
    sweep()
    assert storage.exists(str(image.file.name))
    assert not storage.exists(left)


class PlanServer(ChatServer):
    """A server of plans, of which it knows none."""

    def get_retention(self, context: RequestContext) -> Any:
        raise LookupError("no such plan")


@pytest.mark.parametrize(
    "kept",
    [
        {"RETENTION": {"USE_ENTRIES": datetime.timedelta(milliseconds=1)}},
        {"SERVER": f"{__name__}.PlanServer"},
    ],
)
def test_counters_are_not_lowered_where_entries_may_have_been_deleted(
    kept: Any, settings: Any
) -> None:
    planter = Planter(10)
    run, low = planter.run(), planter.run()
    planter.count(run.owner, "image", 3)
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | kept
    UseEntry.objects.filter(owner=run.owner).delete()
    what = planter.count(low.owner, "image", -1)
    before = UseCounter.objects.filter(owner=run.owner).values_list("pk", "amount")
    said = list(before)
    report, found = examined(checks=["counters"], fixes=["counters"])
    assert found == {"counters": {what}}
    assert report.exit_code == 0
    assert list(before) == said


def test_the_webhook_may_be_silent_for_all_ends_together(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "COMMAND_SECONDS", 0.2)
    planter, gate = Planter(11), threading.Event()
    ends = [planter.untold_ends() for _ in range(4)]
    with webhook() as endpoint:
        endpoint.during = lambda request: gate.wait(30)
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
            "WEBHOOK_URL": endpoint.url,
            "WEBHOOK_SECRET": SECRET,
        }
        code, out, err = command("--fix", "untold-ends")
        assert (code, out.splitlines()[0]) == (2, "untold-ends: 4, 0 mended")
        assert err.count("Servers tell of what is left.") == 1
        # Whoever looks next begins at once, or when those that are told may be late.
        assert not RunEnd.objects.filter(due_at=None).exists()
        assert len(endpoint.posts) <= len(ends)
        gate.set()
        assert webhooks.drain(30)
        RunEnd.objects.update(due_at=timezone.now())
        assert doctor.fix(["untold-ends"]).exit_code == 0


def test_it_goes_on_where_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatkit_images.doctor.drift.PAGE", 2)
    planter = Planter(4)
    rows = sorted(planter.undeleted_files().pk for _ in range(5))
    seen: list[str] = []
    places: list[str] = []

    def stop(finding: doctor.Finding, done: bool) -> None:
        seen.append(finding.what)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        doctor.examine(["undeleted-files"], found=stop, stopped=places.append)
    assert places == [f"undeleted-files:DeletedFile:{rows[1]}"]

    report, found = examined(checks=["undeleted-files"], start=places[0])
    assert found == {"undeleted-files": {f"DeletedFile {pk}" for pk in rows[2:]}}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="no class of drift 'mice'"):
        doctor.examine(["mice"])
    with pytest.raises(ValueError, match="Nothing begins at 'mice:1'"):
        doctor.examine(["counters"], start="mice:1")
    for place in ("undeleted-files:Mouse:1", "missing-files:GeneratedImage:1"):
        with pytest.raises(ValueError, match=f"Nothing begins at '{place}'"):
            doctor.examine(start=place)
    with pytest.raises(CommandError, match="invalid choice: 'mice'"):
        call_command("chatkit_images_doctor", "--check", "mice")


def test_what_cannot_be_looked_at_is_told_and_is_no_drift(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Planter(5).sound()

    def fail(*args: Any) -> Any:
        raise OSError("no route")

    monkeypatch.setattr("chatkit_images.storage.sized_listing", fail)
    code, out, err = command("--check", "missing-files", "unknown-files")
    assert code == 2
    assert "missing-files: 0" in out
    assert "missing-files: storage default: OSError: no route" in err
    assert err.endswith("Not all could be looked at.")


@pytest.mark.parametrize("kind", ["rows", "files"])
def test_half_an_inventory_tells_nothing(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example because the disk for temporary files is full."""
    Planter(12).unknown_files()
    flush, full = inventory._Parts.flush, [OSError("No space left on device")]

    def fails_once(self: inventory._Parts) -> None:
        if self._kind == kind and full:
            raise full.pop()
        flush(self)

    monkeypatch.setattr(inventory._Parts, "flush", fails_once)
    asked = ["missing-files", "unknown-files"]
    report = doctor.examine(asked)
    assert [trouble.drift for trouble in report.troubles] == asked
    assert report.exit_code == 2
    assert doctor.examine(asked).counts["unknown-files"].found == 1


def test_most_files_of_a_storage_are_not_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may be the wrong bucket."""
    monkeypatch.setattr("chatkit_images.doctor.lost_files.UNKNOWN_AT_ONCE", 1)
    claim()
    planter = Planter(6)
    for image in (images := [planter.shown(planter.image()) for _ in range(2)]):
        planter.bare(image)
        planter.lost(image)
    report = doctor.fix(["missing-files"])
    assert (report.counts["missing-files"].left, report.exit_code) == (2, 2)
    assert "by --force" in str(report.troubles[0].error)
    assert not GeneratedImage.objects.filter(status="failed").exists()

    assert doctor.fix(["missing-files"], force=True).exit_code == 0
    context = RequestContext(None, images[0].thread.owner)
    (item,) = items.load_page(images[0].thread_id, None, 9, "asc", context).data
    assert isinstance(item, types.AssistantMessageItem)
    assert item.content[0].text == "The image was made but could not be saved."


def test_a_lost_image_is_complete_again_when_its_file_comes_back() -> None:
    planter = Planter(7)
    image = planter.shown(planter.image())
    name, data = str(image.file.name), storage.read(str(image.file.name))
    planter.lost(image)
    assert doctor.fix(["missing-files"]).exit_code == 0
    image.refresh_from_db()
    assert (image.status, image.reason) == ("failed", "not_saved")
    assert image.is_shown, "Its thumbnail is its preview."
    (preview, note) = image.thread.items.order_by("pk")
    assert note.is_note and "only a preview" in str(note.payload)

    storage.store(name, data)
    planter.age(name)
    assert doctor.fix(["unknown-files"]).exit_code == 0
    image.refresh_from_db()
    assert (image.status, image.file.name) == ("completed", name)
    assert list(image.thread.items.all()) == [preview]
