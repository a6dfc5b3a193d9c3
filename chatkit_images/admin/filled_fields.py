"""Fields that say something: what is empty leaves no row on a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .markup import EMPTY

NOTHING: tuple[Any, ...] = (None, "", {}, [], EMPTY)


def filled_fieldsets(model_admin: Any, obj: Any, fieldsets: Iterable[Any]) -> Any:
    """Return fieldsets without the fields, and the sections, that are empty for a row.

    Args:
        model_admin: Whose methods some of the fields are.
        obj: The row; ``None`` if there is none.
        fieldsets: The fieldsets, as Django has them.
    """
    if obj is None:
        return list(fieldsets)
    found = []
    for title, options in fieldsets:
        fields = list(_filled(model_admin, obj, options["fields"]))
        if fields:
            found.append((title, {**options, "fields": fields}))
    return found


def _filled(model_admin: Any, obj: Any, fields: Iterable[Any]) -> Iterator[Any]:
    for field in fields:
        if isinstance(field, str):
            if _value(model_admin, obj, field) not in NOTHING:
                yield field
        elif line := tuple(_filled(model_admin, obj, field)):
            yield line if len(line) > 1 else line[0]


def _value(model_admin: Any, obj: Any, field: str) -> Any:
    if callable(method := getattr(model_admin, field, None)):
        return method(obj)
    # The row that a key names need not be read for that.
    return obj.serializable_value(field)
