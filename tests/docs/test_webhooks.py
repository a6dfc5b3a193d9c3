"""The receiver and the task of docs/webhooks.md."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import RequestFactory

from chatkit_images import webhooks
from chatkit_images.models import RunEnd
from chatkit_images.runs import releases
from tests.runs.test_telling import make_run
from tests.webhook import SECRET, webhook

from . import shop
from .pages import Block, blocks

NEW = "whsec_" + "A" * 32


def page_block(name: str) -> Block:
    (part,) = blocks("python", name=name)
    return part


@pytest.fixture
def queue() -> list[Any]:
    """What the view has given to the task."""
    return []


@pytest.fixture
def ends(settings: Any, queue: list[Any]) -> Iterator[ModuleType]:
    """The page's view; its project knows the old secret and the new one."""
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "WEBHOOK_SECRET": [NEW, SECRET]
    }
    follow_up = ModuleType("shop.follow_up")
    follow_up.__dict__["follow_up"] = SimpleNamespace(delay=queue.append)
    with shop.installed(follow_up=follow_up):
        yield shop.module("shop.ends", page_block("shop/ends.py"))


def signed(body: bytes, *secrets: str, at: float | None = None) -> Any:
    moment = int(time.time() if at is None else at)
    headers = webhooks.headers_of("run_1", moment, body, secrets)
    return RequestFactory().post(
        "/ends/", body, content_type="application/json", headers=headers
    )


def test_the_view_is_short() -> None:
    lines = page_block("shop/ends.py").text.splitlines()
    assert len([line for line in lines if line.strip()]) < 30


@pytest.mark.parametrize("secrets", [(SECRET,), (NEW,), ("whsec_" + "B" * 32, SECRET)])
def test_the_view_takes_what_one_of_its_secrets_has_signed(
    ends: ModuleType, queue: list[Any], secrets: tuple[str, ...]
) -> None:
    body = json.dumps({"data": {"run_id": "1"}}).encode()
    assert ends.run_ended(signed(body, *secrets)).status_code == 204
    assert queue == [{"run_id": "1"}]


def test_the_view_takes_nothing_else(ends: ModuleType, queue: list[Any]) -> None:
    foreign = signed(b"{}", "whsec_" + "B" * 32)
    old = signed(b"{}", SECRET, at=time.time() - 301)
    changed = signed(b"{}", SECRET)
    changed._body = b'{"data": 1}'
    odd = signed(b"{}", SECRET)
    odd.META["HTTP_WEBHOOK_SIGNATURE"] = "v1,\xe9 v2"
    bare = RequestFactory().post("/ends/", b"{}", content_type="application/json")
    for request in (foreign, old, changed, odd, bare, RequestFactory().get("/ends/")):
        assert ends.run_ended(request).status_code == 401
    assert queue == []


def test_an_end_comes_from_a_run_to_the_task(
    ann: User, ends: ModuleType, queue: list[Any], settings: Any
) -> None:
    with webhook() as endpoint:
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
            "WEBHOOK_URL": endpoint.url
        }
        run = make_run(ann)
        assert releases.release(run.pk, "completed")
        assert webhooks.drain(30)
        ((headers, body),) = endpoint.posts
    assert not RunEnd.objects.exists()
    request = RequestFactory().post(
        "/ends/", body, content_type="application/json", headers=headers
    )
    assert ends.run_ended(request).status_code == 204
    assert [data["run_id"] for data in queue] == [str(run.pk)]


def test_the_task_does_its_work_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = ModuleType("celery")
    # What the decorator adds is Celery's.
    plain.__dict__["shared_task"] = lambda **options: lambda task: task
    monkeypatch.setitem(sys.modules, "celery", plain)
    made = shop.module("shop.follow_up", page_block("shop/follow_up.py"))
    end = {"run_id": "1", "owner": "user:1", "status": "completed", "image_count": 2}
    cache.clear()
    with caplog.at_level("INFO", logger="shop.ends"):
        made.follow_up(end)
        made.follow_up(end)
    assert caplog.messages == ["user:1: completed, 2 images"]
