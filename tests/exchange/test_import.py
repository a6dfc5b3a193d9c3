"""What is exported can be imported: into another installation, and again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from chatkit_images import exchange, storage
from chatkit_images.context import RequestContext
from chatkit_images.models import (
    Attachment,
    GeneratedImage,
    ImageSource,
    Run,
    Thread,
    ThreadItem,
)
from chatkit_images.store import DjangoStore
from tests.image_files import image_file

from .archives import Draft, exported, lines
from .person import furnish

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ann.zip"


@pytest.fixture
def mine(ann: User) -> RequestContext:
    return furnish(ann)


def without_head(found: list[Any]) -> list[Any]:
    return [
        {**each, "person": None} if "person" in each else each for each in found[1:]
    ]


@pytest.mark.parametrize("internal", [False, True])
def test_an_export_of_what_was_imported_has_the_same_lines(
    mine: RequestContext, ann: User, bob: User, path: Path, internal: bool
) -> None:
    exchange.export(mine, path, internal=internal)
    before = lines(exported(mine, internal=internal))
    ann.delete()
    storage.drain()
    assert not Thread.objects.exists() and not GeneratedImage.objects.exists()

    done = exchange.import_archive(exchange.context_of(bob), path)

    after = lines(exported(exchange.context_of(bob), internal=internal))
    strangers = [each for each in before if each.get("person") == "user:other"]
    assert done.refused.total() == len(strangers)
    kept = [each for each in before if each not in strangers]
    assert without_head(after) == without_head(kept)
    assert ImageSource.objects.count() == 4
    for row in GeneratedImage.objects.exclude(file=""):
        assert row.thumbnail and storage.read(row.file.name)


def test_chats_are_read_as_before(
    mine: RequestContext, ann: User, bob: User, path: Path
) -> None:
    def read(context: RequestContext) -> Any:
        page = async_to_sync(DjangoStore().load_thread_items)(
            "thr_1", None, 100, "asc", context
        )
        return [each.model_dump(exclude={"content"}) for each in page.data], [
            each.image.url.partition("/images/")[0]
            for each in page.data
            if each.type == "generated_image" and each.image
        ]

    _, urls = read(mine)
    exchange.export(mine, path)
    ann.delete()
    exchange.import_archive(exchange.context_of(bob), path)

    items, now = read(exchange.context_of(bob))
    assert [each["id"] for each in items] == [
        *("msg_1", "img_1", "img_2", "msg_2", "wf_1")
    ]
    assert len(now) == len(urls) == 2 and all(now)


def test_what_is_there_stays_and_the_rest_comes_back(
    mine: RequestContext, path: Path
) -> None:
    exchange.export(mine, path)
    lost = GeneratedImage.objects.get(item__item_id="img_2")
    key = lost.pk
    lost.delete()
    ThreadItem.objects.filter(item_id="msg_2").delete()
    Thread.objects.filter(pk="thr_2").update(title="renamed since")
    Attachment.objects.filter(pk="atc_2").delete()

    done = exchange.import_archive(mine, path)

    new = {"image": 1, "item": 1, "attachment": 1, "sources": 1}
    assert +done.new == new and done.is_whole
    assert Thread.objects.get(pk="thr_2").title == "renamed since"
    back = GeneratedImage.objects.get(pk=key)
    assert (back.sha256, back.cost) == (lost.sha256, lost.cost)
    again = exchange.import_archive(mine, path)
    assert not again.new.total() and again.there["image"] == 5


def test_what_another_owner_has_is_refused(
    mine: RequestContext, bob: User, path: Path
) -> None:
    exchange.export(mine, path)
    before = lines(exported(mine))

    done = exchange.import_archive(exchange.context_of(bob), path)

    assert not done.new.total() and not done.there.total()
    assert done.refused.total() == len(before) - 1
    assert "another owner's" in str(done.refusals[0])
    assert lines(exported(mine))[1:] == before[1:]


def test_a_dry_run_says_everything_and_writes_nothing(
    mine: RequestContext, ann: User, bob: User, path: Path
) -> None:
    draft = Draft(mine)
    draft.files[draft.images()[0]["path"]] = b"no image"
    draft.files[draft.line("attachment")["path"]] = b"<html>"
    draft.line("item")["created_at"] = "yesterday"
    draft.write(path)
    ann.delete()
    storage.drain()
    files = sorted(storage.listing())

    planned = exchange.import_archive(exchange.context_of(bob), path, dry_run=True)

    assert not Thread.objects.exists() and not GeneratedImage.objects.exists()
    assert len(sorted(storage.listing())) == len(files)
    done = exchange.import_archive(exchange.context_of(bob), path)
    assert (done.refused, done.refusals) == (planned.refused, planned.refusals)
    assert done.new - planned.new == {"sources": 2}
    # The feedback is for the item that is refused.
    assert done.refused == {"image": 1, "attachment": 1, "item": 1, "feedback": 1}


@pytest.mark.parametrize("writes", range(1, 12, 3))
def test_an_import_that_was_cut_off_is_repeated(
    mine: RequestContext,
    ann: User,
    bob: User,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    writes: int,
) -> None:
    exchange.export(mine, path)
    before = lines(exported(mine))
    ann.delete()
    left, flush = [writes], exchange.archive_import.ArchiveImport._line

    def cut(self: Any, line: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        flush(self, line)

    context = exchange.context_of(bob)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(exchange.archive_import.ArchiveImport, "_line", cut)
        exchange.import_archive(context, path)
    done = exchange.import_archive(context, path)

    assert done.is_whole
    assert without_head(lines(exported(context))) == without_head(before)


def test_what_goes_on_elsewhere_has_ended_here(
    mine: RequestContext, ann: User, bob: User, path: Path
) -> None:
    run = Run.objects.get()
    Run.objects.update(status="running", finished_at=None)
    GeneratedImage.objects.filter(status="blocked").update(status="generating")
    exchange.export(mine, path)
    ann.delete()

    exchange.import_archive(exchange.context_of(bob), path)

    assert Run.objects.get(pk=run.pk).status == "interrupted"
    assert not GeneratedImage.objects.filter(status="generating").exists()


def test_bytes_of_what_people_send_are_checked_as_theirs(
    mine: RequestContext, ann: User, bob: User, path: Path, settings: Any
) -> None:
    draft = Draft(mine)
    own, large, *_ = draft.images()
    draft.files[own["path"]] = image_file("pink")  # Other bytes than it was made of.
    draft.files[large["path"]] = b"x" * 2000
    draft.write(path)
    ann.delete()
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MAX_IMAGE_BYTES": 1999}

    done = exchange.import_archive(exchange.context_of(bob), path)

    why = {each.why for each in done.refusals if each.what.startswith("image")}
    assert why == {
        "The file has other bytes than its line says.",
        f"{large['path']!r} has more than 1999 bytes.",
    }


def test_the_command_counts_refuses_and_repeats(
    mine: RequestContext, ann: User, bob: User, path: Path, capsys: Any
) -> None:
    exchange.export(mine, path)
    with pytest.raises(CommandError, match="22 were refused|refused"):
        call_command("chatkit_images_import", str(path), user="bob")
    assert "line 2: thread thr_1: Its id is that of" in capsys.readouterr().err
    ann.delete()
    for dry_run, verb in ((True, "Would import"), (False, "Imported")):
        call_command("chatkit_images_import", str(path), user="bob", dry_run=dry_run)
        assert f"{verb} 5 of the kind image." in capsys.readouterr().out
    call_command("chatkit_images_import", str(path), user="bob")
    assert "Nothing was new." in capsys.readouterr().out
    call_command("chatkit_images_import", str(path), user="bob", json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["there"]["image"], told["refused"]) == (5, {})
    assert not any(told["new"].values())
    for wrong in (str(path.parent / "none.zip"), str(path.parent)):
        with pytest.raises(CommandError):
            call_command("chatkit_images_import", wrong, user="bob")
