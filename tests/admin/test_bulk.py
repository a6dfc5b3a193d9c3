"""What staff do to many images at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from chatkit_images import models, storage
from chatkit_images.admin import GeneratedImageAdmin
from chatkit_images.admin.bulk import operations, work
from chatkit_images.admin.lists import counts
from chatkit_images.queries import holds, newest

from .conftest import put
from .paths import change, change_list, page

Make = Callable[..., Any]
Image = models.GeneratedImage
DELETER = ("view_generatedimage", "delete_generatedimage")
JOB = re.compile(r'name="job" value="([^"]+)"')


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images in a slice, and one slice in a request."""
    monkeypatch.setattr(work, "SLICE", 2)
    monkeypatch.setattr(work, "SECONDS", 0)


def choose(client: Client, action: str, *rows: Any, **data: str) -> Any:
    """Post the form of the list, as its button does; return the page that asks."""
    form = {"action": action, "_selected_action": [row.pk for row in rows], **data}
    return client.post(change_list(Image), form, follow=True)


def url_of(operation: str, query: str = "") -> str:
    return page(Image, "bulk", operation) + (f"?{query}" if query else "")


def ask(client: Client, operation: str, query: str = "") -> Any:
    """Return the page that asks about all that match."""
    return client.get(url_of(operation, query))


def job_in(response: Any) -> str:
    found = JOB.search(response.content.decode())
    assert found is not None, response.content.decode()
    return found[1]


def press(client: Client, response: Any, **data: str) -> Any:
    """Post the form of a page."""
    url = re.search(r'<form method="post" action="([^"]+)"', response.content.decode())
    assert url is not None
    return client.post(url[1].replace("&amp;", "&"), {"job": job_in(response), **data})


def finish(client: Client, response: Any, **data: str) -> list[Any]:
    """Press the button until there is none; return the pages."""
    pages = [press(client, response, **data)]
    while JOB.search(pages[-1].content.decode()):
        pages.append(press(client, pages[-1]))
    return pages


@pytest.mark.django_db(transaction=True)
def test_delete_shows_what_goes_and_deletes_it(login: Make, make_image: Make) -> None:
    rows = [make_image(prompt="first fox"), make_image(prompt="second fox")]
    kept = make_image(prompt="third fox")
    client = login(*DELETER)
    response = choose(client, "delete_selected", *rows)
    html = response.content.decode()
    assert 'alt="first fox"' in html and 'alt="second fox"' in html
    assert "third fox" not in html and "2 images" in html
    assert Image.objects.count() == 3
    last = finish(client, response)[-1].content.decode()
    storage.drain()
    assert "Deleted: 2." in last and "All images were looked at." in last
    assert Image.objects.get() == kept
    assert storage.read(kept.file.name)
    with pytest.raises(FileNotFoundError):
        storage.read(rows[0].file.name)
    assert not models.DeletedFile.objects.exists()
    logged = LogEntry.objects.values_list("object_repr", "action_flag")
    assert sorted(logged) == [("first fox", 3), ("second fox", 3)]


def test_all_that_match_are_deleted_in_slices_and_later_ones_are_not(
    root: Client, make_image: Make, make_thread: Make
) -> None:
    thread = make_thread()
    other = make_image(thread=thread)
    for _ in range(5):
        make_image(thread=thread, status="failed")
    response = ask(root, "delete", "status__exact=failed")
    assert "5 images" in response.content.decode()
    assert "all that match the filters and the search" in response.content.decode()
    late = make_image(thread=thread, status="failed")
    pages = finish(root, response)
    told = [re.search(r"Deleted: (\d)", each.content.decode()) for each in pages]
    assert [found and found[1] for found in told] == ["2", "4", "5"]
    assert {*Image.objects.all()} == {other, late}


def test_select_across_pages_leads_to_all_that_match(
    root: Client, make_image: Make
) -> None:
    image, _other = make_image(status="failed"), make_image()
    form = {"action": "delete_selected", "_selected_action": [image.pk]}
    response = root.post(
        change_list(Image) + "?status__exact=failed", form | {"select_across": "1"}
    )
    assert response["Location"] == url_of("delete", "status__exact=failed")


