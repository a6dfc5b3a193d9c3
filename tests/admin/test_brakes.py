"""What staff stop: everybody, an owner, a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from chatkit_images.context import RequestContext
from chatkit_images.exceptions import RequestRefused
from chatkit_images.models import (
    Brake,
    GeneratedImage,
    OwnerBlock,
    Run,
    Thread,
    UseEntry,
)
from chatkit_images.queries.brakes import check_stopped_by_staff

from .paths import change, change_list, page
from .test_changes import act

Make = Callable[..., Any]
ON = "The brake is on"
WORDS = "We are back at noon."


def refusal(owner: str) -> tuple[str, str] | None:
    try:
        check_stopped_by_staff(RequestContext.for_owner(owner))
    except RequestRefused as refused:
        return refused.code, refused.message
    return None


def test_staff_stop_everybody_and_let_them_go_on(login: Make, make_user: Make) -> None:
    staff = make_user("add_brake", "change_brake", "view_thread", username="mia")
    client = Client()
    client.force_login(staff)
    response = client.post(page(Brake, "add"), {"is_on": "on", "words": WORDS})
    assert response.status_code == 302
    brake = Brake.objects.get()
    assert (brake.is_on, brake.changed_by) == (True, staff)
    assert refusal("user:1") == ("generation_stopped", WORDS)
    # One brake is enough.
    assert client.get(page(Brake, "add")).status_code == 403
    client.post(change(brake), {"words": WORDS})
    assert refusal("user:1") is None
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize("permission", ["view_brake", "view_thread", "delete_brake"])
def test_who_may_not_pull_the_brake_cannot(login: Make, permission: str) -> None:
    client = login(permission)
    assert client.get(page(Brake, "add")).status_code == 403
    client.post(page(Brake, "add"), {"is_on": "on"})
    assert not Brake.objects.exists()


def test_every_page_says_that_the_brake_is_on(
    login: Make, root: Client, everything: Make
) -> None:
    rows = everything(1)
    brake = Brake.objects.get()
    index = reverse("admin:app_list", args=["chatkit_images"])
    paths = [index, *[change_list(type(row)) for row in rows], *map(change, rows)]
    assert ON not in root.get(index).content.decode()
    Brake.objects.update(is_on=True, words=WORDS)
    for path in paths:
        html = root.get(path).content.decode()
        assert ON in html, path
        assert f"<q>{WORDS}</q>" in html
        assert f'href="{change(brake)}">Change or release it' in html
    # Only who may open the page of the brake gets a link to it.
    html = login("view_thread").get(change_list(Thread)).content.decode()
    assert ON in html
    assert "Change or release it" not in html


@pytest.fixture
def rows(
    make_thread: Make, make_image: Make, make_attachment: Make, make_user: Make
) -> list[Any]:
    """Return a thread, a run, an image and an attachment of one owner."""
    owned = {"owner": "team:7", "user": make_user(username="zoe")}
    thread = make_thread(**owned)
    run = Run.objects.create(thread=thread, operation="add", **owned)
    image = make_image(thread=thread, run=run)
    return [thread, run, image, make_attachment(thread=thread, **owned)]


@pytest.mark.parametrize("place", range(4))
def test_an_owner_is_blocked_and_unblocked_where_the_rows_are(
    make_user: Make, rows: list[Any], place: int
) -> None:
    row = rows[place]
    name = type(row)._meta.model_name
    staff = make_user(f"view_{name}", "add_ownerblock", "delete_ownerblock")
    client = Client()
    client.force_login(staff)
    html = client.get(change(row)).content.decode()
    assert 'name="action" value="block_owners"' in html
    asked = act(client, "block_owners", row, page=str(row.pk)).content.decode()
    assert "<li>team:7 (zoe)</li>" in asked
    assert "You may not chat here any more." in asked
    assert not OwnerBlock.objects.exists()
    done = act(client, "block_owners", row, page=str(row.pk), words=" Write to us.\0 ")
    # Back on the page from which it came, which says so.
    assert done.redirect_chain == [(change(row), 302)]
    assert "1 owner is blocked." in done.content.decode()
    assert 'value="block_owners"' not in done.content.decode()
    assert 'value="unblock_owners"' in done.content.decode()
    assert 'ck-is-blocked">blocked<' in done.content.decode()
    block = OwnerBlock.objects.get()
    found = (block.owner, block.words, block.blocked_by)
    assert found == ("team:7", "Write to us.\ufffd", staff)
    assert refusal("team:7") == ("owner_blocked", "Write to us.\ufffd")
    assert refusal("team:70") is None
    # A second time changes nothing, as whoever may add a block may not change one.
    act(client, "block_owners", row, words="Other words")
    assert OwnerBlock.objects.get().words == "Write to us.\ufffd"
    assert (
        'ck-is-blocked">blocked<' in client.get(change_list(type(row))).content.decode()
    )
    act(client, "unblock_owners", row)
    assert refusal("team:7") is None
    assert [entry.action_flag for entry in LogEntry.objects.order_by("pk")] == [1, 3]


@pytest.mark.parametrize("action", ["block_owners", "unblock_owners"])
def test_forged_block_without_permission_changes_nothing(
    login: Make, rows: list[Any], action: str
) -> None:
    OwnerBlock.objects.create(owner="user:9")
    Thread.objects.filter(pk=rows[0].pk).update(
        owner="user:9" if action == "unblock_owners" else "user:1"
    )
    client = login("change_thread", "delete_thread", "view_ownerblock")
    assert action not in client.get(change(rows[0])).content.decode()
    act(client, action, rows[0], words="")
    assert OwnerBlock.objects.get().owner == "user:9"


def test_more_owners_than_fit_on_a_page_are_not_blocked(
    root: Client, make_thread: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_images.admin.row_actions.MOST_OWNERS", 2)
    threads = [make_thread(owner=f"user:{n}") for n in range(3)]
    response = act(root, "block_owners", *threads, words="")
    assert "Choose rows of 1 to 2 owners." in response.content.decode()
    assert not OwnerBlock.objects.exists()
    for thread in threads:
        OwnerBlock.objects.create(owner=thread.owner)
    response = act(root, "unblock_owners", *threads)
    assert "Choose rows of 1 to 2 owners." in response.content.decode()
    assert OwnerBlock.objects.count() == 3


def test_more_threads_than_one_request_changes_stay_as_they_are(
    root: Client, make_thread: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_images.admin.thread_actions.MOST_CHANGED", 2)
    threads = [make_thread() for _ in range(3)]
    response = act(root, "close", *threads)
    assert "Choose at most 2 threads." in response.content.decode()
    assert not Thread.objects.exclude(status="active").exists()
    assert "2 threads: closed." in act(root, "close", *threads[:2]).content.decode()


def test_the_page_that_asks_for_words_has_some_rows_of_each_owner(
    root: Client, make_thread: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form takes a thousand fields, and an owner may have more rows than that."""
    monkeypatch.setattr("chatkit_images.admin.row_actions.OF_EACH", 2)
    threads = [make_thread(owner=f"user:{n % 2}") for n in range(6)]
    asked = act(root, "block_owners", *threads).content.decode()
    assert asked.count('name="_selected_action"') == 4


