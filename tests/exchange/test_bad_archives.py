"""Archives from outside may be anything: each is refused in words, and nothing is lost.

What is right in an archive is imported although other lines are wrong.
"""

from __future__ import annotations

import copy
import json
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from chatkit_images import exchange
from chatkit_images.context import RequestContext
from chatkit_images.exchange import ArchiveRefused, TooManyRefused, reading
from chatkit_images.models import GeneratedImage, ImageSource, Thread, ThreadItem

from .archives import LINES, Draft
from .person import furnish

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def drafts() -> list[Draft]:
    return []


@pytest.fixture
def draft(ann: User, drafts: list[Draft]) -> Draft:
    """The same each time, so that it is made once."""
    if not drafts:
        drafts.append(Draft(furnish(ann)))
    ann.delete()
    return copy.deepcopy(drafts[0])


@pytest.fixture
def context(bob: User) -> RequestContext:
    return exchange.context_of(bob)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bad.zip"


def test_what_is_no_whole_archive_is_refused(
    draft: Draft, context: RequestContext, path: Path
) -> None:
    whole = draft.write(path).read_bytes()
    dice = random.Random(1)
    cuts = [whole[: dice.randrange(len(whole))] for _ in range(20)]
    end = whole.rindex(b"PK\x05\x06")
    huge = whole[: end + 10] + struct.pack("<HL", 5, 2**31) + whole[end + 16 :]
    for data in (b"", b"PK\x05\x06", b"x" * 100_000, huge, *cuts):
        path.write_bytes(data)
        with pytest.raises(ArchiveRefused):
            exchange.import_archive(context, path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.txt", "x")
    with pytest.raises(ArchiveRefused, match="is no export"):
        exchange.import_archive(context, path)
    assert not Thread.objects.exists()


def test_the_directory_that_is_read_is_bounded(
    draft: Draft, context: RequestContext, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = draft.write(path).read_bytes()
    end = whole.rindex(b"PK\x05\x06")
    count, size, start = struct.unpack_from("<HLL", whole, end + 10)

    def record(count: int, size: int) -> bytes:
        sizes = (count, count, size, start)
        return struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, *sizes)

    # The record that is named says less than the one that is read.
    named = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    lying = record(1, 0) + whole[:end] + record(1, size) + named + whole[end:]
    path.write_bytes(lying)
    try:
        done = exchange.import_archive(context, path, dry_run=True)
    except ArchiveRefused as error:
        # Newer versions of Python take no such archive.
        assert "is no whole zip archive" in str(error)
        return
    assert done.new["thread"] == 2
    for name, most in (("MAX_DIRECTORY", size - 1), ("MAX_FILES", count - 1)):
        with monkeypatch.context() as bounds:
            bounds.setattr(reading, name, most)
            with pytest.raises(ArchiveRefused, match="has more than .* files"):
                exchange.import_archive(context, path, dry_run=True)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_line_that_is_nested_deep_is_refused_and_the_others_go_on(
    draft: Draft, context: RequestContext, path: Path, dry_run: bool
) -> None:
    whole, last = len(draft.lines), draft.all("item")[-1]
    deep = []
    for depth in (20, 300, 450, 600, 750, 900, 5000, 100_000):
        found = json.dumps(last | {"id": f"deep_{depth}"})
        words = "[" * depth + "]" * depth
        deep.append(found.replace('"payload": {', f'"payload": {{"x": {words}, '))
    at = draft.lines.index(last)
    draft.lines[at:at] = [each.encode() + b"\n" for each in deep]

    done = exchange.import_archive(context, draft.write(path), dry_run=dry_run)

    why = [each.why for each in done.refusals]
    assert len(why) == 7
    assert why[0] == "The line is nested more than 100 deep."
    assert sum(done.new.values()) - done.new["sources"] == whole


def test_any_byte_may_be_another_one(
    draft: Draft, context: RequestContext, path: Path
) -> None:
    whole = draft.write(path).read_bytes()
    dice = random.Random(2)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(dice.choice((1, 8))):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        path.write_bytes(data)
        try:
            exchange.import_archive(context, path, dry_run=True)
        except ArchiveRefused as error:
            assert str(error)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "images/../x.png",
        "/etc/passwd",
        "images/",
        "images/a/b.png",
        "images/.hidden",
        "C:\\x.png",
        "images/\\..\\x.png",
        "conversations.jsonl",
        "images/x\0.png",
        "",
        5,
    ],
)
def test_paths_lead_nowhere_else(
    draft: Draft, context: RequestContext, path: Path, name: Any
) -> None:
    draft.line("image")["path"] = name
    if isinstance(name, str) and name and "\0" not in name:
        draft.files[name if name != LINES else "x"] = b"x"

    done = exchange.import_archive(context, draft.write(path), dry_run=True)

    assert [each.why for each in done.refusals] == [
        "'path' of the image is no path of a file of an export."
    ]


