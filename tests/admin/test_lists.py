"""Lists page by positions, count up to a bound, and say what they have not read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.utils import timezone

from chatkit_images import models
from chatkit_images.admin.lists import change_list as lists
from chatkit_images.admin.lists import counts, reading

from .paths import MADE_BY_STAFF, MODELS, change, change_list

Make = Callable[..., Any]
IMAGES = change_list(models.GeneratedImage)
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_images(thread: models.Thread, count: int, **fields: Any) -> list[Any]:
    """Make images, each second one at the time of the one before."""
    rows = [
        models.GeneratedImage(
            thread=thread,
            call_id=f"ig_{n}",
            prompt=f"fox {n}",
            created_at=BEGAN + timedelta(minutes=n // 2),
            **fields,
        )
        for n in range(count)
    ]
    return models.GeneratedImage.objects.bulk_create(rows)


def listed(client: Client, path: str, query: str = "") -> Any:
    response = client.get(f"{path}{query}")
    assert response.status_code == 200, response.get("Location")
    return response.context["cl"]


def walk(client: Client, path: str, query: str, way: str) -> list[Any]:
    """Return the rows of all pages in one direction."""
    found: list[Any] = []
    for _ in range(30):
        page = listed(client, path, query)
        rows = [row.pk for row in page.result_list]
        found = found + rows if way == "older" else rows + found
        query = getattr(page.pager, way)
        if not query:
            return found
    raise AssertionError("the pages do not end")


def test_pages_go_to_the_far_end_and_back(
    root: Client,
    make_thread: Make,
    small_pages: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A window holds fewer rows than there are.
    monkeypatch.setattr(reading, "MOST_READ", 4)
    make_images(make_thread(), 11)
    rows = models.GeneratedImage.objects.order_by("-created_at", "-pk")
    wanted = list(rows.values_list("pk", flat=True))
    filters = ["status__exact=generating", "kind=hosted", "q=fox", "owner=visitor:1"]
    for query in ("?", *(f"?{each}" for each in filters)):
        assert walk(root, IMAGES, query, "older") == wanted, query
        first = listed(root, IMAGES, query)
        assert not first.pager.newer and not first.pager.newest, query
        last = listed(root, IMAGES, first.pager.oldest)
        assert [row.pk for row in last.result_list] == wanted[-3:], query
        assert not last.pager.older and not last.pager.oldest, query
        # What is newer than a row begins anew when it would not fill a page.
        newer = walk(root, IMAGES, first.pager.oldest, "newer")
        assert newer[-9:] == wanted[-9:], query
        newest = listed(root, IMAGES, last.pager.newest)
        assert newest.result_list == first.result_list, query


def test_a_page_of_newer_rows_is_never_shorter_than_the_first_one(
    root: Client, make_thread: Make, small_pages: None
) -> None:
    make_images(make_thread(), 5)
    first = listed(root, IMAGES)
    second = listed(root, IMAGES, first.pager.older)
    assert len(second.result_list) == 2
    back = listed(root, IMAGES, second.pager.newer)
    assert back.result_list == first.result_list and not back.pager.newer
    assert "?p=" not in root.get(IMAGES).content.decode()


BAD_PLACES = [
    "?older=garbage",
    "?newer=~",
    "?older=2026-03-01T12:00:00%2B99:00~1",
    "?older=9999-12-31T23:59:59-12:00~1",
    "?older=0001-01-01T00:00:00%2B12:00~1",
    "?newer=2026-03-01~1%00",
    "?older=" + "9" * 500,
]
OLD_LINKS = ["?p=2&e=1", "?all=", "?o=-3.1", "?_popup=1&_facets=True"]


def test_bad_and_old_addresses_show_the_first_page(
    root: Client, everything: Make
) -> None:
    everything(1)
    for number, model in enumerate(MODELS):
        # All lists read them by the same code: images have each, and others some.
        is_image = model is models.GeneratedImage
        some = slice(None) if is_image else slice(number % 4, None, 4)
        for query in (BAD_PLACES + OLD_LINKS)[some]:
            response = root.get(f"{change_list(model)}{query}")
            assert response.status_code == 200, (model, query)
            assert len(response.context["cl"].result_list) == 1, (model, query)
            told = "This is no place in the list." in response.content.decode()
            assert told == (query in BAD_PLACES), (model, query)


@pytest.mark.parametrize(
    "query",
    [
        "period=soon",
        "from=yesterday",
        "to=2026-02-31",
        "kind=x",
        "nothing=1",
        "model=%00",
    ],
)
def test_bad_filters_lead_to_the_list(root: Client, query: str) -> None:
    response = root.get(f"{IMAGES}?{query}")
    assert response.status_code == 302 and response["Location"] == f"{IMAGES}?e=1"
    assert root.get(f"{IMAGES}?from=0001-01-01&to=9999-12-31").status_code == 302


def test_rows_are_counted_up_to_a_bound(
    root: Client,
    make_thread: Make,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    monkeypatch.setattr(counts, "MOST_COUNTED", 4)
    make_images(make_thread(), 4)
    assert listed(root, IMAGES).result_text == "4 generated images"
    make_images(make_thread(), 1)
    settings.USE_THOUSAND_SEPARATOR = True
    assert listed(root, IMAGES).result_text == "4+ generated images"
    assert listed(root, IMAGES, "?q=FOX").result_text.endswith("+ generated images")
    assert listed(root, IMAGES, "?q=nothing").result_list == []
    models.GeneratedImage.objects.exclude(call_id="ig_1").delete()
    assert "1 generated image<" in root.get(IMAGES).content.decode().replace("s<", "<")


def test_a_search_says_how_far_it_has_looked(
    root: Client, make_thread: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_READ", 4)
    monkeypatch.setattr("chatkit_images.admin.lists.pager.MOST_READ", 4)
    monkeypatch.setattr(lists, "are_few", lambda rows, term: False)
    make_images(make_thread(), 11)
    models.GeneratedImage.objects.filter(call_id="ig_0").update(prompt="a rare owl")
    html = root.get(IMAGES, {"q": "owl"}).content.decode()
    assert "Looked through 4 generated images" in html
    assert "Nothing matches on this page." in html
    page = listed(root, IMAGES, "?q=owl")
    for _ in range(3):
        if page.result_list:
            break
        page = listed(root, IMAGES, page.pager.older)
    assert [row.call_id for row in page.result_list] == ["ig_0"]
    assert not listed(root, IMAGES, page.pager.older).pager.notes


PERIODS: list[tuple[str, set[str]]] = [
    ("period=today", {"now"}),
    ("period=7days", {"now"}),
    ("period=30days", {"now", "20 days"}),
    ("from=2026-02-28&to=2026-03-01", {"march"}),
    ("from=2026-03-02", {"now", "20 days"}),
    ("to=2026-02-28", set()),
    ("from=&to=", {"now", "20 days", "march"}),
]


def test_periods(root: Client, make_image: Make) -> None:
    now = timezone.now()
    make_image(prompt="now")
    make_image(prompt="20 days", created_at=now - timedelta(days=20))
    make_image(prompt="march", created_at=BEGAN)
    for query, found in PERIODS:
        rows = listed(root, IMAGES, f"?{query}").result_list
        assert {row.prompt for row in rows} == found, query


def test_months(root: Client, make_image: Make) -> None:
    first = timezone.localtime().replace(day=1, hour=0, minute=0, second=0)
    make_image(prompt="this", created_at=first)
    make_image(prompt="last", created_at=first - timedelta(minutes=1))
    make_image(prompt="before", created_at=first - timedelta(days=40))
    for query, prompt in (("month", "this"), ("last_month", "last")):
        (row,) = listed(root, IMAGES, f"?period={query}").result_list
        assert row.prompt == prompt


def test_the_form_for_days_keeps_the_other_filters_and_the_search(
    root: Client, make_image: Make
) -> None:
    make_image()
    query = {"q": "fox", "status__exact": "completed", "period": "today"}
    html = root.get(IMAGES, query).content.decode()
    form = html[html.index('class="ck-days"') :].partition("</div>")[0]
    assert 'name="q" value="fox"' in form
    assert 'name="status__exact" value="completed"' in form
    assert 'name="period"' not in form


def test_other_orders_hold_for_the_newest_of_a_period(
    root: Client,
    make_thread: Make,
    small_pages: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MOST_READ", 6)
    rows = make_images(make_thread(), 9)
    for n, row in enumerate(rows):
        row.bytes = (n * 5) % 9 or None
    models.GeneratedImage.objects.bulk_update(rows, ["bytes"])
    page = listed(root, IMAGES, "?order=-bytes")
    assert "of the period are in this order" in page.pager.notes[0]
    assert not page.pager.oldest
    found = models.GeneratedImage.objects.in_bulk()
    keys = walk(root, IMAGES, "?order=-bytes", "older")
    sizes = [found[key].bytes for key in keys]
    assert sizes == sorted(sizes, reverse=True) and None not in sizes
    assert len(sizes) in (6, 7)
    assert listed(root, IMAGES, "?order=nothing").order.column == "created_at"


def test_more_rows_of_one_time_than_a_window_has_end(
    root: Client,
    make_thread: Make,
    small_pages: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MOST_READ", 4)
    rows = make_images(make_thread(), 12)
    same = models.GeneratedImage.objects.filter(pk__in=[row.pk for row in rows[3:]])
    same.update(created_at=BEGAN + timedelta(days=1), prompt="owl")
    found = walk(root, IMAGES, "?q=fox", "older")
    assert set(found) == {row.pk for row in rows[:3]}
    oldest = listed(root, IMAGES, "?q=fox").pager.oldest
    assert set(walk(root, IMAGES, oldest, "newer")) == set(found)


def test_the_queue_of_reviews_begins_with_what_waits_longest(
    root: Client, make_image: Make, small_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    for n in (1, 3, 2):
        make_image(prompt=f"{n}", review_since=now - timedelta(hours=n), bytes=n or 1)
    make_image(prompt="fine")
    page = listed(root, IMAGES, "?review=yes")
    assert [row.prompt for row in page.result_list] == ["3", "2", "1"]
    # Another order holds in the queue, too, and no row is lost that has no value.
    make_image(prompt="4", review_since=now, bytes=None)
    for order, prompts in {"-bytes": "321", "-final_ms": ""}.items():
        page = listed(root, IMAGES, f"?review=yes&order={order}")
        assert [row.prompt for row in page.result_list] == list(prompts)
        assert page.result_count == len(prompts)
    monkeypatch.setattr(reading, "MOST_READ", 2)
    page = listed(root, IMAGES, "?review=yes&order=-bytes")
    assert "Only the first 2" in page.pager.notes[0]


FILTERS: list[tuple[str, set[str]]] = [
    ("kind=edited", {"edited"}),
    ("kind=nested", {"nested"}),
    ("feedback=positive", {"liked"}),
    ("feedback=negative", {"disliked"}),
    ("visibility__exact=hidden", {"hidden"}),
    ("reason__exact=quota", {"failed"}),
    ("reason__exact=quota&status__exact=failed", {"failed"}),
    ("reason__exact=quota&status__exact=completed", set()),
    ("created_at__year=1999", set()),
]


def test_filters_of_images(root: Client, make_image: Make, make_item: Make) -> None:
    plain = make_image(prompt="plain")
    edited = make_image(prompt="edited")
    models.ImageSource.objects.create(image=edited, source_image=plain, role="edited")
    make_image(prompt="nested", source="nested")
    make_image(prompt="hidden", visibility="hidden")
    make_image(prompt="failed", status="failed", reason="quota")
    for kind, prompt in (("positive", "liked"), ("negative", "disliked")):
        image = make_image(prompt=prompt)
        image.item = make_item(image.thread, "generated_image")
        image.save()
        models.Feedback.objects.create(
            item=image.item, thread=image.thread, owner="visitor:1", kind=kind
        )
    for query, found in FILTERS:
        rows = listed(root, IMAGES, f"?{query}").result_list
        assert {row.prompt for row in rows} == found, query


def test_an_empty_list_has_no_filters_and_says_how_rows_come_to_be(
    root: Client,
) -> None:
    for model in MODELS:
        if model in MADE_BY_STAFF:
            continue
        response = root.get(change_list(model))
        html = response.content.decode()
        assert 'id="changelist-filter"' not in html, model
        assert 'id="toolbar"' not in html and "selected" not in html, model
        assert str(admin.site.get_model_admin(model).list_empty) in html
        html = root.get(change_list(model), {"q": "zzz"}).content.decode()
        assert 'id="toolbar"' in html and "Nothing matches" in html, model


def test_lists_hold_for_each_right_and_number_of_rows(
    login: Make, everything: Make, small_pages: None
) -> None:
    clients = {}
    for model in MODELS:
        name = model._meta.model_name
        for rights in (("view",), ("view", "delete"), ("view", "change")):
            clients[model, rights] = login(*(f"{right}_{name}" for right in rights))
    for made, count in ((1, 1), (3, 4)):
        everything(made)
        for (model, rights), client in clients.items():
            for query in ("", "?_popup=1"):
                said = (rights, model, query)
                response = client.get(f"{change_list(model)}{query}")
                page, html = response.context["cl"], response.content.decode()
                assert len(page.result_list) == min(count, 3), said
                assert bool(page.pager.older) == (count == 4), said
                has_actions = 'class="action-select"' in html
                assert ('class="actions"' in html) == has_actions, said
                # Who sees images may download them.
                if rights == ("view",) and model is not models.GeneratedImage:
                    assert not has_actions, said
                if query and page.pager.older:
                    assert "_popup=1" in page.pager.older, said


def test_a_narrowed_queryset_is_looked_through_in_windows(
    root: Client,
    make_thread: Make,
    small_pages: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MOST_READ", 4)
    page = admin.site.get_model_admin(models.GeneratedImage)
    whole = page.get_queryset
    make_images(make_thread(), 11)
    monkeypatch.setattr(
        page, "get_queryset", lambda request: whole(request).filter(call_id="ig_2")
    )
    found = walk(root, IMAGES, "?", "older")
    assert models.GeneratedImage.objects.get(pk__in=found).call_id == "ig_2"


def test_actions_are_taken_on_pages_behind_the_first(
    root: Client, make_thread: Make, small_pages: None
) -> None:
    for n in range(5):
        make_thread(created_at=BEGAN + timedelta(minutes=n))
    path = change_list(models.Thread)
    second = listed(root, path, "?")
    second = listed(root, path, second.pager.older)
    row = second.result_list[-1]
    url = f"{path}{second.get_query_string({'older': second.order.write(row)})}"
    form = {"action": "lock", "_selected_action": row.pk, "index": 0}
    assert root.post(url, form)["Location"] == url
    row.refresh_from_db()
    assert row.status == "locked"
    assert second.matching().count() == 5


def test_the_list_of_a_person_counts_their_images_only(
    root: Client, make_thread: Make
) -> None:
    make_images(make_thread(owner="visitor:1"), 2)
    make_images(make_thread(owner="visitor:2"), 5)
    for query in ("?owner=visitor:1", "?owner=visitor:1&order=-bytes"):
        models.GeneratedImage.objects.update(bytes=1)
        assert listed(root, IMAGES, query).result_text == "2 generated images"


def test_an_order_by_another_value_counts_what_is_in_it(
    root: Client, make_thread: Make, small_pages: None
) -> None:
    rows = make_images(make_thread(), 7)
    models.GeneratedImage.objects.exclude(pk=rows[0].pk).update(bytes=1)
    first = listed(root, IMAGES, "?order=-bytes")
    assert first.result_count == 6
    assert listed(root, IMAGES, first.pager.older).result_count == 6


def test_threads_count_their_items_and_images_up_to_a_bound(
    root: Client, make_thread: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_images.admin.lists.counts.MOST_POINTING", 3)
    make_images(make_thread(title="many"), 4)
    make_images(make_thread(title="few"), 3)
    rows = listed(root, change_list(models.Thread)).result_list
    counts_of = {row.title: str(row.images_of_thread) for row in rows}
    assert counts_of == {"many": "3+", "few": "3"}


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have lists that are bounded far below what a test makes, where steps count."""
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite counts its steps")
    monkeypatch.setattr(reading, "MOST_READ", 40)
    monkeypatch.setattr(counts, "MOST_COUNTED", 20)
    monkeypatch.setattr("chatkit_images.admin.lists.choices.MOST_RECENT", 20)


