"""Keyset pages: they read what they have, at any depth."""

from __future__ import annotations

import datetime
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.models.signals import post_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatkit_images import models
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import NotFoundError
from chatkit_images.queries import items, threads
from tests.reading import rows_read

pytestmark = pytest.mark.django_db
OWNER = "user:1"
MANY = 2000


@pytest.fixture
def filled() -> models.Thread:
    """Have an owner with many threads, and one with many items, many of one second."""
    first = timezone.now() - datetime.timedelta(days=300)
    made = models.Thread.objects.bulk_create(
        models.Thread(
            pk=f"thr_{n:05}",
            owner=OWNER,
            created_at=first + datetime.timedelta(hours=n // 500),
        )
        for n in range(MANY)
    )
    models.ThreadItem.objects.bulk_create(
        models.ThreadItem(
            thread=made[0],
            item_id=f"msg_{n:05}",
            type="end_of_turn",
            payload={"type": "end_of_turn"},
            created_at=first + datetime.timedelta(hours=n // 500),
        )
        for n in range(MANY)
    )
    if connection.vendor != "mysql":  # It would commit.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return made[0]


def thread_page(position: Any, order: str) -> list[models.Thread]:
    return models.Thread.objects.page(position, order, 21, owner=OWNER)


def item_page(position: Any, order: str) -> list[models.ThreadItem]:
    rows = models.ThreadItem.objects.of_owner("thr_00000", OWNER)
    return rows.page(position, order, 21, thread_id="thr_00000")


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("page", [thread_page, item_page])
def test_a_page_reads_what_it_has_at_any_depth(
    filled: models.Thread, page: Any, order: str
) -> None:
    rows: Any = filled.items if page is item_page else models.Thread.objects
    keys = "created_at", "pk"
    ordered = rows.order_by(*(f"-{key}" if order == "desc" else key for key in keys))
    whole = list(ordered.values_list(*keys))
    first = rows_read(partial(page, None, order))
    for share in (0.1, 0.25, 0.5, 0.75, 0.9, 0.98):
        position = whole[int(MANY * share) - 1]
        expected = [pk for _, pk in whole[int(MANY * share) :][:21]]
        assert [row.pk for row in page(position, order)] == expected
        # MariaDB rather sorts the last forty than to go through them in order.
        most = (3 if connection.vendor == "mysql" else 1.5) * first
        assert rows_read(partial(page, position, order)) < most


def test_pages_go_through_all_of_a_history_once(filled: models.Thread) -> None:
    context = RequestContext(owner=OWNER, user=None)
    for order in ("asc", "desc"):
        after, seen = None, []
        while True:
            page = items.load_page(filled.pk, after, 100, order, context)
            seen += [item.id for item in page.data]
            if not page.has_more:
                break
            after = page.after
        assert sorted(seen) == [f"msg_{n:05}" for n in range(MANY)]
        assert len(seen) == MANY


def test_a_page_goes_on_behind_a_thread_that_is_deleted(filled: models.Thread) -> None:
    context = RequestContext(owner=OWNER, user=None)
    page = threads.load_page(5, None, "desc", context)
    threads.delete(page.data[-1].id, context)
    more = threads.load_page(5, page.after, "desc", context)
    assert [each.id for each in more.data] == [
        f"thr_{MANY - n:05}" for n in range(6, 11)
    ]


@pytest.mark.parametrize("has_listener", [False, True])
def test_a_retry_names_what_follows_by_its_position(
    filled: models.Thread, has_listener: bool
) -> None:
    context = RequestContext(owner=OWNER, user=None)
    told: list[str] = []

    def tell(instance: models.ThreadItem, **kwargs: Any) -> None:
        told.append(instance.item_id)

    every = list(filled.items.order_by("created_at", "pk"))
    image = models.GeneratedImage.objects.create(
        thread=filled, item=every[-1], call_id="ig_1"
    )
    for row in (every[-1], every[-31]):
        filled.feedback.create(item=row, owner=OWNER, kind="positive")
    if has_listener:
        post_delete.connect(tell, sender=models.ThreadItem)
    taken = []
    try:
        for count in (20, 400):
            left = len(every) - count
            with CaptureQueriesContext(connection) as asked:
                items.delete_after(filled.pk, every[left - 1].item_id, context)
            gone = every[left:]
            every = every[:left]
            kept = filled.items.order_by("created_at", "pk")
            assert list(kept.values_list("pk", flat=True)) == [row.pk for row in every]
            assert not told or set(told) >= {row.item_id for row in gone}
            taken.append(sum("INSERT" not in query["sql"] for query in asked))
    finally:
        post_delete.disconnect(tell, sender=models.ThreadItem)
    assert bool(told) == has_listener
    assert has_listener or taken[0] == taken[1]
    image.refresh_from_db()
    assert image.item is None
    assert image.superseded_at is not None
    assert not filled.feedback.exists()
    page = items.load_page(filled.pk, gone[0].item_id, 5, "desc", context)
    assert [item.id for item in page.data] == [row.item_id for row in every[:-6:-1]]
    with pytest.raises(NotFoundError):
        items.delete_after(filled.pk, gone[0].item_id, context)
