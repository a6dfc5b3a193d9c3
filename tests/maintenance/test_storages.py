"""Jobs over the files of several storages, and of storages with troubles."""

from __future__ import annotations

import json
import os
import time
import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from chatkit_images import maintenance, storage
from chatkit_images.maintenance import (
    SweepRefused,
    Troubles,
    flush_spool,
    guard,
    orphans,
    sweep,
)
from chatkit_images.models import (
    Attachment,
    DeletedFile,
    DeletedPosition,
    GeneratedImage,
    Installation,
    LegalHold,
    Thread,
)
from chatkit_images.storage import spool
from chatkit_images.storage.patience import Patience
from tests.maintenance.test_sweep import LONG_AGO
from tests.tuning import tuned

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def two(settings: Any, tmp_path: Path) -> None:
    """A second storage, to which no new files go."""
    backend = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "other"},
    }
    settings.STORAGES = settings.STORAGES | {"other": backend}


def stored(*aliases: str) -> str:
    """Store an old file in some storages."""
    name = storage.new_name("images", "png")
    for alias in aliases:
        storage.store(name, b"bytes", alias)
        os.utime(storages[alias].path(name), (LONG_AGO.timestamp(),) * 2)
    return name


def there(name: str) -> list[str]:
    return [alias for alias in ("default", "other") if storages[alias].exists(name)]


def image(name: str, alias: str, **columns: Any) -> GeneratedImage:
    thread, _ = Thread.objects.get_or_create(pk="thr_1", owner="user:1")
    return GeneratedImage.objects.create(
        thread=thread,
        identity=uuid.uuid4().hex,
        storage_alias=alias,
        **{"file": name, "status": "completed"} | columns,
    )


def run(*arguments: str) -> tuple[str, str]:
    """Return what a command prints, and why it fails."""
    out, err = StringIO(), StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), f"{err.getvalue()}{error}"
    return out.getvalue(), err.getvalue()


def test_each_storage_that_rows_name_is_swept() -> None:
    kept = stored("other")
    image(kept, "other")
    unknown = [stored("default"), stored("other")]
    assert sweep(dry_run=True)["unknown files"] == 2
    settled = sweep()
    assert settled["unknown files"] == 2 and not settled.troubles
    assert [there(name) for name in (kept, *unknown)] == [["other"], [], []]


def test_a_file_that_some_row_names_stays_wherever_it_is(
    settings: Any, tmp_path: Path
) -> None:
    """One place may have two aliases, and then there is no other copy."""
    elsewhere = stored("default", "other")
    image(elsewhere, "other")
    again = settings.STORAGES["other"] | {}
    again["OPTIONS"] = {**again["OPTIONS"], "base_url": "/again/"}
    settings.STORAGES = settings.STORAGES | {"again": again}
    twice = stored("again")
    image(twice, "other")
    image("", "again")
    assert sweep()["unknown files"] == 0
    assert there(elsewhere) == ["default", "other"]
    assert there(twice) == ["other"]


def test_files_of_another_database_are_left_alone_and_the_rest_is_done() -> None:
    guard()
    Installation.objects.update(id=uuid.uuid4())
    unknown, noted, mine = stored("default"), stored("default"), stored("other")
    image("", "other")
    DeletedFile.objects.create(name=noted)
    unsent = stored("default")
    Attachment.objects.create(
        pk="atc_1", owner="user:1", file=unsent, created_at=LONG_AGO
    )
    DeletedPosition.objects.create(
        scope="s", key="k", position="1", stood_at=LONG_AGO, created_at=LONG_AGO
    )
    out, err = run("chatkit_images_sweep")
    assert "Settled 1 old cursors." in out and "Settled 1 unknown files." in out
    assert "belong to another database" in err and "1 things could not be done" in err
    assert there(unknown) == there(noted) == there(unsent) == ["default"]
    assert there(mine) == []
    assert Attachment.objects.exists() and DeletedFile.objects.exists()
    out, err = run("chatkit_images_sweep", "--claim", "default")
    assert err == ""
    assert there(unknown) == there(noted) == there(unsent) == []


def test_a_dry_run_claims_nothing() -> None:
    stored("default")
    run("chatkit_images_sweep", "--dry-run", "--claim")
    marker = storage.marker.name()
    assert not storages["default"].exists(marker)


def test_a_storage_that_is_gone_from_the_settings_is_named() -> None:
    image(stored("other"), "gone")
    unknown = stored("default")
    settled = sweep()
    (trouble,) = settled.troubles
    assert "Rows name the storage 'gone', which is not in STORAGES" in str(trouble)
    assert there(unknown) == []


def test_another_storage_is_swept_though_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image("", "other")
    guard()
    guard("other")
    monkeypatch.setattr(orphans, "UNKNOWN_AT_ONCE", 2)
    many, one = [stored("default") for _ in range(3)], stored("other")
    with pytest.raises(SweepRefused, match="3 of 3 files are .* 'default'") as refused:
        sweep()
    assert refused.value.settled["unknown files"] == 1
    assert all(map(there, many)) and not there(one)
    out, err = run("chatkit_images_sweep", "--json")
    (refusal,) = json.loads(out)["refused"]
    assert refusal in err and "say --force" in err
    sweep(force=True)
    assert not any(map(there, many))