def test_an_owner_is_blocked_whose_rows_match_no_filter_any_more(
    root: Client, make_thread: Make
) -> None:
    """The words take a moment to write, in which an answer may end."""
    thread = make_thread(owner="user:1")
    filters, chosen = "?status__exact=active", {"_selected_action": [thread.pk]}
    data = {"action": "block_owners", "index": "0", **chosen}
    asked = root.post(change_list(Thread) + filters, data)
    assert f'action="{change_list(Thread)}"' in asked.content.decode()
    Thread.objects.update(status="closed")
    data |= {"filters": asked.context["filters"], "words": "No."}
    done = root.post(change_list(Thread), data)
    assert done["Location"] == change_list(Thread) + filters
    assert OwnerBlock.objects.get().owner == "user:1"


def test_an_owner_is_blocked_by_key(make_user: Make) -> None:
    staff = make_user("add_ownerblock", "change_ownerblock")
    client = Client()
    client.force_login(staff)
    key = "visitor:0123456789abcdef"
    client.post(page(OwnerBlock, "add"), {"owner": key, "words": WORDS})
    block = OwnerBlock.objects.get()
    assert (block.owner, block.blocked_by) == (key, staff)
    again = client.post(page(OwnerBlock, "add"), {"owner": key, "words": ""})
    assert "already exists" in again.content.decode()
    # The words may be changed, the owner is another row.
    client.post(change(block), {"owner": "user:1", "words": ""})
    block.refresh_from_db()
    assert (block.owner, block.words) == (key, "")
    # A visitor's key is a secret: lists show its beginning.
    for query in ("zzz", "0123456789"):
        html = client.get(change_list(OwnerBlock), {"q": query}).content.decode()
    assert "visitor:0123456…" in html
    assert key not in html