def test_list_offers_all_that_match_and_its_zip(
    root: Client, make_image: Make, make_thread: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GeneratedImageAdmin, "list_per_page", 2)
    monkeypatch.setattr(counts, "MOST_COUNTED", 2)
    thread = make_thread()
    for _ in range(4):
        make_image(thread=thread)
    page_of_list = change_list(Image) + "?status__exact=completed"
    html = root.get(page_of_list).content.decode()
    assert "Select all 2+ generated images" in html
    zipped = url_of("zip", "status__exact=completed")
    assert f'<a href="{zipped}">Download as a zip</a>' in html
    older = re.search(r'href="(\?[^"]*older=[^"]+)"', html)
    assert older is not None
    following = root.get(change_list(Image) + older[1].replace("&amp;", "&"))
    assert f'href="{zipped}"' in following.content.decode()
    Image.objects.all().delete()
    assert "Download as a zip" not in root.get(page_of_list).content.decode()


def test_what_was_chosen_is_done_whatever_its_clock_says(
    root: Client, make_image: Make
) -> None:
    """Another host, whose clock is ahead, has made it; or the clock was set back."""
    row = make_image(created_at=timezone.now() + timedelta(minutes=5))
    last = finish(root, choose(root, "delete_selected", row))[-1]
    assert "Deleted: 1." in last.content.decode() and not Image.objects.exists()


def test_images_of_one_moment_are_all_done(root: Client, make_image: Make) -> None:
    moment = timezone.now() - timedelta(days=1)
    for _ in range(5):
        make_image(created_at=moment)
    assert "Deleted: 5." in finish(root, ask(root, "delete"))[-1].content.decode()


def test_no_read_goes_far_and_all_that_match_are_found(
    root: Client, make_image: Make, make_thread: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest, "MOST_READ", 2)
    thread, moment = make_thread(), timezone.now() - timedelta(days=1)
    first = make_image(thread=thread, status="failed")
    others = [make_image(thread=thread, created_at=moment) for _ in range(4)]
    same = make_image(thread=thread, status="failed", created_at=moment)
    others += [make_image(thread=thread) for _ in range(5)]
    response = ask(root, "delete", "status__exact=failed")
    assert "At least 0 images" in response.content.decode()
    pages = finish(root, response)
    assert "Deleted: 2." in pages[-1].content.decode() and len(pages) > 3
    assert not Image.objects.filter(pk__in=[first.pk, same.pk]).exists()
    assert {*Image.objects.all()} == {*others}


