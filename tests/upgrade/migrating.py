"""The tables of the app at one migration or another, and rows that go through them."""

from __future__ import annotations

import datetime
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from . import old

APP = "chatkit_images"
Rows = dict[str, list[dict[str, Any]]]


def migrate(target: str = "") -> None:
    """Migrate the app to a migration of its own, or to the newest."""
    call_command("migrate", APP, *([target] if target else []), verbosity=0)


def drop() -> None:
    """Drop the app's tables, as in a database in which it never was."""
    loader = MigrationExecutor(connection).loader
    (newest,) = loader.graph.leaf_nodes(APP)
    models = models_at(newest[1]).get_app_config(APP).get_models()
    with connection.schema_editor() as editor:
        for model in reversed(list(models)):
            editor.delete_model(model)
    MigrationRecorder(connection).migration_qs.filter(app=APP).delete()


def models_at(target: str) -> Any:
    """Return the registry of the models as a migration of the app left them."""
    loader = MigrationExecutor(connection).loader
    others = [node for node in loader.graph.leaf_nodes() if node[0] != APP]
    return loader.project_state([(APP, target), *others]).apps


def save(rows: Rows, registry: Any = apps) -> None:
    """Write rows as they are, whatever a model would make of them."""
    models = [registry.get_model(name) for name in rows]
    with transaction.atomic():
        for model in models:
            for values in rows[model._meta.label]:
                fields = model._meta.concrete_fields
                known = {
                    field.attname: field.to_python(values[field.attname])
                    for field in fields
                    if field.attname in values
                }
                model(**known).save_base(raw=True, force_insert=True)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)


def dump(registry: Any = apps) -> Rows:
    """Return every row of the app, and those of users and sessions."""
    own = [model._meta.label for model in registry.get_app_config(APP).get_models()]
    names = [name for name in old.ROWS if name not in own] + sorted(
        own, key=lambda name: list(old.ROWS).index(name) if name in old.ROWS else 99
    )
    return {
        name: list(registry.get_model(name)._base_manager.order_by("pk").values())
        for name in names
    }


def shared(rows: Rows, others: Rows) -> Rows:
    """Return what two versions know of the rows of one: tables and columns of both.

    That a column goes only when no code uses it any more is tested elsewhere.
    """
    found: Rows = {}
    for name in rows.keys() & others.keys():
        columns = set(others[name][0]) if others[name] else set()
        found[name] = [
            {key: value for key, value in row.items() if key in columns}
            for row in rows[name]
        ]
    return found


def moved(rows: Rows) -> Rows:
    """Return rows as if they had been left just now: all times moved alike."""
    made_at = datetime.datetime.fromisoformat(old.MANIFEST["made_at"])
    since = timezone.now() - made_at

    def move(value: Any) -> Any:
        return value + since if isinstance(value, datetime.datetime) else value

    return {
        name: [{key: move(value) for key, value in row.items()} for row in table]
        for name, table in rows.items()
    }
