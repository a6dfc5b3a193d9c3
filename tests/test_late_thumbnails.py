"""Thumbnails of stored images that have none: made when somebody first asks."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth import get_user_model
from django.core.files.storage import storages
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from chatkit_images import file_urls, imaging, late_thumbnails, models, storage
from chatkit_images.context import RequestContext
from chatkit_images.maintenance import sweep
from chatkit_images.queries import missing_thumbnails
from tests.image_files import SVG, image_file

pytestmark = pytest.mark.django_db(transaction=True)
CONTEXT = RequestContext(None, "visitor:1", "https://shop.example")
PNG = image_file("navy", size=(640, 480))
MEMORY = "django.core.files.storage.InMemoryStorage"


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A busy machine is slow, and no test waits for the end of it.
    monkeypatch.setattr(late_thumbnails, "PATIENCE", 60)
    late_thumbnails._impossible.clear()
    yield
    storage.lanes.executor("late").drain()


@pytest.fixture
def scaled(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """What scales images, which counts its calls."""
    scale = Mock(wraps=imaging.scale)
    monkeypatch.setattr(imaging, "scale", scale)
    return scale


def image(data: bytes = PNG, mime: str = "image/png", **more: Any) -> Any:
    thread = models.Thread.objects.get_or_create(pk="thr_1", owner=CONTEXT.owner)[0]
    row = models.GeneratedImage(
        thread=thread,
        identity=storage.new_key(),
        mime=mime,
        status="completed",
        finished_at=timezone.now() - datetime.timedelta(hours=1),
        **more,
    )
    row.file.name = storage.new_name("images", imaging.EXTENSIONS[mime])
    storage.store(row.file.name, data, row.storage_alias)
    row.save()
    return row


def attachment(data: bytes = PNG, mime: str = "image/png") -> models.Attachment:
    row = models.Attachment(
        pk=f"atc_{storage.new_key()}",
        owner=CONTEXT.owner,
        kind="image",
        mime_type=mime,
        name="a.png",
    )
    row.file.name = storage.new_name("attachments", "png")
    storage.store(row.file.name, data)
    row.save()
    return row


def get(row: Any, client: Client | None = None) -> HttpResponseBase:
    if isinstance(row, models.Attachment):
        url = file_urls.attachment_url(row, CONTEXT)
    else:
        url = file_urls.image_url(row, CONTEXT, "thumbnail")
    return (client or Client()).get(url.removeprefix("https://shop.example"))


def body(response: Any) -> bytes:
    return response.getvalue() if response.streaming else response.content


def is_small(response: HttpResponseBase) -> bool:
    with Image.open(io.BytesIO(body(response))) as found:
        return found.format == "WEBP" and max(found.size) == 320


@pytest.mark.parametrize("make", [image, attachment])
def test_it_is_made_once_and_kept(make: Any, scaled: Mock) -> None:
    row = make()
    for _ in range(2):
        response = get(row)
        assert is_small(response)
        assert "immutable" in response["Cache-Control"]
    assert scaled.call_count == 1
    row.refresh_from_db()
    assert storage.exists(row.thumbnail.name)
    assert not models.ImageVariant.objects.exists()
    assert not models.DeletedFile.objects.exists()


def test_it_is_stored_where_the_image_is(settings: Any) -> None:
    settings.STORAGES = settings.STORAGES | {"old": {"BACKEND": MEMORY}}
    row = image(storage_alias="old")
    assert is_small(get(row))
    row.refresh_from_db()
    assert storages["old"].exists(row.thumbnail.name)
    assert row.storage_alias == "old"


def test_the_image_stands_in_until_it_is_made_and_no_cache_keeps_it(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    more = {"PROXY_CACHE_SECONDS": 600}
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | more
    go, scale = Event(), imaging.scale

    def slow(data: bytes, side: int) -> bytes:
        go.wait(60)
        return scale(data, side)

    monkeypatch.setattr(imaging, "scale", slow)
    monkeypatch.setattr(late_thumbnails, "PATIENCE", 0.01)
    row = image()
    response = get(row)
    assert body(response) == PNG
    assert response["Cache-Control"] == "no-store"
    # The configuration of nginx in docs/operations.md looks at this header alone.
    assert "X-Accel-Expires" not in response
    go.set()
    monkeypatch.setattr(late_thumbnails, "PATIENCE", 60)
    response = get(row)
    assert is_small(response)
    assert response["X-Accel-Expires"] == "600"


def test_those_who_ask_at_once_get_the_same_one(scaled: Mock) -> None:
    row = image()
    asked = missing_thumbnails.wanted(row)
    held = Event()
    storage.begin("late", held.wait, 60)
    futures = [late_thumbnails._begin(asked) for _ in range(3)]
    held.set()
    names = {future.result(60) for future in futures if future}
    row.refresh_from_db()
    assert names == {row.thumbnail.name}
    assert scaled.call_count == 1


def test_of_processes_that_ask_at_once_one_makes_it() -> None:
    asked = missing_thumbnails.wanted(image())
    assert missing_thumbnails.claim(asked).is_ours
    assert missing_thumbnails.claim(asked) == missing_thumbnails.Claim()
    # A minute later that process has died.
    ago = timezone.now() - missing_thumbnails.STALE
    models.ImageVariant.objects.update(created_at=ago)
    assert missing_thumbnails.claim(asked).is_ours
    assert not missing_thumbnails.claim(asked).is_ours


@pytest.mark.parametrize("make", [image, attachment])
def test_one_that_cannot_be_made_is_tried_once_a_week(make: Any, scaled: Mock) -> None:
    row = make(b"no image at all")
    for _ in range(2):
        response = get(row)
        assert body(response) == b"no image at all"
        assert "max-age" in response["Cache-Control"]
        assert "immutable" not in response["Cache-Control"]
        # As another process, which has not seen it.
        late_thumbnails._impossible.clear()
    assert scaled.call_count == 1
    sweep()
    assert models.ImageVariant.objects.count() == 1
    models.ImageVariant.objects.update(
        created_at=timezone.now() - datetime.timedelta(days=8)
    )
    sweep()
    get(row)
    assert scaled.call_count == 2


def test_what_has_no_pixels_is_not_even_tried(scaled: Mock) -> None:
    response = get(image(SVG, "image/svg+xml"))
    assert body(response) == SVG
    assert not scaled.called and not models.ImageVariant.objects.exists()


def test_one_that_is_too_heavy_now_is_served_itself(settings: Any) -> None:
    row = image()
    values = settings.CHATKIT_IMAGES
    settings.CHATKIT_IMAGES = values | {"TUNING": {"DECODE_MEMORY_BYTES": 1000}}
    assert body(get(row)) == PNG
    note = models.ImageVariant.objects.get()
    assert (note.form, note.image_id) == (missing_thumbnails.IMPOSSIBLE, row.pk)


def test_a_storage_that_is_away_is_asked_again_a_minute_later(
    monkeypatch: pytest.MonkeyPatch, scaled: Mock
) -> None:
    row = image()
    read = storage.read
    away = Mock(side_effect=OSError("away"))
    monkeypatch.setattr(storage, "read", away)
    for _ in range(2):
        assert get(row)["Cache-Control"] == "no-store"
    assert away.call_count == 1
    monkeypatch.setattr(storage, "read", read)
    models.ImageVariant.objects.update(
        created_at=timezone.now() - missing_thumbnails.STALE
    )
    assert is_small(get(row))
    assert scaled.call_count == 1


@pytest.mark.parametrize("change", ["file", "thumbnail", "storage_alias", "gone"])
def test_an_image_that_changes_meanwhile_keeps_what_it_has(
    change: str, settings: Any
) -> None:
    settings.STORAGES = settings.STORAGES | {"new": {"BACKEND": MEMORY}}
    row = image()
    asked = missing_thumbnails.wanted(row)
    assert missing_thumbnails.claim(asked).is_ours
    rows = models.GeneratedImage.objects.filter(pk=row.pk)
    name = storage.new_name("thumbnails", "webp")
    storage.store(name, b"small")
    if change == "gone":
        rows.delete()
    else:
        value = "new" if change == "storage_alias" else "another"
        rows.update(**{change: value})
    assert not missing_thumbnails.save(asked, name)
    storage.drain()
    assert not storage.exists(name)
    assert not models.ImageVariant.objects.exists()
    if change != "gone":
        row.refresh_from_db()
        assert row.thumbnail.name == ("another" if change == "thumbnail" else "")


def test_the_run_of_a_new_image_makes_its_thumbnail_itself(scaled: Mock) -> None:
    row = image()
    models.GeneratedImage.objects.update(finished_at=timezone.now())
    response = get(row)
    assert body(response) == PNG
    assert response["Cache-Control"] == "no-store"
    assert not scaled.called


def test_too_many_at_once_wait_for_a_later_request(
    monkeypatch: pytest.MonkeyPatch, scaled: Mock
) -> None:
    monkeypatch.setattr(late_thumbnails, "MOST_OF_ONE", 1)
    held = Event()
    storage.begin("late", held.wait, 60)
    rows = [image() for _ in range(3)]
    futures = [late_thumbnails._begin(missing_thumbnails.wanted(row)) for row in rows]
    held.set()
    assert [future is not None for future in futures] == [True, False, False]
    assert is_small(get(rows[1]))


def test_staff_get_it_too() -> None:
    user = get_user_model().objects.create_superuser("ann", password="x")
    client = Client()
    client.force_login(user)
    row = image()
    url = reverse(
        "admin:chatkit_images_generatedimage_image", args=[row.pk, "thumbnail"]
    )
    assert is_small(client.get(url))
    row.refresh_from_db()
    assert row.thumbnail


def test_many_threads_of_requests_get_theirs(scaled: Mock) -> None:
    rows = [image() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(late_thumbnails.ask, rows))
    assert all(found) and len(set(found)) == 3
    assert scaled.call_count == 3
