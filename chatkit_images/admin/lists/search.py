"""What a search means: a key, a person, or words."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from .people import of_person

# Rows that a key may have without being looked for along the order of the list.
MOST_OF_KEY = 1000
_made: WeakKeyDictionary[HttpRequest, dict[Any, Search]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Search:
    """What the words in the search field of a list name.

    Attributes:
        term: The words.
        condition: What the rows of a key or a person fulfil; ``None`` for words.
        is_few: Whether these are few.
        owner: The person, if their key is known.
    """

    term: str
    condition: Q | None = field(default=None, compare=False)
    is_few: bool = False
    owner: str | None = None

    @classmethod
    def of(cls, request: HttpRequest, model_admin: Any, term: str) -> Search:
        """Return what a term means; it is asked for once for each request."""
        made = _made.setdefault(request, {})
        key = (type(model_admin), term)
        if key not in made:
            made[key] = cls._of(request, model_admin, term.strip())
        return made[key]

    @classmethod
    def _of(cls, request: HttpRequest, model_admin: Any, term: str) -> Search:
        # Who writes it in quotation marks means words.
        if not term or "\0" in term or term[0] in "\"'":
            return cls(term)
        rows = model_admin.get_queryset(request)
        keys = Q()
        for condition in _keys(model_admin.model, model_admin.search_keys, term):
            keys |= condition
        if keys:
            found = rows.filter(keys).order_by().values_list("pk")[: MOST_OF_KEY + 1]
            if number := len(found):
                return cls(term, keys, number <= MOST_OF_KEY)
        path = model_admin.person_path
        person = None if path is None else of_person(model_admin.model, path, term)
        return cls(term) if person is None else cls(term, *person)

    @property
    def is_for_words(self) -> bool:
        """Whether texts are searched."""
        return bool(self.term) and self.condition is None

    def apply(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the key or the person."""
        return rows if self.condition is None else rows.filter(self.condition)


def _keys(model: type[Model], lookups: Any, term: str) -> Iterator[Q]:
    """Yield for each key of a model the condition that the term is that key."""
    for lookup in lookups:
        pk: Any = model._meta.pk
        column: Any = pk if lookup == "pk" else model._meta.get_field(lookup)
        target = getattr(column, "target_field", column)
        prefix = getattr(model, "ID_PREFIX", "") if lookup == "pk" else ""
        try:
            value = target.to_python(term.removeprefix(prefix) if prefix else term)
            if isinstance(value, uuid.UUID | str):
                target.run_validators(value)
                yield Q(**{lookup: value})
        except ValidationError:
            continue