def steps(client: Client, path: str) -> int:
    """Return how many steps SQLite takes for a page."""
    taken = 0

    def add() -> None:
        nonlocal taken
        taken += 10

    database = connection.connection
    database.set_progress_handler(add, 10)
    assert client.get(path).status_code == 200
    database.set_progress_handler(None, 10)
    return taken


def test_lists_of_many_rows_read_no_more_than_lists_of_few(
    root: Client, make_thread: Make, small_pages: None, small_bounds: None
) -> None:
    threads, runs = change_list(models.Thread), change_list(models.Run)
    queries = ["", "?newer=oldest", "?q=fox", "?q=owl", "?status__exact=generating"]
    queries += ["?order=-bytes", "?kind=nested", "?model__exact=m"]
    queries += ["?owner=team:7", "?owner=team:7&newer=oldest"]
    paths = [f"{IMAGES}{query}" for query in queries]
    paths += [threads, f"{threads}?q=owl", f"{threads}?has_images=no", runs]
    root.get(IMAGES)
    taken = []
    for count in (100, 1900):
        thread = make_thread(owner="team:7")
        images = make_images(thread, count, model="m", bytes=1)
        made = [
            models.Thread(pk=f"thr_{row.pk}", owner="visitor:1", title="a fox")
            for row in images
        ]
        models.Thread.objects.bulk_create(made)
        models.Run.objects.bulk_create(
            [models.Run(owner="visitor:1", operation="threads.create") for _ in made]
        )
        taken.append({path: steps(root, path) for path in paths})
    few, many = taken
    assert {path: many[path] for path in paths if many[path] > 1.5 * few[path]} == {}


