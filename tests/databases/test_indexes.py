"""The migration of indexes: beside writers where that is allowed, and done once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext

from chatkit_images import models

pytestmark = pytest.mark.django_db(transaction=True)
APP = "chatkit_images"
BEFORE, AFTER = "0010_storages", "0011_indexes"
NEW = "chatkit_feedback_owner"
REPEATED = {
    models.Feedback: "item_id",
    models.GeneratedImage: "thread_id",
    models.PartialImage: "image_id",
    models.ThreadItem: "thread_id",
}


def migrate(name: str) -> list[str]:
    with CaptureQueriesContext(connection) as asked:
        call_command("migrate", APP, name, verbosity=0)
    return [query["sql"] for query in asked]


def names(model: Any, column: str) -> set[str]:
    """Return the indexes of exactly one column."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return {
        name
        for name, each in found.items()
        if each["index"] and not each["unique"] and each["columns"] == [column]
    }


@pytest.fixture(autouse=True)
def newest() -> Iterator[None]:
    yield
    leaf = MigrationLoader(connection).graph.leaf_nodes(APP)[0][1]
    call_command("migrate", APP, leaf, verbosity=0)


def test_it_goes_there_and_back_and_there_again() -> None:
    # The database of the tests went there.
    migrate(BEFORE)
    assert names(models.Feedback, "owner") == set()
    if connection.vendor != "mysql":  # It has others for its foreign keys.
        for model, column in REPEATED.items():
            assert names(model, column)
    sql = migrate(AFTER)
    assert names(models.Feedback, "owner") == {NEW}
    for model, column in REPEATED.items():
        assert names(model, column) == set()
    if connection.vendor == "postgresql":
        changes = [each for each in sql if " INDEX " in each]
        assert changes
        assert all("CONCURRENTLY" in each for each in changes)


def operation() -> tuple[Any, Any, Any]:
    loader = MigrationLoader(connection)
    migration = loader.graph.nodes[APP, AFTER]
    before = loader.project_state((APP, BEFORE))
    after = loader.project_state((APP, AFTER))
    return migration.operations[-1], before, after


def test_an_index_that_is_there_is_not_made_again() -> None:
    adding, before, after = operation()
    with (
        connection.schema_editor(atomic=False) as editor,
        CaptureQueriesContext(connection) as asked,
    ):
        adding.database_forwards(APP, editor, before, after)
    assert not any("CREATE" in query["sql"] for query in asked)


def test_it_works_in_a_transaction_of_others() -> None:
    adding, before, after = operation()
    if connection.vendor != "postgresql":
        pytest.skip("Django changes no tables of others within a transaction.")
    with transaction.atomic(), connection.schema_editor(atomic=False) as editor:
        adding.database_backwards(APP, editor, after, before)
        assert names(models.Feedback, "owner") == set()
        adding.database_forwards(APP, editor, before, after)
        assert names(models.Feedback, "owner") == {NEW}


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="Others leave no invalid index."
)
def test_an_invalid_index_is_made_again() -> None:
    adding, before, after = operation()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass",
            [NEW],
        )
    with connection.schema_editor(atomic=False) as editor:
        adding.database_forwards(APP, editor, before, after)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", [NEW]
        )
        assert cursor.fetchone() == (True,)


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="Others know no other way."
)
def test_what_is_not_allowed_beside_writers_is_done_plainly() -> None:
    adding, before, after = operation()

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "CONCURRENTLY" in sql:
            sql = "SELECT 1 / 0"
        return execute(sql, params, many, context)

    with (
        connection.execute_wrapper(refuse),
        connection.schema_editor(atomic=False) as editor,
    ):
        adding.database_backwards(APP, editor, after, before)
        assert names(models.Feedback, "owner") == set()
        adding.database_forwards(APP, editor, before, after)
    assert names(models.Feedback, "owner") == {NEW}
