"""An index of words, where the database has one and the right to make it.

PostgreSQL finds a piece of a text by its groups of three letters, if its extension
``pg_trgm`` is there. Elsewhere the pages of staff search the newest rows only.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, migrations, transaction

logger = logging.getLogger(__name__)


class AddWordIndexBeside(migrations.RunPython):
    """Add an index of the words of text columns. Done twice, it is done once.

    Args:
        model_name: The model.
        columns: Its columns, each as ``icontains`` compares it.
        name: What the index is called.
    """

    def __init__(self, model_name: str, columns: list[str], name: str) -> None:
        self.model_name, self.columns, self.name = model_name, columns, name
        super().__init__(self._add, self._drop, atomic=False)

    def deconstruct(self) -> Any:
        """Return how it is made."""
        return type(self).__name__, [self.model_name, self.columns, self.name], {}

    def describe(self) -> str:
        """Return what it does."""
        return f"Create an index of words {self.name} on {self.model_name}"

    def _add(self, apps: Any, schema_editor: Any) -> None:
        connection = schema_editor.connection
        if connection.vendor != "postgresql":
            return
        table = apps.get_model("chatkit_images", self.model_name)._meta.db_table
        quote = connection.ops.quote_name
        keys = ", ".join(f"UPPER({quote(each)}) gin_trgm_ops" for each in self.columns)
        beside = "" if connection.in_atomic_block else "CONCURRENTLY "
        try:
            # In a transaction of others only this fails.
            with transaction.atomic(connection.alias):
                schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            self._drop_if_invalid(schema_editor)
            schema_editor.execute(
                f"CREATE INDEX {beside}IF NOT EXISTS {quote(self.name)} "
                f"ON {quote(table)} USING gin ({keys})"
            )
        except DatabaseError as error:
            logger.warning(
                "There is no index of words %s, so the admin searches the newest rows "
                "only: %s",
                self.name,
                error,
            )
            if connection.in_atomic_block:
                return
            self._drop(apps, schema_editor)

    def _drop_if_invalid(self, schema_editor: Any) -> None:
        """Drop what an interrupted try has left."""
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_index "
                "WHERE indexrelid = to_regclass(%s) AND NOT indisvalid",
                [schema_editor.connection.ops.quote_name(self.name)],
            )
            is_invalid = cursor.fetchone()
        if is_invalid:
            schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(self.name)}")

    def _drop(self, apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            name = schema_editor.quote_name(self.name)
            schema_editor.execute(f"DROP INDEX IF EXISTS {name}")
