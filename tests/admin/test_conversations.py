"""Threads and runs as staff see them: what was said, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatkit_images import models, notes

from .paths import change, change_list, image_file

Make = Callable[..., Any]
Run = models.Run
Thread = models.Thread


@pytest.fixture
def make_run(make_thread: Make) -> Make:
    def make(**fields: Any) -> models.Run:
        fields.setdefault("thread", None)
        thread = fields["thread"] = fields["thread"] or make_thread()
        values = {"owner": thread.owner, "operation": "threads.create", **fields}
        if values.get("status", "running") != "running":
            values.setdefault("finished_at", timezone.now())
        return Run.objects.create(**values)

    return make


def page_of(client: Client, row: Any, query: str = "") -> str:
    return client.get(f"{change(row)}{query}").content.decode()


def act(client: Client, action: str, row: Any, **data: str) -> Any:
    """Press the button of a page."""
    form = {"action": action, "_selected_action": row.pk, "page": row.pk, **data}
    return client.post(change_list(type(row)), form, follow=True)


# The thread


def test_an_image_that_is_gone_is_told_from_one_that_is_not_for_these_staff(
    root: Client, make_thread: Make, make_item: Make, make_image: Make, monkeypatch: Any
) -> None:
    thread = make_thread()
    item = make_item(thread, "generated_image", image={"id": "ig"})
    image = make_image(thread=thread, item=item)
    assert image_file(image, "thumbnail") in page_of(root, thread)
    other = site._registry[models.GeneratedImage]
    rows = other.get_queryset
    with monkeypatch.context() as narrowed:
        narrowed.setattr(other, "get_queryset", lambda r: rows(r).exclude(pk=image.pk))
        html = page_of(root, thread)
    assert "There is no image here that you may see." in html
    assert "This image was removed." not in html
    image.delete()
    html = page_of(root, thread)
    assert "This image was removed." in html
    assert "There is no image here that you may see." not in html


def test_a_transcript_of_any_length_is_read_in_parts(
    root: Client, make_thread: Make, make_item: Make, monkeypatch: Any
) -> None:
    monkeypatch.setattr("chatkit_images.admin.transcript.Transcript.limit", 2)
    thread = make_thread()
    items = [make_item(thread, content=[{"text": f"word{n}."}]) for n in range(5)]
    elsewhere = make_item(make_thread(), content=[{"text": "word9."}])

    def shown(query: str = "") -> tuple[list[int], str]:
        html = page_of(root, thread, query)
        return [n for n in range(10) if f"word{n}." in html], html

    words, html = shown()
    assert words == [3, 4]
    assert f"?before={items[3].pk}#" in html and "Newer items" not in html
    words, html = shown(f"?before={items[3].pk}")
    assert words == [1, 2]
    assert f"?before={items[1].pk}#" in html and f"?after={items[2].pk}#" in html
    words, html = shown(f"?before={items[1].pk}")
    assert words == [0]
    assert "This is the beginning." in html
    assert shown(f"?after={items[0].pk}")[0] == [1, 2]
    assert shown(f"?around={items[2].pk}")[0] == [1, 2, 3]
    for other in (elsewhere.pk, "x", "9" * 30, ""):
        assert shown(f"?before={other}")[0] == [3, 4]
    assert f'id="item-{items[4].pk}"' in html or f'id="item-{items[0].pk}"' in html


def test_a_note_says_to_staff_why_and_what_mends_it(
    root: Client, login: Make, make_run: Make, make_item: Make
) -> None:
    run = make_run(
        status="failed", reason="quota", failure={"remedy": "Add credit there."}
    )
    note = make_item(run.thread, "assistant_message", content=[{"text": "Used up."}])
    note.item_id, note.is_note = notes.note_id(run), True
    note.save()
    html = page_of(root, run.thread)
    place = html.index("Used up.")
    assert place < html.index(">quota<") < html.index("Add credit there.")
    assert f'href="{change(run)}"' in html
    # Runs are another permission.
    html = page_of(login("view_thread"), run.thread)
    assert "Used up." in html
    assert "Add credit there." not in html and change(run) not in html


def test_an_image_without_a_result_has_its_reason_once(
    root: Client, make_thread: Make, make_item: Make, make_image: Make
) -> None:
    thread = make_thread()
    for status, reason in (("blocked", "blocked"), ("failed", "quota")):
        item = make_item(thread, "generated_image")
        fields = {"status": status, "reason": reason, "file": "", "thumbnail": ""}
        make_image(thread=thread, item=item, **fields)
    html = page_of(root, thread)
    assert html.count(">blocked<") == html.count(">failed<") == 1
    assert ">quota<" in html


def test_what_people_reported_stands_where_they_said_it(
    root: Client, make_thread: Make, make_item: Make
) -> None:
    thread = make_thread()
    item = make_item(thread, "assistant_message", content=[{"text": "Here."}])
    models.Feedback.objects.create(
        item=item, thread=thread, owner="a", kind="negative", reason="<b>Ugly</b>"
    )
    assert '<q class="ck-said">&lt;b&gt;Ugly&lt;/b&gt;</q>' in page_of(root, thread)


def test_list_of_threads_shows_the_newest_images_whatever_their_number(
    root: Client, login: Make, make_thread: Make, make_image: Make, monkeypatch: Any
) -> None:
    thread = make_thread()
    images = [make_image(thread=thread) for _ in range(5)]
    old = make_image(thread=thread, superseded_at=timezone.now())
    none = make_image(thread=thread, file="", status="failed")

    def shown(client: Client) -> list[bool]:
        html = client.get(change_list(Thread)).content.decode()
        rows = [*images, old, none]
        return [image_file(row, "thumbnail") in html for row in rows]

    newest = [False, False, True, True, True, False, False]
    assert shown(root) == newest
    with CaptureQueriesContext(connection) as few:
        shown(root)
    for _ in range(3):
        make_image(thread=make_thread())
    with CaptureQueriesContext(connection) as many:
        assert shown(root) == newest
    assert len(many) == len(few)
    # Only for who may see images, and only those that they may see.
    assert not any(shown(login("view_thread")))
    assert shown(login("view_thread", "view_generatedimage")) == newest
    other = site._registry[models.GeneratedImage]
    rows = other.get_queryset
    monkeypatch.setattr(
        other, "get_queryset", lambda request: rows(request).exclude(pk=images[4].pk)
    )
    assert shown(root) == [False, True, True, True, False, False, False]
    monkeypatch.delitem(site._registry, models.GeneratedImage)
    assert not any(shown(root))


def test_an_image_that_its_person_cannot_see_is_shown_with_their_words(
    root: Client, make_thread: Make, make_item: Make, make_image: Make
) -> None:
    thread = make_thread()
    item = make_item(thread, "generated_image", image={"id": "ig"})
    image = make_image(
        thread=thread, item=item, visibility="hidden", hidden_words="Not <here>."
    )
    html = page_of(root, thread)
    assert image_file(image, "thumbnail") in html
    assert "Not &lt;here&gt;." in html and ">hidden<" in html


# The run


def test_page_of_a_run_says_first_how_it_ended_and_what_mends_it(
    root: Client, make_run: Make, make_image: Make, make_thread: Make
) -> None:
    run = make_run(
        thread=make_thread(title="<i>Foxes"),
        status="failed",
        reason="quota",
        failure={"remedy": "Add credit there.", "message": "no money"},
        error="insufficient_quota: no money",
        usage={"input_tokens": 1000, "output_tokens": 234},
        model="gpt-5",
        worker="host:7",
    )
    image = make_image(thread=run.thread, run=run)
    other = make_image(thread=run.thread)
    html = page_of(root, run)
    expected = [
        "in “&lt;i&gt;Foxes”",
        ">failed<",
        ">quota<",
        "The quota of this service is used up.",
        "Add credit there.",
        "first message of a chat",
        change(run.thread),
        "1234",
        image_file(image, "thumbnail"),
        "insufficient_quota: no money",
        "host:7",
    ]
    places = [html.index(text, html.index('id="content"')) for text in expected[:-1]]
    assert expected[-1] in html
    assert places[1:5] == sorted(places[1:5])
    assert max(places[:9]) < places[9]
    assert image_file(other, "thumbnail") not in html
    assert 'value="stop"' not in html and "<i>Foxes" not in html
    # What is not known leaves no row.
    assert (
        "safety identifier" not in html.lower()
        and '<div class="readonly">-<' not in html
    )


def test_page_of_a_run_that_goes_on_has_the_button_to_stop_it(
    login: Make, make_run: Make
) -> None:
    run = make_run()
    client = login("view_run", "change_run")
    html = page_of(client, run)
    assert "The answer is being written." in html
    assert 'value="stop"' in html and "The person read" not in html
    Run.objects.update(stop_requested_at=timezone.now())
    assert "It was asked to stop" in page_of(client, run)
    assert 'value="stop"' not in page_of(login("view_run"), run)


def test_images_of_a_run_are_those_that_staff_may_see_and_the_rest_by_a_link(
    root: Client, login: Make, make_run: Make, make_image: Make, monkeypatch: Any
) -> None:
    monkeypatch.setattr("chatkit_images.admin.run_pages.MOST_IMAGES", 2)
    run = make_run(status="completed")
    images = [make_image(thread=run.thread, run=run) for _ in range(3)]
    html = page_of(root, run)
    shown = [image_file(image, "thumbnail") in html for image in images]
    assert shown == [True, True, False]
    assert f"?run__id__exact={run.pk}" in html
    html = page_of(login("view_run"), run)
    assert not any(image_file(image, "thumbnail") in html for image in images)


def test_run_of_an_operation_of_a_later_version_has_its_name(
    root: Client, make_run: Make
) -> None:
    run = make_run(operation="threads.dream", status="completed")
    assert "threads.dream" in page_of(root, run)


# Buttons


@pytest.mark.parametrize("kind", ["thread", "run", "image"])
def test_run_is_stopped_from_the_page_of_whatever_belongs_to_it(
    login: Make, make_run: Make, make_image: Make, kind: str
) -> None:
    run = make_run()
    image = make_image(thread=run.thread, run=run, status="generating", file="")
    row = {"thread": run.thread, "run": run, "image": image}[kind]
    views = ("view_thread", "view_run", "view_generatedimage")
    client = login(*views)
    assert 'value="stop"' not in page_of(client, row)
    act(client, "stop", row, words="")
    run.refresh_from_db()
    assert run.stop_requested_at is None
    client = login(*views, "change_run")
    assert 'value="stop"' in page_of(client, row)
    asked = act(client, "stop", row).content.decode()
    assert "in “Foxes”" in asked
    response = act(client, "stop", row, words="Enough.")
    assert response.redirect_chain == [(change(row), 302)]
    assert "1 run ends." in response.content.decode()
    run.refresh_from_db()
    assert run.stop_requested_at is not None
    assert run.failure["words"] == "Enough."
    Run.objects.update(status="cancelled")
    models.GeneratedImage.objects.update(status="cancelled")
    assert 'value="stop"' not in page_of(client, row)


@pytest.mark.parametrize("kind", ["thread", "run", "image"])
def test_thread_is_locked_from_the_page_of_whatever_belongs_to_it(
    login: Make, make_run: Make, make_image: Make, kind: str
) -> None:
    run = make_run(status="completed")
    image = make_image(thread=run.thread, run=run)
    row = {"thread": run.thread, "run": run, "image": image}[kind]
    action = "lock" if kind == "thread" else "lock_threads"
    views = ("view_thread", "view_run", "view_generatedimage")
    client = login(*views)
    assert f'value="{action}"' not in page_of(client, row)
    act(client, action, row, words="")
    assert Thread.objects.get().status == "active"
    client = login(*views, "change_thread")
    assert f'value="{action}"' in page_of(client, row)
    asked = act(client, action, row).content.decode()
    assert "<li>Foxes</li>" in asked
    assert Thread.objects.get().status == "active"
    response = act(client, action, row, words=" Abuse\0 ")
    assert response.redirect_chain == [(change(row), 302)]
    assert "1 thread: locked." in response.content.decode()
    thread = Thread.objects.get()
    assert (thread.status, thread.status_reason) == ("locked", "Abuse\ufffd")
    assert LogEntry.objects.get().object_id == thread.pk
    html = page_of(client, row)
    assert f'value="{action}"' not in html
    if kind == "thread":
        assert 'value="reopen"' in html
        act(client, "reopen", row)
        assert Thread.objects.get().status == "active"
    else:
        again = act(client, action, row, words="").content.decode()
        assert "threads that are active" in again


def test_a_thread_that_its_own_page_leaves_out_is_locked_from_nowhere(
    root: Client, make_run: Make, monkeypatch: Any
) -> None:
    run = make_run(status="completed")
    monkeypatch.setattr(
        site._registry[Thread], "get_queryset", lambda request: Thread.objects.none()
    )
    act(root, "lock_threads", run, words="")
    assert Thread.objects.get().status == "active"
