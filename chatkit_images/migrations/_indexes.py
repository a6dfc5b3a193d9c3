"""Changes of indexes that a large table bears while it is in use.

PostgreSQL makes and drops an index beside writers if it is told so, outside of a
transaction. Where it is not allowed to, and in other databases, it is done plainly.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, migrations

logger = logging.getLogger(__name__)


class AddIndexBeside(migrations.AddIndex):
    """Add an index, beside writers if that is possible. Done twice, it is done once."""

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Make the index, again if an interrupted try has left an invalid one."""
        model = to_state.apps.get_model(app_label, self.model_name)
        connection = schema_editor.connection
        if not self.allow_migrate_model(connection.alias, model):
            return
        name = self.index.name
        if name in _indexes(connection, model):
            if not _is_invalid(connection, name):
                return
            _drop(schema_editor, model, name)
        if _is_free(connection):
            try:
                schema_editor.add_index(model, self.index, concurrently=True)
            except DatabaseError as error:
                logger.warning("%s is made while writers wait: %s", name, error)
                if name in _indexes(connection, model):
                    _drop(schema_editor, model, name)
            else:
                return
        schema_editor.add_index(model, self.index)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Drop the index, if it is there."""
        model = from_state.apps.get_model(app_label, self.model_name)
        connection = schema_editor.connection
        if self.allow_migrate_model(connection.alias, model) and (
            self.index.name in _indexes(connection, model)
        ):
            _drop(schema_editor, model, self.index.name)


class DropForeignKeyIndex(migrations.AlterField):
    """Drop the index of a foreign key that others begin with.

    Django's own operation would make the constraint anew, which reads both tables while
    writers wait.
    """

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Drop the index, and the one for patterns that Django adds to keys of text."""
        model = to_state.apps.get_model(app_label, self.model_name)
        connection = schema_editor.connection
        if not self.allow_migrate_model(connection.alias, model):
            return
        column = model._meta.get_field(self.name).column
        for name, columns in _indexes(connection, model).items():
            if columns == [column]:
                _drop(schema_editor, model, name)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Make the index again, as Django does."""
        model = to_state.apps.get_model(app_label, self.model_name)
        connection = schema_editor.connection
        if not self.allow_migrate_model(connection.alias, model):
            return
        field = model._meta.get_field(self.name)
        if [field.column] not in _indexes(connection, model).values():
            for statement in schema_editor._field_indexes_sql(model, field):
                schema_editor.execute(statement)


def _indexes(connection: Any, model: Any) -> dict[str, list[str]]:
    """Return the columns of a table's indexes that are not unique, by their names."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return {
        name: each["columns"]
        for name, each in found.items()
        if each["index"] and not each["unique"]
    }


def _drop(schema_editor: Any, model: Any, name: str) -> None:
    connection = schema_editor.connection
    quoted = schema_editor.quote_name(name)
    if connection.vendor == "mysql":
        table = schema_editor.quote_name(model._meta.db_table)
        schema_editor.execute(f"DROP INDEX {quoted} ON {table}")
        return
    if _is_free(connection):
        try:
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {quoted}")
        except DatabaseError as error:
            logger.warning("%s is dropped while writers wait: %s", name, error)
        else:
            return
    schema_editor.execute(f"DROP INDEX IF EXISTS {quoted}")


def _is_free(connection: Any) -> bool:
    """Whether PostgreSQL can be told to work beside writers."""
    return connection.vendor == "postgresql" and not connection.in_atomic_block


def _is_invalid(connection: Any, name: str) -> bool:
    """Whether an index is what is left of a try that was interrupted."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)",
            [connection.ops.quote_name(name)],
        )
        found = cursor.fetchone()
    return bool(found and found[0])