def test_a_run_is_stopped_with_words(login: Make, rows: list[Any]) -> None:
    run = rows[1]
    ended = Run.objects.create(owner="user:1", operation="add", status="completed")
    client = login("change_run")
    asked = act(client, "stop", run, ended).content.decode()
    assert "The staff of this site ended the answer." in asked
    assert "in “Foxes”" in asked
    assert str(run.pk) in asked
    assert str(ended.pk) not in asked
    run.refresh_from_db()
    assert run.stop_requested_at is None
    response = act(client, "stop", run, ended, words="Ask for something else.")
    assert "1 run ends." in response.content.decode()
    run.refresh_from_db()
    assert run.stop_requested_at is not None
    assert run.reason == "stopped_by_staff"
    assert LogEntry.objects.get().object_id == str(run.pk)
    # What is asked for too late leaves nothing.
    Run.objects.filter(pk=run.pk).update(status="completed")
    assert "No run of these" in act(client, "stop", run).content.decode()


def test_a_forged_stop_without_permission_stops_nothing(
    login: Make, rows: list[Any]
) -> None:
    client = login("view_run", "delete_run")
    assert 'value="stop"' not in client.get(change(rows[1])).content.decode()
    act(client, "stop", rows[1], words="")
    assert Run.objects.get().stop_requested_at is None


def test_the_ledger_is_searched_by_owner_and_run_and_counts_no_further(
    login: Make, everything: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(3)
    client = login("view_useentry")
    entry = UseEntry.objects.order_by("pk").first()
    assert entry is not None
    for query in (entry.owner, str(entry.run_id), entry.owner[:-1], "%"):
        found = client.get(change_list(UseEntry), {"q": query}).context["cl"]
        wanted = [entry] if query in (entry.owner, str(entry.run_id)) else []
        assert list(found.result_list) == wanted
    by_kind = {"kind__exact": "tokens"}
    assert not client.get(change_list(UseEntry), by_kind).context["cl"].result_count
    monkeypatch.setattr("chatkit_images.admin.lists.counts.MOST_COUNTED", 2)
    assert client.get(change_list(UseEntry)).context["cl"].result_text.startswith("2+")


def test_blocks_and_brakes_outlive_who_made_them(make_user: Make) -> None:
    staff = make_user()
    OwnerBlock.objects.create(owner="team:7", blocked_by=staff)
    Brake.objects.create(changed_by=staff)
    User.objects.all().delete()
    assert OwnerBlock.objects.get().blocked_by is None
    assert Brake.objects.get().changed_by is None


def test_a_project_that_takes_the_blocks_out_has_no_actions_for_them(
    root: Client, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib import admin

    monkeypatch.delitem(admin.site._registry, OwnerBlock)
    for row in (rows[0], GeneratedImage.objects.get()):
        html = root.get(change_list(type(row))).content.decode()
        assert "block_owners" not in html
