"""The panel of the index: numbers of what its person may see, each a way to a list."""

from __future__ import annotations

import datetime
import html
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin import AdminSite, site
from django.contrib.admin.sites import all_sites
from django.db import connection
from django.template import engines
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import ResolverMatch, reverse
from django.utils import timezone

from chatkit_images import models
from chatkit_images.admin import panel, snapshots

Make = Callable[..., Any]
INDEX = reverse("admin:app_list", args=["chatkit_images"])
NUMBER = re.compile(r'<li><a href="([^"]+)"><strong>([^<]+)</strong> ([^<]+)</a>')


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A clock that stands still until a test moves it."""
    now = [1000.0]
    monkeypatch.setattr(snapshots, "monotonic", lambda: now[0])
    panel.snapshots.clear()
    yield now
    panel.snapshots.clear()


def numbers(client: Client) -> dict[str, str]:
    return {name: value for _, value, name in shown(client)}


def shown(client: Client) -> list[tuple[str, str, str]]:
    response = client.get(INDEX)
    assert response.status_code == 200
    found = NUMBER.findall(response.content.decode())
    return [(html.unescape(url), value, name) for url, value, name in found]


@pytest.fixture
def busy(make_image: Make, make_thread: Make, make_item: Make) -> None:
    """A day with something of everything, and older rows that do not count."""
    thread = make_thread()
    make_image(thread=thread)
    make_image(thread=thread, status="failed", file="")
    make_image(thread=thread, visibility="held", review_since=timezone.now())
    make_image(thread=thread, review_since=timezone.now(), review_reason="report")
    before = timezone.now() - datetime.timedelta(days=3)
    make_image(thread=thread, status="failed", file="", created_at=before)
    runs = models.Run.objects
    run = {"thread": thread, "owner": "a", "operation": "threads.create"}
    runs.create(**run)
    runs.create(**run, status="completed", cost=Decimal("0.25"))
    runs.create(**run, status="failed", reason="quota", cost=Decimal("0.5"))
    runs.create(**run, status="failed", reason="quota", created_at=before)
    runs.create(**run, status="failed", reason="timeout")
    item = make_item(thread)
    models.Feedback.objects.create(item=item, thread=thread, owner="a", kind="negative")
    models.Feedback.objects.create(item=item, thread=thread, owner="b", kind="positive")
    models.Brake.objects.create(is_on=True)
    models.OwnerBlock.objects.create(owner="a")
    models.DeletedFile.objects.create(name="x", created_at=before)
    models.DeletedFile.objects.create(name="new")


def test_panel_tells_of_today_and_of_what_needs_a_look(
    root: Client, busy: None
) -> None:
    found = numbers(root)
    cost = found.pop("cost")
    assert cost.endswith("0.75")
    assert found == {
        "images": "4",
        "without a result": "1",
        "answer being written": "1",
        "disliked": "1",
        "the brake is on": "1",
        "images to review": "2",
        "image held": "1",
        "image reported by people": "1",
        "answer failed today: quota": "1",
        "owner blocked today": "1",
        "file that the storage does not delete": "1",
    }


def test_each_number_leads_to_the_list_of_what_it_counts(
    root: Client, busy: None
) -> None:
    for url, value, name in shown(root):
        response = root.get(url, follow=True)
        assert response.status_code == 200, url
        assert "e=1" not in str(response.redirect_chain), url
        if name != "cost":
            assert len(response.context["cl"].result_list) == int(value), name


def test_quiet_day_needs_no_look(root: Client) -> None:
    assert "Nothing needs a look." in root.get(INDEX).content.decode()
    assert numbers(root)["images"] == "0"
    assert "cost" not in numbers(root)


@pytest.mark.parametrize(
    ("codename", "expected"),
    [
        ("view_run", {"answer being written", "cost", "answer failed today: quota"}),
        ("view_feedback", {"disliked"}),
        ("view_brake", {"the brake is on"}),
        ("view_deletedfile", {"file that the storage does not delete"}),
        ("view_attachment", set()),
    ],
)
def test_panel_has_what_its_person_may_see(
    login: Make, busy: None, codename: str, expected: set[str]
) -> None:
    client = login(codename)
    assert set(numbers(client)) == expected
    assert ("ck-panel" in client.get(INDEX).content.decode()) == bool(expected)


def test_numbers_are_narrowed_as_the_lists_are(
    root: Client, busy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = site._registry[models.GeneratedImage]
    rows = page.get_queryset
    assert numbers(root)["images"] == "4"
    monkeypatch.setattr(
        page, "get_queryset", lambda request: rows(request).filter(status="failed")
    )
    # At once, though the numbers of the others are kept for some seconds.
    assert numbers(root)["image"] == "1"


def test_a_number_counts_no_further_than_it_says(
    root: Client, make_thread: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel, "MOST", 2)
    thread = make_thread()
    models.GeneratedImage.objects.bulk_create(
        models.GeneratedImage(thread=thread, call_id=f"c{n}") for n in range(5)
    )
    models.Run.objects.bulk_create(
        models.Run(thread=thread, status="failed", reason="quota", cost=Decimal("0.25"))
        for _ in range(5)
    )
    found = numbers(root)
    assert found["images"] == "2+" and found["answers failed today: quota"] == "3+"
    assert found["cost"].endswith("0.75+")


def test_numbers_are_read_once_for_some_seconds(
    root: Client, busy: None, clock: list[float]
) -> None:
    table = f"FROM {connection.ops.quote_name('chatkit_images_run')}"

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            numbers(root)
        return sum(table in q["sql"] for q in queries)

    assert statements() > 0
    assert statements() == 0
    clock[0] += 6
    assert statements() > 0


def test_tag_shows_nothing_where_the_app_has_no_pages(
    root: Client, make_user: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "{% load chatkit_images_admin %}[{% chatkit_panel %}]"
    template = engines["django"].from_string(text)
    request = RequestFactory().get("/")
    request.user = make_user("view_run")
    assert "ck-panel" in template.render({}, request)
    for model in (models.GeneratedImage, models.Run, models.Thread):
        monkeypatch.delitem(site._registry, model)
    assert template.render({}, request).strip("[]\n ") == ""


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Its plans are short.")
def test_images_are_counted_along_indexes(root: Client, busy: None) -> None:
    """Of a million images none may be reported."""
    found: list[Any] = []

    def note(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        if "COUNT" in sql and models.GeneratedImage._meta.db_table in sql:
            found.append((sql, params))
        return execute(sql, params, *rest)

    with connection.execute_wrapper(note):
        numbers(root)
    assert len(found) == 5
    for sql, params in found:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            steps = [step for *_, step in cursor.fetchall()]
        assert f"SCAN {models.GeneratedImage._meta.db_table}" not in steps, steps


def test_index_does_not_fail_of_numbers_that_the_database_refuses(
    root: Client, busy: None, caplog: Any
) -> None:
    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if "COUNT" in sql and "chatkit_images_" in sql:
            sql = "SELECT nothing"
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        response = root.get(INDEX)
    assert response.status_code == 200 and b"ck-panel" not in response.content
    assert "The panel has no numbers" in caplog.text
    assert numbers(root)["images"] == "4"


def test_tag_is_of_the_site_of_its_page_though_others_have_its_name(
    make_user: Make, busy: None
) -> None:
    text = "{% load chatkit_images_admin %}[{% chatkit_panel %}]"
    template = engines["django"].from_string(text)
    request = RequestFactory().get("/")
    request.user = make_user(is_superuser=True)
    request.current_app = "admin"
    # Django's own has the images, and this one has none.
    other = AdminSite()
    for mine, shown in ((site, True), (other, False)):
        views = [getattr(each, "callback", None) for each in mine.get_urls()]
        request.resolver_match = ResolverMatch(views[0], (), {})
        assert ("ck-panel" in template.render({}, request)) is shown
    request.resolver_match = None
    assert "ck-panel" not in template.render({}, request)
    # Until its memory is collected, it would be there for other tests.
    all_sites.discard(other)
