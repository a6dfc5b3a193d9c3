"""``USE_TZ`` off in a zone with summer time, and what is compared with what."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.contrib.admin import site
from django.db import connection, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chatkit_images import models, runs, times
from chatkit_images.testing import Image, LoopbackAPI, Text
from tests.client import ChatClient, thread_id

HOUR = datetime.timedelta(hours=1)
# In New York: an hour that there was not, and one that there was twice.
GAP = datetime.datetime(2026, 3, 8, 2, 30)
TWICE = datetime.datetime(2026, 11, 1, 1, 30)


@pytest.fixture
def new_york(
    request: pytest.FixtureRequest, transactional_db: None, settings: Any
) -> Iterator[None]:
    """Be in New York, without time zones unless the test says so."""
    before = (settings.TIME_ZONE, settings.USE_TZ)
    settings.TIME_ZONE = "America/New_York"
    settings.USE_TZ = getattr(request, "param", False)
    # A connection to PostgreSQL reads times as it was told when it was opened.
    connections.close_all()
    yield
    settings.TIME_ZONE, settings.USE_TZ = before
    connections.close_all()


def test_columns_get_naive_local_times(new_york: None) -> None:
    naive = datetime.datetime(2026, 7, 2, 3, 4, 5, 6)
    assert times.to_column(naive) == naive
    aware = datetime.datetime(2026, 7, 2, 7, 4, 5, 6, datetime.UTC)
    assert times.to_column(aware) == naive
    assert times.to_naive(naive) == naive
    assert abs(times.now() - datetime.datetime.now()) < datetime.timedelta(seconds=5)


@pytest.mark.parametrize("value", [GAP, TWICE, TWICE.replace(fold=1)])
@pytest.mark.parametrize("new_york", [True, False], indirect=True)
def test_hours_that_summer_time_takes_and_gives(
    new_york: None, value: datetime.datetime
) -> None:
    at = times.to_column(value)
    thread = models.Thread.objects.create(pk="thr_1", owner="user:1", created_at=at)
    thread.refresh_from_db()
    assert abs(times.to_naive(thread.created_at) - value) in (0 * HOUR, HOUR)


async def test_the_times_of_a_chat_are_right(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    """With ``TEST_USE_TZ=0`` too. Connections of other threads keep their zone."""
    model.respond_with(Image("a fox", partials=1), Text("Here is your fox."))
    key = thread_id(await chat.say("draw a fox"))
    model.respond_with(Text("You're welcome."))
    await chat.say("thanks", key)
    thread = await chat.call("threads.get_by_id", thread_id=key)
    stamps = [thread["created_at"]] + [
        item["created_at"] for item in thread["items"]["data"]
    ]
    for stamp in map(datetime.datetime.fromisoformat, stamps):
        assert abs(stamp - datetime.datetime.now(datetime.UTC)) < HOUR / 2
    assert await beats() == [True, True]


@database_sync_to_async
def beats() -> list[bool]:
    """Return of each run whether its heartbeat is seen, and as what time."""
    models.Run.objects.update(status="running", finished_at=None, thread=None)
    assert not models.Run.objects.stale().exists()
    assert runs.recent(models.Run.objects.all()).count() == 2
    return [
        abs(times.of_clock(run.heartbeat_at) - timezone.now()) < HOUR / 2
        for run in models.Run.objects.all()
    ]


@pytest.mark.django_db
def test_staff_see_a_heartbeat_in_local_time(new_york: None) -> None:
    run = models.Run.objects.create(owner="user:1", heartbeat_at=times.Now())
    run.refresh_from_db()
    model_admin: Any = site.get_model_admin(models.Run)
    assert abs(model_admin.heartbeat(run) - timezone.now()) < HOUR / 2


@pytest.mark.django_db
def test_staff_have_a_panel_and_a_zip_without_zones(
    new_york: None, admin_client: Client
) -> None:
    thread = models.Thread.objects.create(pk="thr_1", owner="user:1")
    models.GeneratedImage.objects.create(thread=thread, call_id="ig_1")
    index = reverse("admin:app_list", args=["chatkit_images"])
    assert "<strong>1</strong> image<" in admin_client.get(index).content.decode()
    url = reverse("admin:chatkit_images_generatedimage_bulk", args=["zip"])
    html = admin_client.get(url).content.decode()
    job = re.findall(r'name="job" value="([^"]+)"', html)
    answer = admin_client.post(url, {"job": job[0]})
    assert f"images-{datetime.date.today()}.zip" in answer["Content-Disposition"]
    assert b"".join(answer)


@pytest.mark.django_db
def test_a_run_is_recent_by_the_clock_that_wrote_it() -> None:
    """P22: the clock of a run's host may be wrong by hours."""
    run = models.Run.objects.create(
        owner="user:1", status="completed", heartbeat_at=times.Now()
    )
    rows = models.Run.objects.filter(pk=run.pk)
    for ahead in (-5, 5):
        rows.update(created_at=timezone.now() + ahead * HOUR)
        assert runs.recent(rows).exists()
    rows.update(heartbeat_at=times.Now() - datetime.timedelta(seconds=6))
    assert not runs.recent(rows).exists()


def test_the_clock_of_mysql_is_not_that_of_the_session() -> None:
    server: Any = SimpleNamespace(ops=connection.ops)
    compiler: Any = None
    sql, params = times.Now().as_mysql(compiler, server)
    assert (sql, [*params]) == ("UTC_TIMESTAMP(6)", [])
