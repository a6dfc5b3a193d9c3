"""The route of the bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from chatkit_images import models, storage
from chatkit_images.admin import AttachmentAdmin, GeneratedImageAdmin

from .conftest import put
from .paths import change, change_list, image_file

Make = Callable[..., Any]


def test_full_image_and_thumbnail_are_served(
    root: Client, make_image: Make, png: bytes
) -> None:
    image = make_image()
    full = root.get(image_file(image, "full"))
    assert (full["Content-Type"], full.content) == ("image/png", png)
    assert full["X-Content-Type-Options"] == "nosniff"
    assert full["Cache-Control"] == "private, max-age=300"
    assert full["Content-Disposition"] == 'inline; filename="a-red-fox.png"'
    small = root.get(image_file(image, "thumbnail"))
    assert small["Content-Type"] == "image/webp"
    assert small.content[8:12] == b"WEBP"


def test_image_stands_in_for_a_thumbnail(
    root: Client, make_image: Make, png: bytes
) -> None:
    response = root.get(image_file(make_image(thumbnail=""), "thumbnail"))
    assert (response["Content-Type"], response.content) == ("image/png", png)


def test_previews_are_served_by_their_index(
    root: Client, make_image: Make, png: bytes
) -> None:
    image = make_image()
    image.partials.create(index=2, file=put(png), mime="image/png")
    assert root.get(image_file(image, "partial-2")).content == png
    assert root.get(image_file(image, "partial-0")).status_code == 404


@pytest.mark.parametrize("variant", ["partial-", "partial-x", "partial-9999999", "svg"])
def test_unknown_variant_is_not_found(
    root: Client, make_image: Make, variant: str
) -> None:
    assert root.get(image_file(make_image(), variant)).status_code == 404


@pytest.mark.parametrize("key", ["00000000-0000-0000-0000-000000000000", "x", "%00"])
def test_unknown_image_is_not_found(root: Client, key: str) -> None:
    path = f"/admin/chatkit_images/generatedimage/{key}/image/full/"
    assert root.get(path).status_code == 404


def test_image_without_file_is_not_found(root: Client, make_image: Make) -> None:
    assert root.get(image_file(make_image(file=""), "full")).status_code == 404


@pytest.mark.row("D07")
def test_missing_file_is_gone_and_the_pages_stay(
    root: Client, make_image: Make
) -> None:
    image = make_image()
    storage.delete(image.file.name)
    assert root.get(image_file(image, "full")).status_code == 410
    assert b'data-missing="The file is missing"' in root.get(change(image)).content
    assert root.get(change_list(models.GeneratedImage)).status_code == 200


def test_download_and_svg_are_attachments(root: Client, make_image: Make) -> None:
    response = root.get(image_file(make_image(), "full"), {"download": ""})
    assert response["Content-Disposition"].startswith("attachment")
    svg = make_image(file=put(b"<svg/>", "svg"), mime="image/svg+xml", thumbnail="")
    response = root.get(image_file(svg, "full"))
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Content-Type"] == "image/svg+xml"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert b"<img" in root.get(change(svg)).content


def test_attachment_keeps_its_name_without_line_breaks(
    root: Client, make_attachment: Make
) -> None:
    response = root.get(image_file(make_attachment(name="a\r\nb.png"), "full"))
    assert response["Content-Disposition"] == 'inline; filename="ab.png"'


def test_bytes_are_only_read(root: Client, make_image: Make) -> None:
    path = image_file(make_image(), "full")
    assert root.post(path).status_code == 405
    response = root.head(path)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("admin_class", "maker"),
    [(GeneratedImageAdmin, "make_image"), (AttachmentAdmin, "make_attachment")],
)
def test_narrowed_queryset_narrows_the_bytes(
    root: Client, request: Any, monkeypatch: Any, admin_class: Any, maker: str
) -> None:
    make = request.getfixturevalue(maker)
    mine, other = make(), make()
    whole = admin_class.get_queryset
    monkeypatch.setattr(
        admin_class,
        "get_queryset",
        lambda self, request: whole(self, request).filter(pk=mine.pk),
    )
    response = root.get(image_file(mine, "full"))
    assert response.status_code == 200
    for variant in ("full", "thumbnail"):
        assert root.get(image_file(other, variant)).status_code == 404


def test_view_permission_of_one_row_guards_its_bytes(
    root: Client, make_image: Make, monkeypatch: Any
) -> None:
    image = make_image()
    monkeypatch.setattr(
        GeneratedImageAdmin,
        "has_view_permission",
        lambda self, request, obj=None: obj is None,
    )
    assert root.get(image_file(image, "full")).status_code == 404


def test_narrowed_images_are_not_in_the_transcript(
    root: Client,
    make_thread: Make,
    make_item: Make,
    make_image: Make,
    monkeypatch: Any,
) -> None:
    thread = make_thread()
    image = make_image(thread=thread, item=make_item(thread, "generated_image"))
    assert str(image.pk) in root.get(change(thread)).content.decode()
    monkeypatch.setattr(
        GeneratedImageAdmin,
        "get_queryset",
        lambda self, request: models.GeneratedImage.objects.none(),
    )
    assert str(image.pk) not in root.get(change(thread)).content.decode()


def test_the_route_of_the_version_before_still_serves(
    root: Client, make_image: Make, png: bytes
) -> None:
    path = image_file(make_image(), "full")
    before = path.replace("/image/full/", "/picture/full/")
    assert before != path
    assert root.get(before).content == png
