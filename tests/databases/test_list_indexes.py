"""The migration for the lists of staff: an index of words where there can be one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader

from chatkit_images import models

pytestmark = pytest.mark.django_db(transaction=True)
APP = "chatkit_images"
BEFORE, AFTER = "0013_review_indexes", "0014_list_indexes"
only_postgres = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="Others have no index of words."
)


@pytest.fixture(autouse=True)
def newest() -> Iterator[None]:
    yield
    leaf = MigrationLoader(connection).graph.leaf_nodes(APP)[0][1]
    call_command("migrate", APP, leaf, verbosity=0)


def names(model: Any) -> set[str]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return set(found)


def words() -> list[Any]:
    migration = MigrationLoader(connection).graph.nodes[APP, AFTER]
    return [each for each in migration.operations if "words" in each.describe()]


def add(operation: Any) -> None:
    state = MigrationLoader(connection).project_state((APP, AFTER))
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards(APP, editor, state, state)


def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    if "EXTENSION" in sql:
        sql, params = "SELECT 1 / 0", None
    return execute(sql, params, many, context)


def test_it_goes_there_and_back_and_there_again() -> None:
    has_words = connection.vendor == "postgresql"
    # The database of the tests went there.
    call_command("migrate", APP, BEFORE, verbosity=0)
    assert "chatkit_run_created" not in names(models.Run)
    assert "chatkit_image_words" not in names(models.GeneratedImage)
    call_command("migrate", APP, AFTER, verbosity=0)
    assert "chatkit_run_created" in names(models.Run)
    assert ("chatkit_image_words" in names(models.GeneratedImage)) == has_words
    assert ("chatkit_thread_words" in names(models.Thread)) == has_words


@only_postgres
def test_without_the_right_there_is_none_and_the_migration_goes_on(caplog: Any) -> None:
    call_command("migrate", APP, BEFORE, verbosity=0)
    with connection.execute_wrapper(refuse):
        call_command("migrate", APP, AFTER, verbosity=0)
    assert "chatkit_image_words" not in names(models.GeneratedImage)
    assert "chatkit_run_created" in names(models.Run)
    assert "the admin searches the newest rows only" in caplog.text
    # Whoever gets the right later makes it by the same operation, also twice.
    for operation in [*words(), *words()]:
        add(operation)
    assert "chatkit_image_words" in names(models.GeneratedImage)


@only_postgres
def test_it_works_in_a_transaction_of_others() -> None:
    operation = words()[0]
    state = MigrationLoader(connection).project_state((APP, AFTER))
    with transaction.atomic():
        with connection.schema_editor(atomic=False) as editor:
            operation.database_backwards(APP, editor, state, state)
        with connection.execute_wrapper(refuse):
            add(operation)
        assert "chatkit_image_words" not in names(models.GeneratedImage)
        add(operation)
        assert "chatkit_image_words" in names(models.GeneratedImage)


@only_postgres
def test_an_invalid_index_is_made_again() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false "
            "WHERE indexrelid = 'chatkit_image_words'::regclass"
        )
    add(words()[0])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index "
            "WHERE indexrelid = 'chatkit_image_words'::regclass"
        )
        assert cursor.fetchone() == (True,)
