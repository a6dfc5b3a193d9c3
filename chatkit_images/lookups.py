"""Rows that are looked up by their key so often that their statement is built once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connections, models

# Databases whose statements are kept.
MOST = 100
M = TypeVar("M", bound=models.Model)


class Part(NamedTuple):
    """The columns of one table in a statement.

    Attributes:
        path: The names of the relations that lead to it, none for the row itself.
        model: Its model.
        columns: What is read of it, as ``from_db()`` names it.
    """

    path: tuple[str, ...]
    model: type[models.Model]
    columns: list[str]


class Statement(NamedTuple):
    """A statement for one kind of database.

    Attributes:
        sql: The statement.
        params: What it is executed with; the last one is replaced by the key.
        converters: By their place, what makes Python's values, and of which expression.
    """

    sql: str
    params: tuple[Any, ...]
    converters: dict[int, tuple[list[Any], Any]]


class Lookup(Generic[M]):
    """A query for the row of a key, with rows that it points at.

    Django builds a statement anew whenever a query is executed. For one row by its key
    that takes ten times as long as the database does. What is not read stays deferred.

    Args:
        model: The rows.
        columns: For the row itself (``""``) and each relation that goes along, as
            ``select_related`` names it, the columns that are read; ``None`` are all. A
            relation comes after the one that it is reached by.
    """

    def __init__(
        self, model: type[M], columns: Mapping[str, Collection[str] | None]
    ) -> None:
        self._model, self._columns = model, columns
        self._parts: list[Part] = []
        self._statements: dict[tuple[str, str], Statement] = {}

    def one(self, key: Any) -> M | None:
        """Return the row of a key, if there is one."""
        alias = self._model._default_manager.all().db
        connection = connections[alias]
        kind = (alias, connection.vendor)
        if kind not in self._statements:
            if len(self._statements) == MOST:
                self._statements.clear()  # Aliases of tenants come and go.
            self._statements[kind] = self._built(alias, key)
        sql, params, converters = self._statements[kind]
        value = self._model._meta.pk.get_db_prep_value(key, connection)
        with connection.cursor() as cursor:
            cursor.execute(sql, (*params[:-1], value))
            found = cursor.fetchone()
        if found is None:
            return None
        values = list(found)
        for place, (functions, expression) in converters.items():
            for convert in functions:
                values[place] = convert(values[place], expression, connection)
        row: M | None = self._row(alias, values)
        return row

    def _built(self, alias: str, key: Any) -> Statement:
        """Return the statement, which is the same for every key."""
        # Here, as the user model is known only when all apps are there.
        self._parts = self._parts or [
            self._part(name, names) for name, names in self._columns.items()
        ]
        named = (
            "__".join((*part.path, column))
            for part in self._parts
            for column in part.columns
        )
        rows = self._model._default_manager.filter(pk=key).order_by()
        compiler = rows.values_list(*named).query.get_compiler(alias)
        sql, params = compiler.as_sql()
        selected = [expression for expression, _, _ in compiler.select]
        # Each thread gives them its own connection.
        return Statement(sql, tuple(params), compiler.get_converters(selected))

    def _part(self, name: str, names: Collection[str] | None) -> Part:
        path = tuple(name.split("__")) if name else ()
        model: Any = self._model
        for each in path:
            model = model._meta.get_field(each).related_model
        fields = model._meta.concrete_fields
        known = {each for field in fields for each in (field.name, field.attname)}
        if unknown := set(names or ()) - known:
            raise ValueError(f"{model.__name__} has no columns {sorted(unknown)}.")
        return Part(
            path,
            model,
            [
                field.attname
                for field in fields
                if names is None or {field.name, field.attname} & set(names)
            ],
        )

    def _row(self, alias: str, values: list[Any]) -> Any:
        made: dict[tuple[str, ...], Any] = {}
        start = 0
        for path, model, columns in self._parts:
            own = values[start : start + len(columns)]
            start += len(columns)
            # Behind a relation that is not set all are NULL. A key alone may be that of
            # a row that is gone, as Django reads it from where it is pointed at.
            key = columns.index(model._meta.pk.attname)
            others = own[:key] + own[key + 1 :] or own
            exists = any(value is not None for value in others)
            row = made[path] = model.from_db(alias, columns, own) if exists else None
            if path and made[path[:-1]] is not None:
                setattr(made[path[:-1]], path[-1], row)
        return made[()]
