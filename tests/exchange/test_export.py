"""What an export of a person has, and what it leaves out."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from chatkit_images import exchange, storage
from chatkit_images.exchange import file_names, format
from chatkit_images.models import Attachment, GeneratedImage, Thread

from .archives import exported, lines
from .person import EVIL, furnish, image

pytestmark = pytest.mark.django_db


def test_it_has_everything_of_the_person_and_of_nobody_else(
    ann: User, bob: User
) -> None:
    furnish(bob, "bob_")
    context = furnish(ann)

    archive = exported(context)

    assert archive.testzip() is None
    found = lines(archive)
    assert [each["line"] for each in found] == [
        "export",
        *("thread", "run", "attachment"),
        *("item", "item", "item", "item", "item"),
        *("image", "image", "image", "image", "feedback"),
        *("thread", "item", "image"),
        "attachment",
    ]
    assert "bob" not in json.dumps(found)
    assert found[0]["owner"] == context.owner
    row = GeneratedImage.objects.get(item__item_id="img_1", thread="thr_1")
    data = archive.read(f"images/{row.image_id}.png")
    assert hashlib.sha256(data).hexdigest() == row.sha256
    sent = next(each for each in found if each["line"] == "attachment")
    assert sent["path"] == "attachments/000001-a photo.png"
    assert hashlib.sha256(archive.read(sent["path"])).hexdigest() == sent["sha256"]
    text = archive.read("conversations.jsonl").decode()
    assert "base64" not in text and "http" not in text and "psst" not in text
    assert "secret" not in text and "user:other" not in text


def test_a_move_has_what_the_person_never_sees(ann: User) -> None:
    archive = exported(furnish(ann), internal=True)

    text = archive.read("conversations.jsonl").decode()
    assert "psst" in text and "secret" in text and "user:other" in text
    assert "psst" not in archive.read("chats/000001.html").decode()


def test_each_image_says_that_it_is_generated_and_by_what(ann: User) -> None:
    archive = exported(furnish(ann))

    facts = {each["image"]: each for each in lines(archive, "images.jsonl")}
    rows = {row.image_id: row for row in GeneratedImage.objects.all()}
    assert facts.keys() == rows.keys()
    for key, row in rows.items():
        said = facts[key]
        assert said["ai_generated"] is True
        assert (said["model"], said["provider"]) == ("gpt-image-2", "api.openai.com")
        edited = row.sources.filter(role="edited").exists()
        kind = said["digital_source_type"].rpartition("/")[2]
        assert kind == (
            "compositeWithTrainedAlgorithmicMedia"
            if edited
            else "trainedAlgorithmicMedia"
        )
        if row.status == "blocked":
            assert (said["path"], said["left_out"]) == (None, "blocked")
        else:
            assert said["sha256"] == row.sha256
            assert said["content_credentials"] == "none"
            assert said["path"] in archive.namelist()


def test_its_manifest_counts_and_has_checksums(ann: User) -> None:
    archive = exported(furnish(ann))

    manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["format"], manifest["version"]) == ("chatkit-images-export", 1)
    assert manifest["files"] == {"images": 4, "attachments": 2}
    assert manifest["lines"] == len(lines(archive))
    assert manifest["left_out"] == {
        "bytes_of_blocked_images": 1,
        "unfinished_images": 0,
        "hidden_items": 1,
        "feedback_of_others": 1,
        "threads_of_teams": 0,
    }
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256(archive.read(name)).hexdigest() == digest
    assert "AI" in archive.read("README.txt").decode()


def test_pages_hold_what_people_wrote_as_text_and_link_to_files(ann: User) -> None:
    archive = exported(furnish(ann))

    page = archive.read("chats/000001.html").decode()
    assert "<script" not in page and "&lt;script&gt;" in page
    assert EVIL.replace("<", "&lt;").split("&lt;")[0] in page
    assert 'src="../images/img_' in page
    assert 'src="../attachments/000001-a%20photo.png"' in page
    assert "Earlier versions" in page and "http-equiv" in page
    assert 'href="chats/000002.html"' in archive.read("index.html").decode()


def test_pages_show_what_words_refer_to_and_say_what_became_of_the_rest(
    ann: User,
) -> None:
    furnish(ann)
    thread = Thread.objects.get(pk="thr_1")
    image(thread, 20, status="failed", key="img_9", prompt="A blue fox")
    red = GeneratedImage.objects.get(thread=thread, item__item_id="img_1")

    page = exported(exchange.context_of(ann)).read("chats/000001.html").decode()

    said = page.partition("Assistant")[2].partition("</article>")[0]
    assert f'src="../images/{red.image_id}.png"' in said
    assert "![fox]" not in said and "[image] &lt;script&gt;" in said
    assert "is not in this export. <bdi>failed · A blue fox</bdi>" in page


@pytest.mark.parametrize(
    ("name", "mime", "expected"),
    [
        ("evil.html", "image/png", "evil.html.png"),
        ("evil.SVG", "text/plain", "evil.SVG.txt"),
        ("evil.xht", "application/x-odd", "evil.xht.bin"),
        ("photo.JPG", "image/jpeg", "photo.JPG"),
        ("photo", "image/webp", "photo.webp"),
        ("main.py", "text/plain", "main.py"),
        ("a" * 300 + ".pdf", "application/pdf", "a" * 196 + ".pdf"),
        ("漢" * 300 + ".png", "image/png", "漢" * 65 + ".png"),
        ("../..", "text/plain", "_"),
        ("trailing. .", "text/plain", "trailing"),
    ],
)
def test_files_of_people_have_names_that_every_system_takes_and_none_runs(
    name: str, mime: str, expected: str
) -> None:
    found = file_names.of(Attachment(name=name, mime_type=mime))

    assert found == expected
    assert format.PATH.fullmatch(f"attachments/000001-{found}")


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_there(
    ann: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    furnish(ann)
    lost, changed = GeneratedImage.objects.filter(thread="thr_1").exclude(file="")[:2]
    storage.delete(str(lost.file.name))
    GeneratedImage.objects.filter(pk=changed.pk).update(sha256="0" * 64)
    Attachment.objects.filter(pk="atc_1").update(file="../../etc/passwd")
    target = tmp_path / "ann.zip"

    with pytest.raises(CommandError, match="3 files could not be read"):
        call_command("chatkit_images_export", user="ann", output=str(target))

    archive = zipfile.ZipFile(target)
    errors = {(each["problem"], each["key"]) for each in lines(archive, "errors.jsonl")}
    assert errors == {
        ("missing", lost.image_id),
        ("missing", "atc_1"),
        ("changed", changed.image_id),
    }
    assert json.loads(archive.read("manifest.json"))["files"]["images"] == 3


def test_a_large_file_is_not_in_memory(ann: User, tmp_path: Path) -> None:
    context = exchange.context_of(ann)
    data = bytes(range(256)) * 2**16
    name = storage.new_name("attachments", "bin")
    storage.store(name, data)
    Attachment.objects.create(pk="atc_1", owner=context.owner, file=name, name="a.bin")
    tracemalloc.start()
    try:
        with (tmp_path / "ann.zip").open("wb") as file:
            done = exchange.export(context, file)
        assert tracemalloc.get_traced_memory()[1] < len(data) / 2
    finally:
        tracemalloc.stop()
    assert done.bytes == len(data)
    archive = zipfile.ZipFile(tmp_path / "ann.zip")
    assert archive.read("attachments/000001-a.bin") == data


def test_a_silent_storage_is_not_asked_for_ever(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = furnish(ann)
    asked: list[Any] = []

    def silent(*args: Any) -> None:
        asked.append(args)
        raise TimeoutError("The storage is silent.")

    monkeypatch.setattr("chatkit_images.exchange.files.IN_A_ROW", 2)
    monkeypatch.setattr(storage, "read", silent)
    monkeypatch.setattr(storage, "open_reader", silent)
    done = exchange.export(context, io.BytesIO())

    assert (done.problem_count, len(asked)) == (6, 2)


def test_what_is_not_whole_has_no_name(
    ann: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = furnish(ann)
    folder = tmp_path / "exports"
    folder.mkdir()
    target = folder / "ann.zip"
    found: list[list[str]] = []

    def fail(manifest: Any) -> str:
        found.append([path.name for path in folder.iterdir()])
        raise OSError("The disk is full.")

    monkeypatch.setattr("chatkit_images.exchange.writer.readme", fail)
    with pytest.raises(CommandError, match="The disk is full"):
        call_command("chatkit_images_export", user="ann", output=str(target))
    ((name,),) = found
    assert name.endswith(".part") and not list(folder.iterdir())

    monkeypatch.undo()
    exchange.export(context, target)
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        exchange.export(context, target)
    exchange.export(context, target, replace=True)


def test_what_is_deleted_meanwhile_is_left_out(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = furnish(ann)
    read = storage.read

    def delete(name: str, *args: Any) -> bytes:
        # Somebody deletes the second chat while the first is exported.
        for thread in Thread.objects.filter(pk="thr_2"):
            thread.delete()
        return read(name, *args)

    monkeypatch.setattr(storage, "read", delete)
    done = exchange.export(context, io.BytesIO())
    assert done.problem_count == 0


def test_the_command_counts_and_writes(ann: User, tmp_path: Path, capfd: Any) -> None:
    context = furnish(ann)

    call_command("chatkit_images_export", user="ann", dry_run=True)
    assert "Would export 4 images." in capfd.readouterr().out
    key, target = str(ann.pk), str(tmp_path / "b.zip")
    call_command("chatkit_images_export", user=key, output=f"{tmp_path}/a.zip")
    assert "Exported 2 lines of the kind thread." in capfd.readouterr().out
    call_command("chatkit_images_export", owner=context.owner, output=target)
    assert zipfile.is_zipfile(target)
    for wrong in ({}, {"user": "nobody"}, {"user": "ann"}, {"owner": "x" * 256}):
        with pytest.raises(CommandError):
            call_command("chatkit_images_export", **wrong)
    capfd.readouterr()
    options = {"user": key, "output": target, "force": True, "json": True}
    call_command("chatkit_images_export", **options)
    told = json.loads(capfd.readouterr().out)
    assert told["counts"]["thread"] == 2 and told["files"]["images"] == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--output", "{}/a.zip"], "a.zip is there already. --force replaces it"),
        (["--output", "{}", "--force"], "It is no plain file: '{}'"),
        (["--output", "{}/fifo", "--force"], "It is no plain file: '{}/fifo'"),
        (["--output", "{}/no/a.zip"], "There is no directory: '{}/no'"),
        (["--output", "{}/b.zip", "--language", "xx"], "'xx' is none of LANGUAGES"),
        (["--output", "{}/b.zip", "--language", "../de"], "is none of LANGUAGES"),
    ],
)
def test_what_cannot_be_written_is_told_in_words(
    options: list[str], words: str, ann: User, tmp_path: Path
) -> None:
    (tmp_path / "a.zip").touch()
    os.mkfifo(tmp_path / "fifo")
    options = [each.format(tmp_path) for each in options]

    with pytest.raises(CommandError) as caught:
        call_command("chatkit_images_export", "--user", "ann", *options)

    assert words.format(tmp_path) in str(caught.value)
    assert {each.name for each in tmp_path.iterdir()} == {"a.zip", "fifo"}
    assert (tmp_path / "fifo").is_fifo()
