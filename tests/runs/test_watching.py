"""What who watches a thread is shown."""

from __future__ import annotations

from typing import Any

import pytest
from channels.db import database_sync_to_async

from chatkit_images import runs
from chatkit_images.consumers import websocket
from chatkit_images.models import Run, Thread


async def test_a_run_that_begins_during_the_look_is_not_one_of_the_past(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Thread.objects.acreate(pk="thr_1", owner="user:1")
    find = runs.find

    def find_then_begin(rows: Any) -> Run | None:
        run = find(rows)
        Run.objects.create(pk=begun, thread_id="thr_1", owner="user:1")
        return run

    begun = Run().pk
    monkeypatch.setattr(runs, "find", find_then_begin)
    run, before = await database_sync_to_async(websocket.current)("thr_1")
    assert run is not None or begun not in before
