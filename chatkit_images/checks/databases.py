"""Checks of the databases: their options, and where the routers send the app's rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.db import connections, router
from django.db.models import Model

from ..conf import settings
from ..failures.databases import SQLITE

DUMMY = "django.db.backends.dummy"


def check_connections() -> Iterator[checks.CheckMessage]:
    """Warn of database options that fail under ASGI."""
    for alias, options in django_settings.DATABASES.items():
        if options.get("CONN_MAX_AGE", 0) != 0:
            yield checks.Warning(
                f"DATABASES[{alias!r}] keeps connections (CONN_MAX_AGE) under ASGI, "
                "where they pile up.",
                hint="Remove CONN_MAX_AGE; PostgreSQL has a pool in OPTIONS.",
                id="chatkit_images.W001",
            )


def check_sqlite(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Yield advice for each SQLite database whose writers do not wait in line."""
    databases: dict[str, Any] = django_settings.DATABASES
    for alias, database in databases.items():
        if not database.get("ENGINE", "").endswith(SQLITE):
            continue
        options = database.get("OPTIONS", {})
        begins = str(options.get("transaction_mode", "")).upper()
        opens = str(options.get("init_command", "")).lower()
        if begins in ("", "DEFERRED") or "wal" not in opens or "timeout" not in options:
            yield checks.Warning(
                f"DATABASES[{alias!r}] is SQLite as Django has it: when several people "
                'write, some get "database is locked".',
                hint='Write "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20,'
                ' "init_command": "PRAGMA journal_mode=WAL; '
                'PRAGMA synchronous=NORMAL;"}.',
                id="chatkit_images.W011",
            )


def check_routers() -> Iterator[checks.CheckMessage]:
    """Check that the app's rows can be where the routers send them."""
    models = list(apps.get_app_config("chatkit_images").get_models())
    try:
        aliases = {model: router.db_for_write(model) for model in models}
        user_alias = router.db_for_write(get_user_model())
    except Exception as error:
        # As a router of tenants may do outside of a request.
        yield checks.Warning(
            f"DATABASE_ROUTERS do not say where rows are written: {error!r}",
            hint="If they know it within a request only, silence this check.",
            id="chatkit_images.W005",
        )
        return
    if len(found := set(aliases.values())) > 1:
        yield checks.Error(
            "DATABASE_ROUTERS part the app's models: they are written to "
            f"{', '.join(map(repr, sorted(found)))}.",
            hint='Give one alias in db_for_write() for the app "chatkit_images".',
            id="chatkit_images.E012",
        )
        return
    alias = found.pop()
    if not _is_there(alias):
        yield checks.Error(
            f"The app's rows are written to DATABASES[{alias!r}], which is empty.",
            hint="Name a database in db_for_write() of a class in DATABASE_ROUTERS.",
            id="chatkit_images.E013",
        )
        return
    if user_alias != alias:
        yield checks.Error(
            f"The app's rows are written to {alias!r} and users to {user_alias!r}. A "
            "foreign key does not reach from one database into another.",
            hint="Route chatkit_images, auth, contenttypes, sessions and admin to one "
            "database.",
            id="chatkit_images.E014",
        )
        return
    yield from _refused(alias, models)


def _is_there(alias: str) -> bool:
    if alias not in connections:
        return False
    return bool(connections.settings[alias]["ENGINE"] != DUMMY)


def _refused(alias: str, models: list[type[Model]]) -> Iterator[checks.CheckMessage]:
    """Yield what the routers do not allow in the database of the app's rows."""
    tables = [m.__name__ for m in models if not router.allow_migrate_model(alias, m)]
    # Where there are tenants, the router may allow them in the schemas of those only.
    if tables and settings.CONTEXTS is None:
        yield checks.Error(
            f"DATABASE_ROUTERS do not allow tables in {alias!r} that the app writes "
            f"there: {', '.join(tables)}.",
            hint='Let allow_migrate() allow "chatkit_images" where db_for_write() '
            "sends it. If only the schemas of tenants have tables, set CONTEXTS.",
            id="chatkit_images.E015",
        )
    # Rows as they are after they were read; nothing is.
    user = get_user_model().from_db(alias, [], [])
    rows = [model.from_db(alias, [], []) for model in models]
    apart = [
        type(row).__name__
        for row in rows
        if not (
            router.allow_relation(user, row) and router.allow_relation(rows[0], row)
        )
    ]
    if apart:
        yield checks.Error(
            "DATABASE_ROUTERS refuse relations between the app's rows, or to users: "
            f"{', '.join(apart)}.",
            hint="Let allow_relation() return True for rows of one database.",
            id="chatkit_images.E015",
        )
