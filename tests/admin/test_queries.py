"""Pages cost the same number of queries for few rows and for many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chatkit_images import models

from .conftest import put
from .paths import MODELS, change, change_list

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def warm(db: None) -> None:
    """Let no page be the first that asks for its content type."""
    ContentType.objects.get_for_models(*apps.get_models())


def count(client: Client, path: str, **data: Any) -> int:
    method = client.post if data else client.get
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert method(path, data).status_code == 200
    return len(queries)


def test_lists(root: Client, everything: Make) -> None:
    everything(2)
    few = {model: count(root, change_list(model)) for model in MODELS}
    everything(10)
    assert {model: count(root, change_list(model)) for model in MODELS} == few


def test_transcript(
    root: Client,
    make_thread: Make,
    make_item: Make,
    make_image: Make,
    make_attachment: Make,
) -> None:
    thread = make_thread()

    def fill(number: int) -> None:
        for _ in range(number):
            upload = make_attachment(thread=thread)
            item = make_item(thread, attachments=[upload.pk])
            make_image(thread=thread, item=item)
            models.Feedback.objects.create(
                item=item, thread=thread, owner=thread.owner, kind="positive"
            )

    fill(5)
    few = count(root, change(thread))
    fill(10)
    assert count(root, change(thread)) == few


def test_previews(root: Client, make_image: Make, png: bytes) -> None:
    image = make_image()
    for index in range(5):
        image.partials.create(index=index, file=put(png), mime="image/png")
    few = count(root, change(image))
    for index in range(5, 15):
        image.partials.create(index=index, file=put(png), mime="image/png")
    assert count(root, change(image)) == few


def test_question_before_a_bulk_delete(root: Client, make_image: Make) -> None:
    rows = [make_image() for _ in range(12)]
    path = change_list(models.GeneratedImage)

    def ask(number: int) -> int:
        keys = [row.pk for row in rows[:number]]
        return count(root, path, action="delete_selected", _selected_action=keys)

    assert ask(12) == ask(2)


def test_versions(root: Client, make_image: Make) -> None:
    image = make_image()

    def edit(number: int) -> None:
        for _ in range(number):
            edited = make_image(thread=image.thread)
            models.ImageSource.objects.create(
                image=edited, source_image=image, role="edited"
            )

    edit(2)
    few = count(root, change(image))
    edit(10)
    assert count(root, change(image)) == few


QUERIES = [
    "",
    "newer=oldest",
    "q=fox",
    "q=nothing",
    "owner=visitor:1",
    "status__exact=failed",
    "kind=hosted",
    "order=-bytes",
    "period=today",
]


def test_gallery_of_many(root: Client, make_thread: Make) -> None:
    table = models.GeneratedImage._meta.db_table
    sent: dict[str, list[int]] = {query: [] for query in QUERIES}
    for number in (60, 1500):
        thread = make_thread()
        models.GeneratedImage.objects.bulk_create(
            models.GeneratedImage(thread=thread, call_id=f"ig_{n}", prompt="a fox")
            for n in range(number)
        )
        for query, counts in sent.items():
            path = f"{change_list(models.GeneratedImage)}?{query}"
            with CaptureQueriesContext(connection) as queries:
                page = root.get(path).context["cl"]
            of_images = [q["sql"] for q in queries if f'FROM "{table}"' in q["sql"]]
            # An estimate of the database reads no rows.
            reads = [sql for sql in of_images if not sql.startswith("EXPLAIN")]
            assert all(" LIMIT " in sql for sql in reads), query
            assert len(page.result_list) in (0, 48), query
            counts.append(len(queries))
    assert {query: few for query, (few, many) in sent.items() if few != many} == {}
