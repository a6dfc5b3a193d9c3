"""What the cards, the lightbox and the page of an image say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from django.utils.http import urlencode

from chatkit_images import models, storage

from .conftest import put
from .paths import change, change_list, image_file, page

Make = Callable[..., Any]
GALLERY = change_list(models.GeneratedImage)


def gallery(client: Client, **query: str) -> str:
    return client.get(GALLERY, query).content.decode()


def test_cards_say_what_sets_an_image_apart(
    root: Client, make_image: Make, make_thread: Make, make_item: Make, png: bytes
) -> None:
    thread = make_thread()
    item = make_item(thread, "generated_image")
    plain = make_image(thread=thread, prompt="plain")
    html = gallery(root)
    assert "ck-has-models" not in html
    assert ">disliked</span>" not in html and ">hidden</span>" not in html
    make_image(prompt="of another model", model="gpt-image-2")
    make_image(prompt="out of sight", visibility="hidden")
    make_image(prompt="drawn by code", mime="image/svg+xml")
    make_image(prompt="not liked", thread=thread, item=item)
    models.Feedback.objects.create(
        item=item, thread=thread, owner=thread.owner, kind="negative"
    )
    waiting = make_image(prompt="on its way")
    storage.spool.keep(waiting.file.name, png)
    html = gallery(root)
    assert "ck-has-models" in html
    for mark in ("disliked", "hidden", "SVG", "waits for the storage"):
        assert html.count(f">{mark}</span>") == 1
    assert f'href="{change(plain)}' in html


def test_a_card_says_disliked_to_whom_may_see_feedback(
    login: Make, make_image: Make, make_thread: Make, make_item: Make
) -> None:
    thread = make_thread()
    item = make_item(thread, "generated_image")
    make_image(thread=thread, item=item)
    models.Feedback.objects.create(
        item=item, thread=thread, owner=thread.owner, kind="negative"
    )
    assert ">disliked</span>" not in gallery(login("view_generatedimage"))
    may = login("view_generatedimage", "view_feedback")
    assert ">disliked</span>" in gallery(may)


def test_a_card_of_an_image_on_its_way_shows_the_newest_preview(
    root: Client, make_image: Make, png: bytes
) -> None:
    image = make_image(
        file="", thumbnail="", mime="", status="generating", partial_count=2
    )
    for index in range(2):
        image.partials.create(index=index, file=put(png), mime="image/png")
    html = gallery(root)
    assert f'src="{image_file(image, "partial-1")}"' in html
    assert "generating, preview 2" in html
    assert image_file(image, "partial-1") in root.get(change(image)).content.decode()


def test_words_have_the_direction_of_their_language(
    root: Client, make_image: Make
) -> None:
    image = make_image(prompt="ثعلب أحمر")
    assert 'dir="auto">ثعلب أحمر</span>' in gallery(root)
    assert 'dir="auto">ثعلب أحمر</div>' in root.get(change(image)).content.decode()
    make_image(prompt="", revised_prompt="")
    assert "Without a prompt" in gallery(root)


def test_facts_say_who_asked_for_what(
    root: Client, make_image: Make, make_thread: Make, png: bytes
) -> None:
    thread = make_thread(owner="team:7", title="Winter")
    image = make_image(
        thread=thread, prompt="a fox", revised_prompt="a red fox", cost="0.125"
    )
    image.partials.create(index=0, file=put(png), mime="image/png")
    response = root.get(page(image, "facts"))
    assert "no-store" in response["Cache-Control"]
    html = response.content.decode()
    assert "<html" not in html
    for text in (
        "a fox",
        "a red fox",
        "0.125",
        f'<a href="{GALLERY}?owner=team%3A7">team:7</a>',
        "Winter",
        f"{image_file(image, 'full')}?download",
        image_file(image, "partial-0"),
        f'href="{change(image)}"',
        page(image, "link"),
        page(image, "delete"),
    ):
        assert text in html
    assert root.post(page(image, "facts")).status_code == 405


def test_facts_of_a_failure_say_why_and_what_mends_it(
    root: Client, make_image: Make
) -> None:
    image = make_image(
        status="failed",
        file="",
        reason="quota",
        error_message="No credit left.",
        failure={"remedy": "Buy more."},
    )
    html = root.get(page(image, "facts")).content.decode()
    assert "Quota: No credit left." in html
    assert "Buy more." in html
    assert page(image, "link") not in html


def test_facts_need_the_permission_and_the_rows_of_the_page(
    login: Make, make_image: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = make_image()
    assert login("view_run").get(page(image, "facts")).status_code == 404
    viewer = login("view_generatedimage")
    html = viewer.get(page(image, "facts")).content.decode()
    # Nothing is offered that the person may not do.
    assert page(image, "delete") not in html
    monkeypatch.setattr(
        "chatkit_images.admin.GeneratedImageAdmin.get_queryset",
        lambda self, request: models.GeneratedImage.objects.none(),
    )
    for name in ("facts", "link"):
        method = viewer.get if name == "facts" else viewer.post
        assert method(page(image, name)).status_code == 404


def test_a_link_opens_without_a_login_until_the_image_is_hidden(
    root: Client, make_image: Make, png: bytes
) -> None:
    image = make_image()
    answer = root.post(page(image, "link")).json()
    assert "opens without a login until" in answer["message"]
    path = answer["url"].removeprefix("http://testserver")
    assert Client().get(path).content == png
    assert "without a login" in LogEntry.objects.get().change_message
    models.GeneratedImage.objects.update(visibility="hidden")
    assert Client().get(path).status_code in (404, 410)
    refused = root.post(page(image, "link"))
    assert refused.status_code == 409 and "url" not in refused.json()


@pytest.mark.parametrize(
    "fields",
    [{"visibility": "held"}, {"status": "blocked"}, {"file": "", "status": "failed"}],
)
def test_what_its_person_may_not_see_has_no_link(
    root: Client, make_image: Make, fields: dict[str, str]
) -> None:
    image = make_image(**fields)
    assert root.post(page(image, "link")).status_code == 409
    assert page(image, "link") not in root.get(change(image)).content.decode()


def test_a_link_is_made_by_whom_may_see_the_image(
    login: Make, make_image: Make
) -> None:
    image = make_image()
    assert login("view_run").post(page(image, "link")).status_code == 404
    viewer = login("view_generatedimage")
    assert viewer.get(page(image, "link")).status_code == 405
    assert viewer.post(page(image, "link")).status_code == 200


def test_a_page_leads_to_the_images_before_and_after_it(
    root: Client, make_image: Make
) -> None:
    now = timezone.now()
    first, second, third = (
        make_image(prompt=words, created_at=now - timedelta(minutes=minutes))
        for words, minutes in (("ship", 3), ("owl", 2), ("ship too", 1))
    )
    html = root.get(change(second)).content.decode()
    assert f'href="{change(third)}" rel="prev"' in html
    assert f'href="{change(first)}" rel="next"' in html
    kept = urlencode({"_changelist_filters": "q=ship"})
    html = root.get(f"{change(first)}?{kept}").content.decode()
    assert f'href="{change(third)}?{kept}" rel="prev"' in html
    assert 'rel="next"' not in html


def test_the_way_through_a_list_in_another_order_is_in_that_order(
    root: Client, make_image: Make
) -> None:
    large, small, middle = (make_image(bytes=size) for size in (9, 1, 5))
    kept = urlencode({"_changelist_filters": "order=-bytes"})
    html = root.get(f"{change(middle)}?{kept}").content.decode()
    assert f'href="{change(large)}?{kept}" rel="prev"' in html
    assert f'href="{change(small)}?{kept}" rel="next"' in html
    assert "‹ Previous" in html
    # One that has left the order leads through the others by time.
    models.GeneratedImage.objects.filter(pk=large.pk).update(bytes=None)
    html = root.get(f"{change(large)}?{kept}").content.decode()
    assert f'href="{change(small)}?{kept}" rel="prev"' in html
    assert "‹ Newer" in html


@pytest.mark.parametrize("filters", ["no_such__field=1", "p=x"])
def test_filters_that_nobody_has_made_lead_through_all(
    root: Client, make_image: Make, filters: str
) -> None:
    now = timezone.now()
    first = make_image(created_at=now - timedelta(minutes=3))
    second = make_image(created_at=now)
    response = root.get(change(first), {"_changelist_filters": filters})
    assert f'href="{change(second)}' in response.content.decode()


def test_the_page_shows_the_conversation_around_the_image(
    root: Client, login: Make, make_thread: Make, make_item: Make, make_image: Make
) -> None:
    thread = make_thread()
    early = timezone.now() - timedelta(hours=1)
    items = [
        make_item(thread, content=[{"type": "input_text", "text": f"said {n}."}])
        for n in range(12)
    ]
    for number, item in enumerate(items):
        at = early + timedelta(minutes=number)
        models.ThreadItem.objects.filter(pk=item.pk).update(created_at=at)
    items[6].refresh_from_db()
    image = make_image(thread=thread, item=items[6])
    html = root.get(change(image)).content.decode()
    assert [n for n in range(12) if f"said {n}." in html] == list(range(2, 10))
    assert html.count('aria-current="true"') == 1
    viewer = login("view_generatedimage")
    assert "said 6." not in viewer.get(change(image)).content.decode()


def test_the_page_shows_the_other_images_of_the_answer(
    root: Client, make_thread: Make, make_image: Make
) -> None:
    thread = make_thread()
    run = models.Run.objects.create(thread=thread, owner=thread.owner, operation="add")
    image, other = (make_image(thread=thread, run=run) for _ in range(2))
    stranger = make_image(thread=thread, created_at=timezone.now() - timedelta(days=9))
    html = root.get(change(image)).content.decode()
    shown = html[html.index("Other images of the same answer") :]
    assert f'href="{change(other)}"' in shown
    assert change(stranger) not in shown


def test_the_page_has_no_rows_of_dashes(root: Client, make_image: Make) -> None:
    image = make_image(status="blocked", file="", thumbnail="", mime="", model="")
    html = root.get(change(image)).content.decode()
    assert '<div class="readonly">-</div>' not in html
    assert "Thread" in html and "SHA-256" not in html
