"""What is in the database, to compare before and after."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import connections
from django.db.models import Model


def dump(*, without: tuple[str, ...] = ("session", "logentry")) -> dict[str, Any]:
    """Return every row of every model but those named, in the order of the key.

    The rows are as the database has them, by column: nothing but the statement is made
    for the many tables that are empty.
    """
    return {
        model.__name__: rows_of(model)
        for model in apps.get_models()
        if model._meta.model_name not in without
    }


def rows_of(model: type[Model]) -> list[dict[str, Any]]:
    connection = connections[model._base_manager.all().db]
    quote = connection.ops.quote_name
    table, key = model._meta.db_table, model._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {quote(table)} ORDER BY {quote(key)}")
        columns = [column[0] for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor]