def test_many_are_counted_to_a_bound(
    root: Client, make_image: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_images.admin.bulk.pages.COUNTED", 2)
    for _ in range(4):
        make_image()
    assert "At least 2 images" in ask(root, "delete").content.decode()


def test_held_images_stay_and_are_listed(
    root: Client, make_image: Make, make_thread: Make
) -> None:
    held = make_image(thread=make_thread(owner="user:9"), prompt="<b>proof</b>")
    holds.place(owner="user:9")
    make_image()
    html = finish(root, ask(root, "delete"))[-1].content.decode()
    assert Image.objects.get() == held
    assert "Deleted: 1." in html
    assert "1, kept by a legal hold" in html
    assert f'<a href="{change(held)}">&lt;b&gt;proof&lt;/b&gt;</a>' in html
    assert LogEntry.objects.count() == 1


def test_what_another_has_deleted_meanwhile_is_told(
    root: Client, make_image: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [make_image(), make_image()]
    response = ask(root, "delete")
    real = work.read

    def read(*args: Any) -> Any:
        found = real(*args)
        Image.objects.filter(pk=rows[0].pk).delete()
        return found

    monkeypatch.setattr(work, "read", read)
    html = finish(root, response)[-1].content.decode()
    assert "Deleted: 1." in html and "1, removed meanwhile" in html


def test_a_page_that_is_sent_again_does_no_harm(root: Client, make_image: Make) -> None:
    for _ in range(3):
        make_image()
    asked = ask(root, "delete")
    first = press(root, asked)
    again = press(root, asked)
    assert "Deleted: 2." in first.content.decode()
    assert "Deleted: 1." in again.content.decode()
    last = finish(root, first)[-1].content.decode()
    assert "Deleted: 2." in last and not Image.objects.exists()


def test_a_slice_that_the_database_refuses_is_told_and_may_be_tried_again(
    root: Client, make_image: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image()
    asked = ask(root, "delete")
    with monkeypatch.context() as broken:

        def refuse(*args: Any) -> None:
            raise OperationalError("deadlock detected")

        broken.setattr(LogEntry.objects, "log_actions", refuse)
        response = press(root, asked)
    html = response.content.decode()
    assert "The database has refused a part" in html and "data-goes-on" not in html
    # What is not logged is not done.
    assert Image.objects.count() == 1
    assert "Deleted: 1." in finish(root, response)[-1].content.decode()


def test_bytes_of_a_final_under_its_reserved_name_go_too(
    root: Client, make_image: Make, png: bytes
) -> None:
    image = make_image(status="interrupted", file="", thumbnail="")
    name = storage.name_of("images", image.key, "png")
    finish(root, ask(root, "delete"))
    assert models.DeletedFile.objects.filter(name=name).exists()


@pytest.mark.parametrize("change_of", ["user", "filters", "operation", "forged"])
def test_a_job_of_another_page_is_refused(
    root: Client, login: Make, make_image: Make, change_of: str
) -> None:
    make_image()
    job, client, url = job_in(ask(root, "delete")), root, url_of("delete")
    if change_of == "user":
        client = login(*DELETER)
    elif change_of == "filters":
        url = url_of("delete", "status__exact=completed")
    elif change_of == "operation":
        job = job_in(ask(root, "zip"))
    else:
        job = job[:-2]
    response = client.post(url, {"job": job}, follow=True)
    assert "too old to go on with" in response.content.decode()
    assert Image.objects.count() == 1


def test_unknown_operations_and_filters(root: Client, make_image: Make) -> None:
    make_image()
    assert ask(root, "burn").status_code == 404
    response = ask(root, "delete", "nothing=1")
    assert response.status_code == 302


def test_nothing_that_matches_is_nothing_to_do(root: Client, db: None) -> None:
    for operation in ("delete", "zip"):
        html = ask(root, operation, "status__exact=failed").content.decode()
        assert "There is nothing to" in html and not JOB.search(html)


def test_project_narrows_every_image(
    root: Client, make_image: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = make_image(prompt="mine"), make_image(prompt="other")
    everything = GeneratedImageAdmin.get_queryset
    monkeypatch.setattr(
        GeneratedImageAdmin,
        "get_queryset",
        lambda self, request: everything(self, request).filter(prompt="mine"),
    )
    html = ask(root, "delete").content.decode()
    assert "1 image<" in html and "other" not in html
    chosen = choose(root, "delete_selected", mine, other)
    finish(root, chosen)
    assert Image.objects.get() == other


def test_project_forbids_single_images(
    root: Client, make_image: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image(prompt="mine")
    other = make_image(prompt="other")
    monkeypatch.setattr(
        GeneratedImageAdmin,
        "has_delete_permission",
        lambda self, request, obj=None: obj is None or obj.prompt == "mine",
    )
    html = finish(root, ask(root, "delete"))[-1].content.decode()
    assert "1, not yours to change" in html
    assert Image.objects.get() == other


def test_hiding_asks_why_and_restoring_brings_back(
    login: Make, make_image: Make
) -> None:
    rows = [make_image(prompt=f"fox {n}") for n in range(3)]
    client = login("view_generatedimage", "moderate_generatedimage")
    asked = choose(client, "hide_selected", *rows[:2])
    without = press(client, asked, reason=" ", words="Sorry.")
    assert (
        "Say why" in without.content.decode() and "Sorry." in without.content.decode()
    )
    assert not Image.objects.exclude(visibility="shown").exists()
    html = finish(client, without, reason="spam", words="Sorry.")[-1].content.decode()
    assert "Hidden: 2." in html
    found = Image.objects.filter(visibility="hidden", hidden_words="Sorry.")
    assert {*found} == {*rows[:2]}
    decided = models.Decision.objects.values_list("action", "reason", "words")
    assert list(decided) == [("hide", "spam", "Sorry.")] * 2
    assert LogEntry.objects.filter(change_message="Hidden. spam").count() == 2
    last = finish(client, ask(client, "restore"))[-1].content.decode()
    assert "Restored: 2." in last and "1, neither hidden nor held" in last
    assert Image.objects.filter(visibility="shown", hidden_words="").count() == 3


def test_keeping_empties_the_queue(root: Client, make_image: Make) -> None:
    now = timezone.now()
    held = make_image(visibility="held", review_since=now, review_reason="check")
    flagged = make_image(review_since=now, review_reason="report")
    other = make_image()
    html = finish(root, ask(root, "keep"))[-1].content.decode()
    assert "Kept: 2." in html and "1, not in the queue for review" in html
    for row in (held, flagged, other):
        row.refresh_from_db()
        assert (row.visibility, row.review_since) == ("shown", None)


def test_a_deletion_is_noted_with_its_reason(root: Client, make_image: Make) -> None:
    image = make_image()
    finish(root, ask(root, "delete"), reason="asked by the owner")
    noted = models.Decision.objects.get()
    said = noted.image_id, noted.thread_id, noted.action, noted.reason
    assert said == (image.pk, image.thread_id, "delete", "asked by the owner")


# Rights, the ways of choosing, and what is asked for.
RIGHTS: dict[str, tuple[str, ...]] = {
    "none": (),
    "delete alone": ("delete_generatedimage",),
    "view": ("view_generatedimage",),
    "view, delete": DELETER,
    "view, moderate": ("view_generatedimage", "moderate_generatedimage"),
    "all": (*DELETER, "moderate_generatedimage"),
}
NEEDS = {
    "download_selected": "",
    "hide_selected": "moderate_generatedimage",
    "restore_selected": "moderate_generatedimage",
    "keep_selected": "moderate_generatedimage",
    "delete_selected": "delete_generatedimage",
}


@pytest.mark.parametrize("rights", RIGHTS)
def test_every_permission_by_itself(
    login: Make, make_image: Make, rights: str, everything: Make
) -> None:
    granted = set(RIGHTS[rights])
    client = login(*granted)
    image = make_image(prompt="a secret fox")
    html = client.get(change_list(Image)).content.decode()
    for action, needed in NEEDS.items():
        operation = action.removesuffix("_selected").replace("download", "zip")
        may = granted >= {"view_generatedimage", needed or "view_generatedimage"}
        assert (f'value="{action}"' in html) == may, action
        asked = ask(client, operation)
        assert asked.status_code == (200 if may else 403), action
        chosen = choose(client, action, image).content.decode()
        assert bool(JOB.search(chosen)) == may, action
        forged = client.post(url_of(operation), {"job": "x"})
        assert forged.status_code == (302 if may else 403), action
    if "view_generatedimage" not in granted:
        assert "a secret fox" not in html
    assert Image.objects.filter(pk=image.pk).exists()


def test_a_right_that_is_taken_away_ends_the_work(
    login: Make, make_user: Make, make_image: Make
) -> None:
    for _ in range(3):
        make_image()
    user, client = make_user(*DELETER), Client()
    client.force_login(user)
    response = press(client, ask(client, "delete"))
    user.user_permissions.clear()
    assert press(client, response).status_code == 403
    assert Image.objects.count() == 1


def test_statements_of_a_slice_do_not_grow_with_its_images(
    root: Client,
    make_image: Make,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: Any,
) -> None:
    monkeypatch.setattr(work, "SLICE", 50)
    thread = make_image().thread
    for _ in range(24):
        image = make_image(thread=thread)
        image.partials.create(index=0, file=put(b"x"), mime="image/png")
    response = ask(root, "delete")
    with django_assert_max_num_queries(50):
        press(root, response)
    assert not Image.objects.exists()


def test_reasons_have_words() -> None:
    assert set(operations.REASONS) >= {"held", "gone", operations.NOT_ALLOWED}