def test_a_file_whose_row_comes_while_it_is_listed_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = stored("default")
    find = orphans.find_orphans

    def late(*args: Any, **kwargs: Any) -> Any:
        found = find(*args, **kwargs)
        assert found.unknown.count == 1
        image(name, "default")
        return found

    monkeypatch.setattr(orphans, "find_orphans", late)
    assert sweep()["unknown files"] == 0
    assert there(name) == ["default"]


def test_what_is_held_is_not_swept() -> None:
    LegalHold.objects.create(owner="user:1")
    for number in (1, 2):
        Attachment.objects.create(
            pk=f"atc_{number}", owner=f"user:{number}", created_at=LONG_AGO
        )
    assert sweep()["unsent attachments"] == 1
    assert Attachment.objects.get().owner == "user:1"


def test_a_million_troubles_take_no_memory() -> None:
    troubles = Troubles()
    for number in range(1000):
        troubles.append(OSError(f"{number}"))
    troubles.append(KeyError("k"))
    assert (len(troubles), troubles.total) == (20, 1001)
    assert troubles.lines()[0] == "OSError: 0"
    assert troubles.lines()[-1] == "and 981 more; in all 1000 OSError, 1 KeyError"


def test_a_silent_storage_is_not_asked_about_each_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def silent(name: str) -> None:
        asked.append(name)
        raise TimeoutError("silent")

    monkeypatch.setattr(storages["default"], "delete", silent)
    names = [storage.new_name("images", "png") for _ in range(50)]
    with Patience() as patience:
        failed = storage.delete_all(names, None, patience)
    assert asked == names[:10] and set(failed) == set(names)


def test_spooled_files_go_where_their_rows_say(settings: Any) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_STALE_SECONDS=0.001)
    of_row, of_key, unknown = (storage.new_name("images", "png") for _ in range(3))
    image(of_row, "other")
    image("", "other", key=storage.key_of(of_key), status="blocked")
    for name in (of_row, of_key, unknown):
        spool.keep(name, b"bytes")
        spool.hand_over(name)
    assert set(flush_spool()) == {of_row, of_key, unknown}
    assert there(of_row) == there(of_key) == ["other"]
    assert there(unknown) == ["default"]


def test_the_flush_says_why_files_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    name = storage.new_name("images", "png")
    spool.keep(name, b"bytes")
    spool.hand_over(name)

    def full(*args: Any) -> None:
        raise OSError("the bucket is full")

    monkeypatch.setattr(storage.backend, "put", full)
    out, err = run("chatkit_images_flush_spool")
    assert "Moved 0 files to the storage, 1 are left." in out
    assert "OSError: the bucket is full" in err
    out, err = run("chatkit_images_flush_spool", "--json")
    assert json.loads(out) == {
        "version": 1,
        "moved": 0,
        "left": 1,
        "troubles": {"OSError": 1},
    }


def test_verify_reads_each_file_where_its_row_says_and_goes_on_where_it_ended() -> None:
    digest = "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9"
    rows = sorted(
        (image(stored("other"), "other", sha256=digest) for _ in range(5)),
        key=lambda row: row.pk,
    )
    out, err = run("chatkit_images_verify", "--limit", "2")
    assert out == "Each of 2 images is what its row says.\n"
    assert err == f"Go on with --from {rows[1].pk}\n"
    storages["other"].delete(str(rows[3].file.name))
    out, err = run("chatkit_images_verify", "--from", str(rows[1].pk), "--json")
    said = json.loads(out)
    assert (said["read"], said["counts"]) == (3, {"missing": 1})
    assert said["findings"][0]["image"] == str(rows[3].pk)
    assert said["findings"][0]["storage"] == "other"
    assert said["last"] == str(rows[4].pk)
    assert "--limit must be above 0" in run("chatkit_images_verify", "--limit", "0")[1]


def test_verify_ends_at_a_storage_that_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = sorted(image(stored("default"), "default").pk for _ in range(12))
    read = storage.read

    def silent(name: str, alias: str | None = None) -> bytes:
        if GeneratedImage.objects.get(file=name).pk > rows[0]:
            raise TimeoutError("The storage is silent.")
        return read(name, alias)

    monkeypatch.setattr(maintenance.verify.__globals__["storage"], "read", silent)
    out, err = run("chatkit_images_verify")
    assert out.count("unreadable") == 10
    assert f"Go on with --from {rows[0]}" in err
    assert "The other images were not read." in err


def test_progress_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    ticks = iter(range(10**6))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
    # A write would flush the spool.
    image(stored("default"), "default", sha256="x")
    spool.keep(name := storage.new_name("images", "png"), b"bytes")
    spool.hand_over(name)
    for command, shown in (
        ("flush_spool", "files: 1"),
        ("verify", "images: 1"),
        ("sweep", "old cursors: 0"),
    ):
        err = Terminal()
        try:
            call_command(f"chatkit_images_{command}", stdout=StringIO(), stderr=err)
        except CommandError:
            assert command == "verify"
        assert shown in err.getvalue()
        assert err.getvalue().endswith("\r\033[K")
