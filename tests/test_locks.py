"""Writers of one thread at the same time: none waits for one that waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatkit_images import storage
from chatkit_images.context import RequestContext
from chatkit_images.models import (
    Feedback,
    GeneratedImage,
    ImageSource,
    RefusedInput,
    Run,
    Thread,
    ThreadItem,
)
from chatkit_images.queries import (
    feedback,
    fence,
    images,
    inputs,
    items,
    reviews,
    sources,
    threads,
)
from chatkit_images.queries.inputs import InputFile, Provider
from chatkit_images.queries.sources import Source
from chatkit_images.run_state import current_run
from chatkit_images.transactions import atomic

Change = Callable[[RequestContext], None]
HIDDEN = {"type": "hidden_context_item", "content": "a"}


def delete_item(context: RequestContext) -> None:
    items.delete("thr_1", "msg_1", context)


def rename(context: RequestContext) -> None:
    thread = threads.to_thread(threads.get("thr_1", context))
    thread.title = "Foxes"
    threads.save(thread, context)


def begin_image(context: RequestContext) -> None:
    images.begin("thr_1", "ig_1", storage.new_key(), context)


def rate(context: RequestContext) -> None:
    feedback.save("thr_1", ["msg_2"], "positive", context)


def save_item(context: RequestContext) -> None:
    """Save the item that is rated meanwhile."""
    item = items.load("thr_1", "msg_2", context)
    items.save("thr_1", item, context)


@pytest.mark.parametrize("insert", [begin_image, rate])
@pytest.mark.parametrize("change", [delete_item, rename, save_item])
def test_a_row_is_inserted_while_its_thread_is_changed(
    transactional_db: None,
    context: RequestContext,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    insert: Change,
) -> None:
    thread = Thread.objects.create(pk="thr_1", owner=context.owner)
    run = Run.objects.create(thread=thread, owner=context.owner)
    ThreadItem.objects.create(thread=thread, item_id="msg_1", payload={})
    ThreadItem.objects.create(
        thread=thread, item_id="msg_2", type="hidden_context_item", payload=HIDDEN
    )
    check, locked, begun = fence.check, threading.Event(), threading.Event()

    def late() -> None:
        locked.set()
        # As long as the image may have to wait, where only one may write at a time.
        begun.wait(1)
        check()

    def begin() -> None:
        assert locked.wait(10)
        insert(context)
        begun.set()

    def in_run(work: Callable[..., None], *arguments: Any) -> None:
        current_run.set(run.pk)
        try:
            work(*arguments)
        finally:
            connection.close()

    monkeypatch.setattr(fence, "check", late)
    with ThreadPoolExecutor(2) as pool:
        changing = pool.submit(copy_context().run, in_run, change, context)
        beginning = pool.submit(copy_context().run, in_run, begin)
        changing.result(30)
        beginning.result(30)
    assert [image.run for image in GeneratedImage.objects.all()] == (
        [run] if insert is begin_image else []
    )
    assert Feedback.objects.count() == (insert is rate)


@pytest.mark.parametrize("kind", ["source", "refusal"])
def test_what_a_new_row_points_at_is_deleted_in_the_same_moment(
    transactional_db: None,
    context: RequestContext,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    thread = Thread.objects.create(pk="thr_1", owner=context.owner)
    fox, made = (thread.images.create(identity=name) for name in ("fox", "made"))
    file = InputFile("image", str(fox.pk))
    manager = (ImageSource if kind == "source" else RefusedInput).objects
    create = manager.bulk_create

    def delete() -> None:
        # Whoever deletes may have to try again: nothing is lost by that.
        with suppress(IntegrityError):
            GeneratedImage.objects.filter(pk=fox.pk).delete()
        connection.close()

    with ThreadPoolExecutor(1) as pool:

        def late(rows: Any) -> Any:
            # It waits for the transaction of the row, where it can.
            wait([pool.submit(delete)], timeout=0.3)
            return create(rows)

        monkeypatch.setattr(manager, "bulk_create", late)
        with atomic():
            if kind == "source":
                sources.save(made, [Source(file, "edited")], context)
            else:
                inputs.remember([file], Provider("api.example", "m"), "too_large")
    assert GeneratedImage.objects.filter(pk=made.pk).exists()


@pytest.mark.skipif(
    not connection.features.has_select_for_update, reason="Writers wait for the whole."
)
@pytest.mark.parametrize("step", [reviews.hide, reviews.hold, reviews.keep])
def test_images_are_locked_in_the_order_of_their_keys(
    context: RequestContext, step: Callable[..., Any]
) -> None:
    """Of two that lock along another index each would wait for the other."""
    thread = Thread.objects.create(pk="thr_1", owner=context.owner)
    fox = thread.images.create(visibility="hidden", review_since=timezone.now())
    with CaptureQueriesContext(connection) as queries:
        step([fox.pk], "staff")
    locking = [q["sql"] for q in queries if " FOR " in q["sql"]]
    assert locking
    assert not any("visibility" in sql or "review" in sql for sql in locking)