def test_pages_do_not_begin_with_all_threads(
    root: Client, make_thread: Make, small_pages: None, small_bounds: None
) -> None:
    taken = []
    queries = ["", "?q=fox", "?q=owl", "?kind=nested", "?order=-bytes"]
    queries += ["?q=fox&newer=oldest", "?review=yes", "?review=yes&q=fox"]
    queries += ["?q=owl&to=2026-03-01", "?visibility__exact=held"]
    for count in (5, 95):
        images = [
            image for _ in range(count) for image in make_images(make_thread(), 20)
        ]
        models.GeneratedImage.objects.update(bytes=1)
        for number, image in enumerate(images):
            image.created_at = BEGAN + timedelta(minutes=number)
        models.GeneratedImage.objects.bulk_update(images, ["created_at"])
        with connection.cursor() as cursor:
            # Since it knows the sizes of tables, SQLite begins with the smallest.
            cursor.execute("ANALYZE")
        paths = {query: f"{IMAGES}{query}" for query in queries}
        paths["panel"] = "/admin/chatkit_images/"
        paths["an image"] = change(images[-1])
        kept = urlencode({"_changelist_filters": "q=owl"})
        paths["an image of a search"] = f"{change(images[-1])}?{kept}"
        root.get(IMAGES)
        taken.append({name: steps(root, path) for name, path in paths.items()})
    few, many = taken
    assert {name: many[name] for name in many if many[name] > 1.5 * few[name]} == {}


@pytest.mark.parametrize(
    ("seconds", "words"), [(10, "just now"), (130, "2\xa0minutes ago")]
)
def test_an_age_below_a_minute_is_no_number(
    root: Client, make_image: Make, seconds: int, words: str
) -> None:
    created_at = timezone.now() - timedelta(seconds=seconds)
    make_image(created_at=created_at)
    assert f">{words}</time>" in root.get(IMAGES).content.decode()
