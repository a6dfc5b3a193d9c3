"""Whether migrations only add: processes of before work on with the new tables.

Expand first, contract later. What a release stops using it leaves where it is; a
migration of a later release takes it away and says so, in its module::

    contracts = "0.3"  # The release that stopped using it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from django.db import migrations
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED, Field

TAKES_AWAY = (
    migrations.DeleteModel,
    migrations.RemoveField,
    migrations.RenameField,
    migrations.RenameModel,
    migrations.AlterModelTable,
)


def contractions(migration: Any, state: Any) -> Iterator[str]:
    """Yield what the processes of before would miss, or could not write any more.

    Args:
        migration: A migration of the app.
        state: The state before it; it is the state after it in the end.
    """
    release = getattr(sys.modules[type(migration).__module__], "contracts", "")
    for operation in migration.operations:
        reason = _reason(operation, migration.app_label, state)
        if reason and not release:
            yield f"{migration}: {operation.describe()}: {reason}"
        operation.state_forwards(migration.app_label, state)


def _reason(operation: Operation, label: str, state: Any) -> str:
    if not operation.reversible:
        return "there is no way back"
    if isinstance(operation, TAKES_AWAY):
        return "they use it"
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        inner = (_reason(each, label, state) for each in operation.database_operations)
        return next(filter(None, inner), "")
    if isinstance(operation, migrations.AddField) and _must_be_given(operation.field):
        return "they do not give it a value: it needs null=True or a db_default"
    if isinstance(operation, migrations.AlterField):
        return _narrowed(_before(operation, label, state), operation.field)
    return ""


def _before(operation: Any, label: str, state: Any) -> Any:
    model = state.models[label, operation.model_name_lower]
    return model.fields[operation.name]


def _must_be_given(field: Field[Any, Any]) -> bool:
    is_column = not field.many_to_many
    return is_column and not field.null and field.db_default is NOT_PROVIDED


def _narrowed(before: Field[Any, Any], field: Field[Any, Any]) -> str:
    if _must_be_given(field) and not _must_be_given(before):
        return "they leave it empty"
    if (field.max_length or 0) < (before.max_length or 0) and field.max_length:
        return "they write longer values"
    if field.unique and not before.unique:
        return "they write the same value twice"
    return ""