def test_a_file_is_one_plain_file(
    draft: Draft, context: RequestContext, path: Path
) -> None:
    twice, link, locked, folder = (each["path"] for each in draft.images())
    gone = draft.line("attachment")["path"]
    data = draft.files[twice]
    for name in (link, folder, gone):
        del draft.files[name]
    draft.write(path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning):
        archive.writestr(twice, data)
        info = zipfile.ZipInfo(link)
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
        info = zipfile.ZipInfo(folder)
        info.external_attr = 0o040755 << 16
        archive.writestr(info, "")
        archive.infolist()[1].flag_bits |= 1
        archive.getinfo(locked).flag_bits |= 1

    done = exchange.import_archive(context, path, dry_run=True)

    why = [each.why for each in done.refusals]
    assert f"There are two files {twice!r} in the archive." in why
    assert f"{link!r} is no plain file." in why
    assert f"{folder!r} is no plain file." in why
    assert any(locked in each and "encrypted" in each for each in why)
    assert f"There is no file {gone!r} in the archive." in why


def test_no_more_is_read_than_is_allowed(
    draft: Draft, context: RequestContext, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 3000)
    draft.lines.insert(2, b'"' + b"x" * 100_000 + b'"\n')
    draft.files[draft.images()[0]["path"]] = b"\0" * 100_000_000  # A bomb.

    done = exchange.import_archive(context, draft.write(path), dry_run=True)

    why = [each.why for each in done.refusals]
    assert why[0] == "The line has more than 3000 bytes."
    assert "has more than" in why[1] and len(why) == 2

    monkeypatch.setattr(reading, "MAX_LINES", 50_000)
    with pytest.raises(ArchiveRefused, match="more than 50000 bytes"):
        exchange.import_archive(context, path, dry_run=True)


def test_an_import_does_not_refuse_for_ever(
    draft: Draft, context: RequestContext, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange.imported, "MOST_REFUSED", 50)
    draft.lines.append(b"x\n" * 100_000)
    with pytest.raises(TooManyRefused):
        exchange.import_archive(context, draft.write(path))
    assert Thread.objects.count() == 2, "What was right before is there."


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ({"line": "thread"}, "does not say that this is an export"),
        ({"line": "export", "format": "other"}, "does not say"),
        ({"line": "export", "format": "chatkit-images-export", "version": 2}, "sion 2"),
        ({"line": "export", "format": "chatkit-images-export"}, "version None"),
        ([], "does not say"),
        (None, "does not say"),
    ],
)
def test_another_format_or_version_is_refused(
    draft: Draft, context: RequestContext, path: Path, head: Any, why: str
) -> None:
    draft.lines[0] = head
    with pytest.raises(ArchiveRefused, match=why):
        exchange.import_archive(context, draft.write(path))


VALUES = (
    *(None, True, -1, 2**70, 1.5, "", "x" * 300, [], {}, "\0", "\ud800", [[]]),
    *("2026-01-01", "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+00:00"),
    json.loads("[" * 60 + "]" * 60),
)


def test_values_of_any_kind_are_taken_or_refused(
    draft: Draft, context: RequestContext, path: Path
) -> None:
    """Each field of each kind of line, with a value that it may not have."""
    dice = random.Random(3)
    whole = json.dumps(draft.lines)
    for _ in range(40):
        draft.lines = json.loads(whole)
        for line in draft.lines[1:]:
            key = dice.choice([*line, "unknown"])
            line[key] = dice.choice(VALUES)
        done = exchange.import_archive(context, draft.write(path), dry_run=False)
        assert all(len(each.why) < 600 for each in done.refusals)
    for row in (*ThreadItem.objects.all(), *GeneratedImage.objects.all()):
        row.full_clean(exclude=["thread", "item", "run"])
    assert "base64" not in str(list(ThreadItem.objects.values_list("payload")))


def test_items_bring_neither_bytes_nor_urls_nor_what_others_have(
    draft: Draft, context: RequestContext, path: Path
) -> None:
    said = draft.line("item", 3)["payload"]["content"][0]
    said["text"] = "data:image/png;base64,AAAA and the rest"
    draft.line("item", 0)["type"] = "end_of_turn"  # Not that of its payload.
    draft.line("item", 4)["payload"] = {"type": "brand_new"}
    draft.line("item", 4)["type"] = "brand_new"

    done = exchange.import_archive(context, draft.write(path))

    row = ThreadItem.objects.get(item_id="msg_2")
    assert row.payload["content"][0]["text"] == " and the rest"
    why = [each.why for each in done.refusals if each.what.startswith("item")]
    assert why == [
        "The payload of the item is not of its type.",
        "The installed ChatKit has no such 'brand_new'.",
    ]


def test_images_that_are_made_from_each_other_have_an_origin(
    draft: Draft, context: RequestContext, path: Path
) -> None:
    lines = draft.images()
    for line, source in zip(lines, [*lines[1:], lines[0]], strict=True):
        line["sources"] = [
            {"role": "edited", "image": source["id"], "attachment": None},
            {"role": "input", "image": line["id"], "attachment": None},
        ]

    exchange.import_archive(context, draft.write(path))

    edges = ImageSource.objects.exclude(source_image=None)
    assert [str(edge.source_image_id) for edge in edges] == [lines[0]["id"]]
    assert ImageSource.objects.count() == 2 * len(lines)
