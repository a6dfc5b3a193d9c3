"""URLs of images: where they lead, how long they stay the same."""

from __future__ import annotations

import io
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage

from chatkit_images import file_urls, storage, url_tokens, url_windows
from chatkit_images.context import RequestContext
from chatkit_images.models import Attachment, GeneratedImage, PartialImage, Thread
from tests.image_files import image_file

CONTEXT = RequestContext(None, "user:1", "https://shop.example")


def image() -> GeneratedImage:
    name = storage.new_name("images", "png")
    storage.store(name, image_file("red"))
    return GeneratedImage(thread=Thread(pk="thr_1"), file=name, mime="image/png")


def use(settings: Any, **values: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | values


def test_a_signed_url_names_neither_owner_nor_file() -> None:
    row = image()
    url = file_urls.image_url(row, CONTEXT)
    assert url.startswith("https://shop.example/chatkit/images/image.")
    assert "user:1" not in url
    assert str(row.file.name) not in url


def test_a_url_stays_the_same_for_a_window(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(settings, URL_MAX_AGE=3600, TUNING={"URL_WINDOW": 900})
    now = 1_700_000_100.0
    monkeypatch.setattr("time.time", lambda: now)
    row = image()
    start = url_windows.begin(f"image.{row.pk.hex}.full")
    assert now - 900 < start <= now
    first = file_urls.image_url(row, CONTEXT)
    now = start + 899.9
    assert file_urls.image_url(row, CONTEXT) == first
    now = start + 900
    assert file_urls.image_url(row, CONTEXT) != first
    # Made at the end of its window, it is good for URL_MAX_AGE all the same.
    token = first.split("/")[-2]
    now = start + 899 + 3600
    assert url_tokens.read(token) is not None
    now = start + 900 + 3601
    assert url_tokens.read(token) is None


def test_the_urls_of_a_page_change_at_different_times(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(settings, TUNING={"URL_WINDOW": 900})
    now = 1_700_000_100.0
    monkeypatch.setattr("time.time", lambda: now)
    rows = [GeneratedImage(pk=UUID(int=number)) for number in range(50)]

    def made() -> list[str]:
        return [
            file_urls.signed_url(row, CONTEXT, variant)
            for row in rows
            for variant in ("full", "thumbnail")
        ]

    changes = []
    before = made()
    for _ in range(10):
        now += 90
        after = made()
        changes.append(sum(a != b for a, b in zip(before, after, strict=True)))
        before = after
    assert sum(changes) == 100
    assert max(changes) < 25


def test_the_urls_of_an_input_change_together(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the provider would have to read the input anew for each image."""
    use(settings, TUNING={"URL_WINDOW": 900})
    now = 1_700_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    rows = [GeneratedImage(pk=UUID(int=number)) for number in range(9)]
    inputs = []
    for _ in range(90):
        inputs.append(tuple(file_urls.model_url(row, CONTEXT) for row in rows))
        now += 10
    assert len(set(inputs)) == 2
    assert all(len(set(urls)) == 2 for urls in zip(*inputs, strict=True))


def test_the_storages_own_url_is_absolute(settings: Any) -> None:
    use(settings, IMAGE_URLS="storage")
    row = image()
    expected = f"https://shop.example/media/{row.file.name}"
    assert file_urls.image_url(row, CONTEXT) == expected
    # A preview may be that of an image which is then blocked.
    partial = PartialImage(image=row, index=0, file=row.file.name, mime="image/png")
    assert "/chatkit/images/image." in file_urls.partial_url(partial, CONTEXT)


def test_what_the_storage_cannot_serve_comes_from_the_app(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(settings, IMAGE_URLS="storage", TUNING={"STORAGE_ATTEMPTS": 1})
    row = image()
    row.mime = "image/svg+xml"
    assert "/chatkit/images/image." in file_urls.image_url(row, CONTEXT)

    def refuse(name: str, data: bytes, *where: str | None) -> None:
        raise OSError("the disk is full")

    row = image()
    for error in (NotImplementedError(), KeyError("key"), TimeoutError("silence")):
        url = Mock(side_effect=error)
        monkeypatch.setattr(FileSystemStorage, "url", url)
        assert "/chatkit/images/image." in file_urls.image_url(row, CONTEXT)
    monkeypatch.setattr(FileSystemStorage, "url", lambda self, name: None)
    assert "/chatkit/images/image." in file_urls.image_url(row, CONTEXT)

    monkeypatch.setattr(storage.backend, "put", refuse)
    assert "/chatkit/images/image." in file_urls.image_url(image(), CONTEXT)


def test_a_url_for_the_session_has_no_token(settings: Any) -> None:
    use(settings, IMAGE_URLS="session")
    row = image()
    expected = f"https://shop.example/chatkit/images/{row.pk}/full/"
    assert file_urls.image_url(row, CONTEXT) == expected


def test_attachments_have_urls_of_their_own() -> None:
    row = Attachment(pk="atc_1", owner="user:1")
    assert "/chatkit/attachments/attachment." in file_urls.attachment_url(row, CONTEXT)
    assert "/chatkit/uploads/upload." in file_urls.upload_url(row, CONTEXT)


def test_without_the_urlconf_the_error_says_what_to_add(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.empty_urls"
    with pytest.raises(ImproperlyConfigured, match=r'include\("chatkit_images.urls"\)'):
        file_urls.image_url(image(), CONTEXT)


def test_images_are_read_back_through_the_field() -> None:
    row = image()
    with row.file.open() as file:
        assert io.BytesIO(file.read()).getvalue() == image_file("red")
