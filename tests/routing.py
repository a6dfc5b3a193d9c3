"""Routers as projects have them, on the database that the tests have anyway."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from chatkit_images import database

DUMMY = "django.db.backends.dummy"


class Elsewhere:
    """Writes go to ``main``; the app's rows and their users are in a replica."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        models = (model, hints.get("instance", model))
        ours = any(each._meta.app_label == "chatkit_images" for each in models)
        return "replica" if ours else "main"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "main"

    def allow_relation(self, *rows: Any, **hints: Any) -> bool:
        return True


@contextmanager
def elsewhere(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """Have all rows in ``main``, which is the database of the test by another name.

    ``default`` is empty, and so is ``replica``: it lags so far behind that whatever is
    read from there is an error.
    """
    cursor = BaseDatabaseWrapper.cursor

    def guarded(self: BaseDatabaseWrapper) -> Any:
        assert self.alias != "default", "DATABASES['default'] is empty here."
        return cursor(self)

    def ensure(self: BaseDatabaseWrapper) -> None:
        # Django forbids a test the databases that it had not when the test began.
        if self.connection is None:
            with self.wrap_database_errors:
                self.connect()

    own = connections.settings["default"]
    with monkeypatch.context() as patch:
        patch.setitem(connections.settings, "main", dict(own))
        patch.setitem(connections.settings, "replica", own | {"ENGINE": DUMMY})
        patch.setattr(BaseDatabaseWrapper, "cursor", guarded)
        patch.setattr(BaseDatabaseWrapper, "ensure_connection", ensure)
        settings.DATABASE_ROUTERS = ["tests.routing.Elsewhere"]
        try:
            yield
        finally:
            settings.DATABASE_ROUTERS = []
            connections["main"].close()
            # Threads close only what has a name in the settings.
            for kind in ("beats", "aside"):
                closed: Future[None] = Future()
                database.jobs(kind).put((closed, connections.close_all))
                closed.result(60)
