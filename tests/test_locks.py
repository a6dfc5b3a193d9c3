"""Writers of one thread at the same time: none waits for one that waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from django.db import connection

from chatkit_images import storage
from chatkit_images.context import RequestContext
from chatkit_images.models import GeneratedImage, Run, Thread, ThreadItem
from chatkit_images.queries import fence, images, items, threads
from chatkit_images.run_state import current_run

Change = Callable[[RequestContext], None]


def delete_item(context: RequestContext) -> None:
    items.delete("thr_1", ["msg_1"], context)


def rename(context: RequestContext) -> None:
    thread = threads.to_thread(threads.get("thr_1", context))
    thread.title = "Foxes"
    threads.save(thread, context)


@pytest.mark.parametrize("change", [delete_item, rename])
def test_an_image_begins_while_its_thread_is_changed(
    transactional_db: None,
    context: RequestContext,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
) -> None:
    thread = Thread.objects.create(pk="thr_1", owner=context.owner)
    run = Run.objects.create(thread=thread, owner=context.owner)
    ThreadItem.objects.create(thread=thread, item_id="msg_1", payload={})
    check, locked, begun = fence.check, threading.Event(), threading.Event()

    def late() -> None:
        locked.set()
        # As long as the image may have to wait, where only one may write at a time.
        begun.wait(1)
        check()

    def begin() -> None:
        assert locked.wait(10)
        images.begin("thr_1", "ig_1", storage.new_key(), context)
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
    assert GeneratedImage.objects.get().run == run
