"""Who sees what, on every address."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import pytest
from django.test import Client

from chatkit_images import models

from .paths import KEPT, MADE_BY_STAFF, MODELS, change, change_list, image_file, page

Make = Callable[..., Any]
VIEW = [f"view_{model._meta.model_name}" for model in MODELS]


def reading(rows: list[Any]) -> tuple[list[str], list[str]]:
    """Return the addresses of pages, and of bytes."""
    thread, image, upload, *_rest = rows
    pages = [path for row in rows for path in (change_list(type(row)), change(row))]
    pages += [page(row, "history") for row in rows]
    data = [image_file(image, v) for v in ("full", "thumbnail", "partial-0")]
    data += [image_file(upload, v) for v in ("full", "thumbnail")]
    return pages, data


def statuses(client: Client, paths: list[str]) -> set[int]:
    return {client.get(path).status_code for path in paths}


def test_superuser_sees_everything(root: Client, everything: Make) -> None:
    pages, data = reading(everything(1))
    assert statuses(root, pages + data) == {200}


def test_viewer_sees_everything_and_changes_nothing(
    login: Make, everything: Make
) -> None:
    rows = everything(1)
    viewer = login(*VIEW)
    pages, data = reading(rows)
    assert statuses(viewer, pages + data) == {200}
    deletes = [page(row, "delete") for row in rows]
    assert statuses(viewer, deletes) == {403}
    for row in rows:
        assert viewer.post(change(row), {"title": "x"}).status_code == 403
        assert viewer.post(page(row, "delete"), {"post": "yes"}).status_code == 403
    assert models.Thread.objects.get().title == "Foxes"


def test_staff_without_permission_gets_nothing(login: Make, everything: Make) -> None:
    pages, data = reading(everything(1))
    staff = login()
    assert statuses(staff, pages) == {403}
    assert statuses(staff, data) == {404}


def test_staff_with_one_permission_sees_that_model_only(
    login: Make, everything: Make
) -> None:
    rows = everything(1)
    for row in rows:
        staff = login(f"view_{row._meta.model_name}")
        for other in rows:
            expected = 200 if other is row else 403
            assert staff.get(change(other)).status_code == expected
    _pages, data = reading(rows)
    assert statuses(login("view_thread"), data) == {404}


def test_no_link_leads_to_what_one_permission_does_not_show(
    login: Make, everything: Make
) -> None:
    for row in everything(1):
        staff = login(f"view_{row._meta.model_name}")
        for path in (change_list(type(row)), change(row)):
            text = staff.get(path).content.decode()
            # Django links foreign keys, whatever the person may see.
            text = re.sub(r'<div class="readonly">.*?</div>', "", text)
            found = re.findall(r' href="([^"#][^"]*)"', text)
            links = {urljoin(path, html.unescape(link)) for link in found}
            pages = {link for link in links if link.startswith("/admin/chatkit_")}
            closed = [p for p in pages if statuses(staff, [p]) == {403}]
            assert pages and closed == []


def test_transcript_leaves_out_what_the_viewer_may_not_see(
    login: Make, everything: Make
) -> None:
    thread, image, upload, *_rest = everything(1)
    text = login("view_thread").get(change(thread)).content.decode()
    assert "There is no image here that you may see." in text
    assert str(image.pk) not in text
    assert upload.pk not in text
    assert "positive" not in text


@pytest.mark.parametrize("who", ["visitor", "customer"])
def test_who_is_not_staff_is_sent_to_the_login(
    login: Make, everything: Make, who: str
) -> None:
    pages, data = reading(everything(1))
    client = Client() if who == "visitor" else login(*VIEW, is_staff=False)
    for path in pages + data:
        response = client.get(path)
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("model", [m for m in MODELS[1:] if m not in MADE_BY_STAFF])
def test_not_even_a_superuser_changes_generated_data(
    root: Client, everything: Make, model: Any
) -> None:
    row = next(row for row in everything(1) if isinstance(row, model))
    before = model.objects.values().get()
    assert root.post(change(row), {"status": "failed"}).status_code == 403
    assert model.objects.values().get() == before


@pytest.mark.parametrize("model", KEPT)
def test_outbox_and_ledger_cannot_be_emptied_by_hand(
    root: Client, everything: Make, model: Any
) -> None:
    row = next(row for row in everything(1) if isinstance(row, model))
    assert root.get(page(row, "delete")).status_code == 403
    data = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    root.post(change_list(model), data)
    assert model.objects.count() == 1
