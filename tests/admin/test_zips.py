"""Zips with many images."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.test import AsyncClient, Client

from chatkit_images import models, storage
from chatkit_images.admin import GeneratedImageAdmin
from chatkit_images.exchange import image_zip, zip_parts
from chatkit_images.queries import reviews
from chatkit_images.storage import readers
from chatkit_images.views import produced

from .conftest import put
from .paths import image_file
from .test_bulk import ask, choose, job_in, press, url_of

Make = Callable[..., Any]
VIEWER = ("view_generatedimage",)


def opened(data: bytes) -> zipfile.ZipFile:
    found = zipfile.ZipFile(io.BytesIO(data))
    assert found.testzip() is None
    return found


def facts_in(found: zipfile.ZipFile) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(found.read("images.json"))
    return facts


def download(client: Client, *rows: Any) -> zipfile.ZipFile:
    response = press(client, choose(client, "download_selected", *rows))
    return opened(response.getvalue())


def test_zip_has_the_images_and_what_is_known_of_them(
    login: Make, make_image: Make, png: bytes
) -> None:
    digest = hashlib.sha256(png).hexdigest()
    one = make_image(prompt="A red fox!", sha256=digest, usage={"total_tokens": 7})
    two = make_image(prompt="ثعلب أحمر", cost="0.040000")
    make_image(prompt="not chosen")
    client = login(*VIEWER)
    response = press(client, choose(client, "download_selected", one, two))
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"].startswith('attachment; filename="images-20')
    assert "no-store" in response["Cache-Control"]
    found = opened(response.getvalue())
    names = [
        f"images/ثعلب-أحمر-{two.pk.hex[:8]}.png",
        f"images/a-red-fox-{one.pk.hex[:8]}.png",
    ]
    assert found.namelist() == [*names, "images.json", "prompts.csv"]
    assert found.read(names[1]) == png
    entry = found.getinfo(names[1])
    # Whoever reads it as a stream knows sizes before, and nothing is compressed twice.
    assert (entry.compress_type, entry.flag_bits & 8) == (zipfile.ZIP_STORED, 0)
    facts = facts_in(found)
    assert (facts["complete"], facts["asked"], facts["files"]) == (True, 2, 2)
    of_one = facts["images"][1]
    said = {name: of_one[name] for name in ("id", "path", "sha256", "prompt", "usage")}
    assert said == {
        "id": one.image_id,
        "path": names[1],
        "sha256": digest,
        "prompt": "A red fox!",
        "usage": {"total_tokens": 7},
    }
    assert of_one["owner"] == one.thread.owner and of_one["thread"] == one.thread_id
    assert (of_one["visibility"], of_one["decisions"]) == ("shown", [])
    # A row of before has none.
    assert facts["images"][0]["sha256"] == digest
    assert facts["images"][0]["cost"] == "0.040000"
    logged = LogEntry.objects.values_list("object_id", "change_message")
    assert {*logged} == {(str(row.pk), "Downloaded in a zip.") for row in (one, two)}


def test_zip_says_whose_an_image_is_and_what_was_decided_on_it(
    login: Make, make_image: Make, make_thread: Make
) -> None:
    secret = f"visitor:{'0123456789abcdef' * 2}"
    image = make_image(thread=make_thread(owner=secret))
    reviews.hide([image.pk], "Ann", reason="spam", words="Sorry.")
    found = download(login(*VIEWER), image)
    (facts,) = facts_in(found)["images"]
    assert facts["owner"] == f"{secret[:15]}…"
    assert secret.encode() not in found.read("images.json") + found.read("prompts.csv")
    assert facts["visibility"] == "hidden" and facts["path"]
    (decided,) = facts["decisions"]
    assert decided.pop("at")
    assert decided == {
        "action": "hide",
        "by": "Ann",
        "reason": "spam",
        "words": "Sorry.",
    }


def test_no_cell_of_the_prompts_is_a_formula(login: Make, make_image: Make) -> None:
    words = ['=cmd|"/c calc"!A1', "+1", "-2", "@SUM(A1)", "\t=1", "\uff1d1"]
    words += ["a fox, red", "狐"]
    rows = [make_image(prompt=each) for each in words]
    text = download(login(*VIEWER), *rows).read("prompts.csv").decode("utf-8-sig")
    found = {line["prompt"] for line in csv.DictReader(io.StringIO(text))}
    assert found == {*(f"'{each}" for each in words[:6]), *words[6:]}


def test_same_words_are_different_files(login: Make, make_image: Make) -> None:
    rows = [make_image(prompt="fox"), make_image(prompt="fox"), make_image(prompt="!")]
    names = download(login(*VIEWER), *rows).namelist()
    assert len(set(names)) == 5
    assert f"images/image-{rows[2].pk.hex[:8]}.png" in names


def test_what_cannot_be_read_is_named_and_the_rest_is_there(
    login: Make, make_image: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, lost, broken, empty = (make_image(prompt=f"fox {n}") for n in range(4))
    storage.delete(lost.file.name)
    models.GeneratedImage.objects.filter(pk=empty.pk).update(file="", status="blocked")
    changed = make_image(prompt="fox 4", sha256="0" * 64)
    real = readers.open_reader

    def open_reader(name: str, alias: str | None = None) -> Any:
        if name == broken.file.name:
            raise ConnectionError("no route to the storage")
        return real(name, alias)

    monkeypatch.setattr(storage, "open_reader", open_reader)
    found = download(login(*VIEWER), good, lost, broken, empty, changed)
    facts = facts_in(found)
    by_id = {each["id"]: each for each in facts["images"]}
    assert (facts["complete"], facts["files"]) == (False, 2)
    assert by_id[lost.image_id]["problem"] == "missing"
    assert by_id[broken.image_id]["problem"] == "unreadable"
    assert "no route to the storage" in by_id[broken.image_id]["error"]
    assert by_id[empty.image_id]["left_out"] == "blocked"
    assert by_id[changed.image_id]["problem"] == "changed"
    assert by_id[changed.image_id]["path"] in found.namelist()
    assert by_id[changed.image_id]["sha256"] != "0" * 64
    assert b"3 of 5 images" in found.read("INCOMPLETE.txt")


def test_what_the_project_shows_to_nobody_is_named_only(
    login: Make, make_image: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = make_image(prompt="mine"), make_image(prompt="other")
    may = GeneratedImageAdmin.has_view_permission
    monkeypatch.setattr(
        GeneratedImageAdmin,
        "has_view_permission",
        lambda self, request, obj=None: (
            may(self, request) and (obj is None or obj.prompt == "mine")
        ),
    )
    client = login(*VIEWER)
    assert client.get(image_file(other, "full")).status_code == 404
    found = download(client, mine, other)
    assert (facts_in(found)["files"], len(found.namelist())) == (1, 3)
    assert {each["id"]: each.get("left_out") for each in facts_in(found)["images"]} == {
        mine.image_id: None,
        other.image_id: "not_allowed",
    }
    assert LogEntry.objects.get().object_id == str(mine.pk)


def test_what_is_deleted_while_it_is_sent_is_left_out(
    login: Make, make_image: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_zip, "PAGE", 1)
    old, new = make_image(), make_image()
    client = login(*VIEWER)
    response = press(client, choose(client, "download_selected", old, new))
    pieces = iter(response.streaming_content)
    first = next(pieces)
    models.GeneratedImage.objects.filter(pk=old.pk).delete()
    facts = facts_in(opened(b"".join([first, *pieces])))
    assert facts["images"][1] == {
        "id": old.image_id,
        "path": None,
        "left_out": "deleted",
    }


def test_a_zip_that_breaks_off_opens_nowhere(
    login: Make, make_image: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [make_image(), make_image()]
    monkeypatch.setattr(image_zip, "PAGE", 1)
    client = login(*VIEWER)
    response = press(client, choose(client, "download_selected", *rows))
    pieces = iter(response.streaming_content)
    sent = [next(pieces)]

    def refuse(keys: Any) -> None:
        raise RuntimeError("the database is away")

    monkeypatch.setattr(image_zip, "_rows", refuse)
    with pytest.raises(RuntimeError, match="the database is away"):
        sent.extend(pieces)
    response.close()
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(sent)))


def test_all_that_match_come_in_parts(
    login: Make, make_image: Make, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = {**settings.CHATKIT_IMAGES, "TUNING": {"ZIP_IMAGES": 2}}
    rows = [make_image() for _ in range(3)]
    make_image(status="failed")
    client = login(*VIEWER)
    shown = ask(client, "zip", "status__exact=completed")
    html = shown.content.decode()
    assert "2 images" in html and "one part of them" in html
    first = facts_in(opened(press(client, shown).getvalue()))
    following = client.post(
        url_of("zip", "status__exact=completed"),
        {"job": html.split('name="job" value="')[2].split('"')[0], "next": "1"},
    )
    assert "1 image<" in following.content.decode()
    second = facts_in(opened(press(client, following).getvalue()))
    got = [each["id"] for part in (first, second) for each in part["images"]]
    assert got == [row.image_id for row in reversed(rows)]


def test_bytes_bound_a_part_and_one_image_goes_into_any(
    make_image: Make, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = {**settings.CHATKIT_IMAGES, "TUNING": {"ZIP_BYTES": 100}}
    sizes = [60, 30, 500, 60, None]
    rows = [make_image(bytes=size) for size in sizes]
    places = {row.pk: number for number, row in enumerate(rows)}
    after, parts = None, []
    while True:
        part = zip_parts.part_of(models.GeneratedImage.objects.all(), after)
        parts.append([places[key] for key in part.keys])
        after = part.last
        if after is None:
            break
    assert parts == [[4, 3], [2], [1, 0]]


def test_files_of_an_encrypted_storage_touch_no_disk(
    login: Make, make_image: Make, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHATKIT_IMAGES = {
        **settings.CHATKIT_IMAGES,
        "FILE_CIPHER": "tests.test_offload.Backwards",
    }
    image = make_image(file=put(b"secret" * 1000))
    monkeypatch.setattr(image_zip, "IN_MEMORY", 10**9)
    monkeypatch.setattr("chatkit_images.exchange.window.IN_MEMORY", 10)
    found = download(login(*VIEWER), image)
    assert found.read(found.namelist()[0]) == b"secret" * 1000


@pytest.mark.django_db(transaction=True)
async def test_zip_is_sent_under_asgi(make_user: Make, make_image: Make) -> None:
    client = AsyncClient()
    await client.aforce_login(await sync_to_async(make_user)(*VIEWER))
    rows = [await sync_to_async(make_image)() for _ in range(3)]
    shown = await client.get(url_of("zip"))
    response = await client.post(url_of("zip"), {"job": job_in(shown)})
    assert response.is_async
    facts = facts_in(opened(b"".join([part async for part in response])))
    assert len(facts["images"]) == len(rows)


@pytest.mark.django_db(transaction=True)
async def test_client_that_goes_away_under_asgi_ends_the_zip() -> None:
    ended = threading.Event()

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            ended.set()

    made = produced.AsyncProduced(pieces())
    stream = aiter(made)
    assert await anext(stream) == b"x"
    made.close()
    assert await asyncio.to_thread(ended.wait, 10)
