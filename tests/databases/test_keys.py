"""Keys are the same only if each of their bytes is, on every database."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from chatkit_images import models
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import NotFoundError
from chatkit_images.queries import items, threads

SIMILAR = ["team:ANN", "team:ann ", "team:änn"]


@pytest.mark.parametrize("other", SIMILAR)
@pytest.mark.django_db
def test_similar_owners_are_two(other: str) -> None:
    mine, theirs = (RequestContext(None, owner) for owner in ("team:ann", other))
    models.Thread.objects.create(pk="thr_1", owner=mine.owner)
    models.Run.objects.create(owner=mine.owner, idempotency_key="click")
    models.Run.objects.create(owner=theirs.owner, idempotency_key="click")
    with pytest.raises(NotFoundError):
        threads.get("thr_1", theirs)
    assert threads.load_page(10, None, "asc", theirs).data == []


@pytest.mark.django_db
def test_similar_ids_are_two() -> None:
    context = RequestContext(None, "team:ann")
    for pk in ("thr_a", "thr_A", "thr_á"):
        thread = models.Thread.objects.create(pk=pk, owner=context.owner)
        for key in ("msg_b", "msg_B"):
            item = thread.items.create(item_id=key, type="user_message", payload={})
            models.Feedback.objects.create(
                item=item, thread=thread, owner=context.owner, kind="positive"
            )
        thread.images.create(call_id="ig", identity="place")
        thread.images.create(call_id="IG", identity="PLACE")
    items.delete("thr_a", "msg_b", context)
    threads.delete("thr_A", context)
    left = models.ThreadItem.objects.order_by("pk")
    assert list(left.values_list("thread_id", "item_id")) == [
        ("thr_a", "msg_B"),
        ("thr_á", "msg_b"),
        ("thr_á", "msg_B"),
    ]


@pytest.mark.parametrize(
    ("mariadb", "collation"),
    [(True, "utf8mb4_nopad_bin"), (False, "utf8mb4_0900_bin")],
)
def test_their_columns_say_so_where_others_would_not(
    monkeypatch: pytest.MonkeyPatch, mariadb: bool, collation: str
) -> None:
    monkeypatch.setattr(connection, "vendor", "mysql")
    monkeypatch.setattr(connection, "mysql_is_mariadb", mariadb, raising=False)
    expected = f" CHARACTER SET utf8mb4 COLLATE {collation}"
    for model, name in [(models.Thread, "id"), (models.ThreadItem, "thread")]:
        field: Any = model._meta.get_field(name)
        assert field.db_type(connection) == f"varchar(64){expected}"
