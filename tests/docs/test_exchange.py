"""The page on export and import: its recipes run, and its tables are the format's."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.http import Http404
from django.test import RequestFactory

from chatkit_images import exchange
from chatkit_images.exchange import format
from chatkit_images.models import Thread
from tests.exchange.other_store import OtherStore
from tests.exchange.person import furnish

from .pages import block
from .shop import module
from .test_tables import rows

PAGE = "export-and-import.md"


@pytest.mark.parametrize("kind", format.KINDS)
def test_fields_are_those_of_the_format(kind: str) -> None:
    found = [tuple(cells[:3]) for cells in rows(PAGE, kind)]
    assert found == [
        (
            f"`{field.name}`",
            field.value.label,
            "yes" if field.needed else "internal" if field.internal else "",
        )
        for field in format.KINDS[kind]
    ]


@pytest.mark.django_db
def test_files_are_those_of_an_archive(ann: User) -> None:
    out = BytesIO()
    exchange.export(furnish(ann), out)
    names = {name.split("/")[0] for name in zipfile.ZipFile(out).namelist()}
    told = " ".join(cells[0] for cells in rows(PAGE, "Export a person"))
    assert {name.strip("/") for name in told.split("`")[1::2]} == names


@pytest.mark.django_db
def test_a_person_downloads_an_export(
    ann: User, bob: User, tmp_path: Path, settings: Any
) -> None:
    settings.EXPORTS_DIR = str(tmp_path)
    shop = module("shop.exports", block(PAGE, "Offer it to the person"))
    request = RequestFactory().get("/")
    request.user = ann
    with pytest.raises(Http404):
        shop.download(request)
    furnish(ann)
    assert shop.make_export(ann) == 0

    response = shop.download(request)

    data = BytesIO(b"".join(response.streaming_content))
    response.close()
    assert "index.html" in zipfile.ZipFile(data).namelist()
    request.user = bob
    with pytest.raises(Http404):
        shop.download(request)


@pytest.mark.django_db
def test_threads_come_from_another_store(
    ann: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass(frozen=True)
    class OldContext:
        user_id: int

    old = ModuleType("shop.old")
    vars(old)["OldContext"] = OldContext
    monkeypatch.setitem(sys.modules, "shop.old", old)
    moving = module("shop.moving", block(PAGE, "Import from another store"))
    monkeypatch.setitem(sys.modules, "shop.moving", moving)
    store = OtherStore()
    for user in (ann, bob):
        store.fill(OldContext(user.pk), f"thr_{user}")  # type: ignore[arg-type]

    people = exchange.people_of("shop.moving.people", None)
    async_to_sync(exchange.import_store)(store, people)

    owners = dict(Thread.objects.values_list("pk", "user__username"))
    assert owners == {"thr_ann": "ann", "thr_bob": "bob"}
