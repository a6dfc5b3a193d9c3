"""Migrations from here on expand first and contract later."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from . import migrating, old
from .expanding import contractions


@pytest.mark.django_db
def test_migrations_since_the_revision_only_add() -> None:
    loader = MigrationLoader(connection)
    state = loader.project_state((migrating.APP, old.HEAD))
    known = set(old.MANIFEST["migrations"])
    (leaf,) = loader.graph.leaf_nodes(migrating.APP)
    plan = [node for node in loader.graph.forwards_plan(leaf) if node[0] == leaf[0]]
    assert known <= {name for _, name in plan}
    found = [
        reason
        for node in plan
        if node[1] not in known
        for reason in contractions(loader.graph.nodes[node], state)
    ]
    assert found == []


TABLE = migrations.CreateModel(
    "Thing",
    [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=20)),
        ("size", models.IntegerField(null=True)),
    ],
)


def reasons(*operations: Any, **words: str) -> list[str]:
    """Return what is said of a migration with some operations."""
    made: Any = type("Migration", (migrations.Migration,), {"operations": operations})
    module = type(sys)("later")
    vars(module).update(words)
    made.__module__ = module.__name__
    sys.modules[module.__name__] = module
    state = ProjectState()
    TABLE.state_forwards("shop", state)
    try:
        found = list(contractions(made("0003_later", "shop"), state))
    finally:
        del sys.modules[module.__name__]
    return [each.partition(": ")[2].partition(": ")[2] for each in found]


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (migrations.RemoveField("thing", "size"), "they use it"),
        (migrations.RenameField("thing", "size", "length"), "they use it"),
        (migrations.RenameModel("Thing", "Item"), "they use it"),
        (migrations.DeleteModel("Thing"), "they use it"),
        (migrations.AlterModelTable("thing", "things"), "they use it"),
        (
            migrations.AddField("thing", "kind", models.TextField(default="")),
            "they do not give it a value",
        ),
        (
            migrations.AlterField("thing", "size", models.IntegerField(default=0)),
            "they leave it empty",
        ),
        (
            migrations.AlterField("thing", "name", models.CharField(max_length=10)),
            "they write longer values",
        ),
        (
            migrations.AlterField(
                "thing", "name", models.CharField(max_length=20, unique=True)
            ),
            "they write the same value twice",
        ),
        (migrations.RunSQL("SELECT 1"), "there is no way back"),
        (
            migrations.SeparateDatabaseAndState(
                [migrations.RemoveField("thing", "size")]
            ),
            "they use it",
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_takes_away_is_refused(operation: Any, reason: str) -> None:
    (found,) = reasons(operation)
    assert found.startswith(reason)
    # Unless it is later: no process uses it any more.
    assert reasons(operation, contracts="0.3") == []


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("thing", "kind", models.TextField(null=True)),
        migrations.AddField("thing", "kind", models.TextField(db_default="")),
        migrations.AddField("thing", "others", models.ManyToManyField("shop.Thing")),
        migrations.AlterField("thing", "size", models.BigIntegerField(null=True)),
        migrations.AlterField("thing", "name", models.CharField(max_length=40)),
        migrations.AlterField("thing", "name", models.TextField()),
        migrations.CreateModel(
            "Other", [("id", models.BigAutoField(primary_key=True))]
        ),
        migrations.AddIndex("thing", models.Index(fields=["name"], name="thing_name")),
        migrations.RunPython(migrations.RunPython.noop, migrations.RunPython.noop),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_what_adds_is_fine(operation: Any) -> None:
    assert reasons(operation) == []
