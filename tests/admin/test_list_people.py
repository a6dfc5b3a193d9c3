"""A person in the admin is a link to what is theirs; search finds keys and people."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import timezone

from chatkit_images import models
from chatkit_images.admin.lists import conditions

from .paths import MODELS, change, change_list
from .test_lists import listed, walk

Make = Callable[..., Any]
IMAGES = change_list(models.GeneratedImage)
# Lists whose rows are of a person each.
OF_PEOPLE = [
    models.Thread,
    models.GeneratedImage,
    models.Attachment,
    models.Run,
    models.Feedback,
    models.UseEntry,
]


def test_a_person_is_a_link_to_what_is_theirs(root: Client, everything: Make) -> None:
    rows = everything(2)
    for model in OF_PEOPLE:
        row = next(row for row in rows if isinstance(row, model))
        named = row.thread if model is models.GeneratedImage else row
        html = root.get(change_list(model)).content.decode()
        query = f"?owner={named.owner.replace(':', '%3A')}"
        assert f'href="{change_list(model)}{query}"' in html
        response = root.get(f"{change_list(model)}{query}")
        assert response.context["cl"].result_list == [row]
        filtered = response.content.decode()
        assert f"of {named.owner}" in filtered or f"of {rows[0].user}" in filtered
        assert 'aria-label="Show those of everybody"' in filtered, model


@pytest.mark.parametrize("narrowed", [models.Thread, models.GeneratedImage])
def test_no_list_names_a_person_whom_staff_do_not_see(
    root: Client,
    make_image: Make,
    make_thread: Make,
    make_user: Make,
    monkeypatch: pytest.MonkeyPatch,
    narrowed: Any,
) -> None:
    user = make_user(username="mia")
    key = f"user:{user.pk}"
    make_image(thread=make_thread(owner=key, user=user))
    assert listed(root, IMAGES, f"?owner={key}").person == "mia"
    rows = narrowed.objects.exclude(pk__isnull=False)
    monkeypatch.setattr(
        admin.site._registry[narrowed], "get_queryset", lambda _request: rows.all()
    )
    assert listed(root, IMAGES, f"?owner={key}").person == key


def test_the_key_of_a_visitor_stands_in_no_address(
    root: Client, login: Make, make_image: Make, make_thread: Make
) -> None:
    key = f"visitor:{'7' * 32}"
    image = make_image(thread=make_thread(owner=key, user=None))
    make_image(thread=make_thread(owner="visitor:other", user=None))
    html = root.get(IMAGES).content.decode() + root.get(change(image)).content.decode()
    query = f"?owner=of%3Athread%3A{image.thread_id}"
    assert key not in html and f'href="{IMAGES}{query}"' in html
    assert listed(root, IMAGES, query).result_list == [image]
    html = root.get(f"{IMAGES}{query}").content.decode()
    assert "of visitor:7777777…" in html or "of visitor:77777777" in html
    assert key not in html
    # Who may not see the row that is named finds nothing by it.
    viewer = login("view_generatedimage")
    assert listed(viewer, IMAGES, query).result_list == []
    for bad in ("of:thread:", "of:nothing:1", "of:run:x", "of:", ""):
        assert listed(root, IMAGES, f"?owner={bad}").result_list == []


def test_only_the_newest_threads_of_a_person_are_read(
    root: Client,
    make_image: Make,
    make_thread: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conditions, "MOST_THREADS", 2)
    images = [make_image(thread=make_thread(owner="team:7")) for _ in range(3)]
    page = listed(root, IMAGES, "?owner=team:7")
    assert set(page.result_list) == set(images[1:])
    assert "newest 200 threads" in page.pager.notes[0]
    # What is done to all that match leaves none out.
    assert set(page.matching()) == set(images)


@pytest.mark.parametrize("filters", ["", "&kind=hosted", "&status__exact=generating"])
def test_pages_of_a_person_mix_the_images_of_their_threads(
    root: Client, make_image: Make, make_thread: Make, small_pages: None, filters: str
) -> None:
    now = timezone.now()
    threads = [make_thread(owner="team:7") for _ in range(3)]
    for number in range(24):
        # One thread has most of them, and two images have the same time.
        thread = threads[0 if number % 4 else number // 4 % 3]
        at = now - timedelta(minutes=number // 2)
        make_image(thread=thread, status="generating", created_at=at)
    make_image(thread=make_thread(owner="team:8"))
    rows = models.GeneratedImage.objects.filter(thread__owner="team:7")
    wanted = list(rows.order_by("-created_at", "-pk").values_list("pk", flat=True))
    query = f"?owner=team:7{filters}"
    assert walk(root, IMAGES, query, "older") == wanted
    last = listed(root, IMAGES, query).pager.oldest
    assert walk(root, IMAGES, last, "newer") == wanted


def test_images_are_found_by_keys_people_and_words(
    root: Client, make_image: Make, make_thread: Make, make_user: Make
) -> None:
    user = make_user(username="mia")
    thread = make_thread(owner=f"user:{user.pk}", user=user)
    run = models.Run.objects.create(thread=thread, owner=thread.owner, operation="x")
    image = make_image(thread=thread, run=run, call_id="ig_key", prompt="an Owl")
    other = make_image(prompt="mia at sea", thread=make_thread())
    terms = {
        "id": str(image.pk),
        "hex": image.image_id,
        "call": "ig_key",
        "thread": thread.pk,
        "run": str(run.pk),
        "user": "mia",
        "owner": thread.owner,
        "words": "oWL",
        "quoted": '"mia"',
        "both": "owl an",
    }
    for name, term in terms.items():
        page = listed(root, IMAGES, f"?q={term}")
        assert page.result_list == [other if name == "quoted" else image], name
        assert list(page.matching()) == page.result_list, name


def test_any_search_is_answered(root: Client, everything: Make) -> None:
    everything(1)
    for model in MODELS:
        # Django takes text with a NUL for no search, and quotation marks for no words.
        for term, finds in (
            (str(uuid.uuid4()), False),
            ("img_x", False),
            ("1" * 400, False),
            ("a\x00b", True),
            ('"', True),
        ):
            response = root.get(change_list(model), {"q": term})
            assert response.status_code == 200, (model, term)
            if model not in (models.Brake, models.UseEntry):
                assert bool(response.context["cl"].result_list) == finds


def test_a_member_of_a_team_is_found_by_name(
    root: Client, make_image: Make, make_thread: Make, make_user: Make
) -> None:
    user = make_user(username="mia")
    image = make_image(thread=make_thread(owner="team:7", user=user))
    make_image(thread=make_thread(owner="team:7", user=make_user()))
    assert listed(root, IMAGES, "?q=mia").result_list == [image]


def test_a_project_may_take_out_the_list_of_threads(
    root: Client, make_image: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = make_image()
    monkeypatch.delitem(admin.site._registry, models.Thread)
    query = f"?owner=of:thread:{image.thread_id}"
    assert listed(root, IMAGES, query).result_list == []
