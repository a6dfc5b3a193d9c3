"""An empty ``default``, and a replica that lags: all that the app does goes elsewhere.

``TEST_ROUTERS=1`` runs the whole suite like this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth import get_user_model
from django.core.handlers.base import BaseHandler
from django.core.management import call_command
from django.db import connections
from django.test import Client

from chatkit_images import models, storage, views
from chatkit_images.checks import check_databases
from chatkit_images.testing import Image, LoopbackAPI, Text
from chatkit_images.transactions import atomic
from tests.admin.paths import MODELS, change, change_list
from tests.client import ChatClient, done_items, thread_id

COMMANDS = (
    "chatkit_images_sweep",
    "chatkit_images_flush_spool",
    "chatkit_images_recover",
)


async def test_a_chat(routers: None, chat: ChatClient, model: LoopbackAPI) -> None:
    model.respond_with(Image("a fox", partials=1), Text("Here is your fox."))
    begun = await chat.say("draw a fox")
    key = thread_id(begun)
    (item,) = done_items(begun, "generated_image")
    response = await chat.get(item["image"]["url"])
    assert response.status_code == 200
    await database_sync_to_async(call_command)("chatkit_images_verify")
    model.respond_with(Text("You're welcome."))
    await chat.say("thanks", key)
    await chat.call(
        "items.feedback", thread_id=key, item_ids=[item["id"]], kind="positive"
    )
    loaded = await chat.call("threads.get_by_id", thread_id=key)
    assert len(loaded["items"]["data"]) == 5
    await chat.stream(
        "threads.retry_after_item", thread_id=key, item_id=await last(key)
    )
    await chat.call("threads.delete", thread_id=key)
    listed = await chat.call("threads.list")
    assert listed["data"] == []
    storage.drain()
    assert await remaining() == [0, 0, 0]


@database_sync_to_async
def last(thread_id: str) -> str:
    rows = models.ThreadItem.objects.filter(thread=thread_id, type="user_message")
    return str(rows.latest("pk").item_id)


@database_sync_to_async
def remaining() -> list[int]:
    kinds = (models.Thread, models.GeneratedImage, models.DeletedFile)
    return [kind.objects.count() for kind in kinds]


def test_pages_and_commands(
    routers: None, root: Client, everything: Callable[..., Any]
) -> None:
    rows = everything(1)
    for model in MODELS:
        assert root.get(change_list(model)).status_code == 200
        row = next(row for row in rows if isinstance(row, model))
        assert root.get(change(row)).status_code == 200
    for name in COMMANDS:
        call_command(name)


def test_relations_and_refreshes_are_of_the_same_database(
    routers: None, root: Client, everything: Callable[..., Any]
) -> None:
    everything(1)
    image = models.GeneratedImage.objects.get(status="completed")
    image.refresh_from_db()
    assert image.thread.images.count()
    assert image.partials.count() == 1
    rows = models.GeneratedImage.objects.prefetch_related("thread", "partials")
    assert {row.thread.pk for row in rows} == {image.thread_id}
    # What is asked for by name is given.
    assert models.Thread.objects.using("replica").db == "replica"
    assert models.Thread.objects.db_manager("replica").all().db == "replica"


def test_a_transaction_asks_for_its_database_each_time(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    entered = []

    def begin(using: str) -> Any:
        entered.append(using)
        return nullcontext()

    monkeypatch.setattr("django.db.transaction.atomic", begin)

    @atomic()
    def work() -> None:
        """Do nothing."""

    for alias in ("north", "south"):
        settings.DATABASE_ROUTERS = [Routes(write=alias)]
        work()
    assert entered == ["north", "south"]


@pytest.mark.parametrize("alias", ["default", "second"])
def test_views_are_exempt_from_the_transactions_of_every_database(
    monkeypatch: pytest.MonkeyPatch, alias: str
) -> None:
    own = connections.settings["default"]
    for name in ("default", "second"):
        on = {"ATOMIC_REQUESTS": name == alias}
        monkeypatch.setitem(connections.settings, name, own | on)
    for name in views.__all__:
        view = getattr(views, name)
        if hasattr(view, "as_view"):
            made = view.as_view()
            assert BaseHandler().make_view_atomic(made) is made, name


class Routes:
    """A router of the test's own."""

    def __init__(
        self, write: str | None = None, apart: str = "", relation: bool | None = None
    ) -> None:
        self.write, self.apart, self.relation = write, apart, relation

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        if self.write == "unknown":
            raise LookupError("no tenant")
        if self.apart in (model.__name__, model._meta.app_label):
            return "second"
        return self.write

    def allow_relation(self, *rows: Any, **hints: Any) -> bool | None:
        return self.relation

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if self.apart == f"not {app_label}" else None


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    own = connections.settings["default"]
    monkeypatch.setitem(connections.settings, "second", dict(own))
    yield


@pytest.mark.parametrize(
    ("router", "expected"),
    [
        (Routes(), []),
        (Routes("second"), []),
        (Routes(apart="Run"), ["E012"]),
        (Routes("nowhere"), ["E013"]),
        (Routes(apart="auth"), ["E014"]),
        (Routes(apart="chatkit_images"), ["E014"]),
        (Routes(apart="not chatkit_images"), ["E015"]),
        (Routes(relation=False), ["E015"]),
        (Routes("unknown"), ["W005"]),
    ],
)
def test_a_routing_that_cannot_work_is_an_error(
    settings: Any, second: None, router: Routes, expected: list[str]
) -> None:
    settings.DATABASE_ROUTERS = [router]
    found = check_databases(None)
    assert [message.id for message in found] == [
        f"chatkit_images.{name}" for name in expected
    ]
    assert all(message.hint for message in found)


def test_tables_may_be_allowed_in_the_schemas_of_tenants_only(
    settings: Any, second: None
) -> None:
    """As the router of django-tenants does, by the schema of the connection."""
    settings.DATABASE_ROUTERS = [Routes(apart="not chatkit_images")]
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"CONTEXTS": "shop.contexts"}
    assert check_databases(None) == []


def test_an_empty_default_without_a_router_is_an_error(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = {"ENGINE": "django.db.backends.dummy"}
    monkeypatch.setitem(connections.settings, "default", empty)
    (found,) = check_databases(None)
    assert found.id == "chatkit_images.E013"
    assert get_user_model()._meta.label not in found.msg
