"""Staff hide, hold, restore and review images on their pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from chatkit_images import models

from .paths import change, change_list, page

Make = Callable[..., Any]
MODERATE = ("view_generatedimage", "moderate_generatedimage")


def step(client: Client, image: Any, name: str, **said: str) -> int:
    response = client.post(page(image, "review"), {"step": name, **said})
    return response.status_code


def test_staff_hide_and_restore_an_image(login: Make, make_image: Make) -> None:
    image, staff = make_image(), login(*MODERATE)

    assert step(staff, image, "hide", reason="a likeness", words="Ask us.") == 302

    image.refresh_from_db()
    assert (image.visibility, image.hidden_words) == ("hidden", "Ask us.")
    shown = staff.get(change(image)).content.decode()
    assert "a likeness" in shown and "Ask us." in shown
    assert "Show it again" in shown
    assert step(staff, image, "restore") == 302
    image.refresh_from_db()
    assert image.visibility == "shown"
    noted = list(models.Decision.objects.order_by("pk"))
    assert [(row.action, row.user_id, row.by) for row in noted] == [
        ("hide", (user := noted[0].user).pk, user.username),
        ("restore", user.pk, user.username),
    ]
    logged = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert list(logged) == [
        "The image is hidden. a likeness",
        "The image is shown again.",
    ]


def test_who_may_only_view_decides_nothing(login: Make, make_image: Make) -> None:
    image, staff = make_image(), login("view_generatedimage")

    assert step(staff, image, "hide") == 403

    assert b"Hide from its person" not in staff.get(change(image)).content
    assert not models.Decision.objects.exists()


def test_who_may_not_view_decides_nothing(login: Make, make_image: Make) -> None:
    image = make_image()

    assert step(login("moderate_generatedimage"), image, "hide") == 404

    assert not models.Decision.objects.exists()


def test_a_decision_that_changes_nothing_says_so(login: Make, make_image: Make) -> None:
    image, staff = make_image(), login(*MODERATE)

    answer = staff.post(page(image, "review"), {"step": "restore"}, follow=True)

    assert b"Nothing has changed" in answer.content
    assert not LogEntry.objects.exists()
    assert step(staff, image, "destroy") == 404
    assert staff.get(page(image, "review")).status_code == 405


@pytest.mark.parametrize("away", ["https://example.org/", "//example.org", ""])
def test_staff_come_back_to_where_they_were(
    login: Make, make_image: Make, away: str
) -> None:
    image, staff = make_image(), login(*MODERATE)
    where = change_list(models.GeneratedImage)
    data = {"step": "hide", "next": where}

    assert staff.post(page(image, "review"), data)["Location"] == where

    data = {"step": "restore", "next": away}
    assert staff.post(page(image, "review"), data)["Location"] == change(image)


def test_decisions_outlive_their_image(root: Client, make_image: Make) -> None:
    image = make_image()
    step(root, image, "hide", reason="gone soon\0")

    image.delete()

    assert b"gone soon" in root.get(change_list(models.Decision)).content
