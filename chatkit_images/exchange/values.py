"""Values of an export's lines: what a column is in JSON, and JSON as a column takes it.

Which values a field takes is said by the column that it is of.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings as django_settings
from django.db import models as db
from django.utils import timezone

from .. import times
from ..cleaning import clean_json, is_clean

# Lists and objects within each other. No row of the app's has as many, and whoever goes
# through more of them runs out of stack.
DEEPEST = 100
# Years that every database takes.
FIRST, LAST = 1900, 2999
SMALL, BIG = 2**31 - 1, 2**63 - 1


@dataclass(frozen=True)
class Value:
    """A kind of value.

    Attributes:
        label: What the documentation calls it.
        take: Returns a value of JSON as its column takes it, or raises ``ValueError``.
        give: Returns a value of a column as JSON.
    """

    label: str
    take: Callable[[Any], Any]
    give: Callable[[Any], Any] = lambda value: value

    def or_null(self) -> Value:
        """Return the kind that may also be ``null``."""
        return Value(
            f"{self.label} or null",
            lambda value: None if value is None else self.take(value),
            lambda value: None if value is None else self.give(value),
        )


def text(most: int | None = None) -> Value:
    """Return the kind of a text of so many characters at most."""

    def take(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("is no text")
        if most is not None and len(value) > most:
            raise ValueError(f"has more than {most} characters")
        if not is_clean(value):
            raise ValueError("has signs that no text has")
        return value

    return Value("text", take)


def name(most: int) -> Value:
    """Return the kind of an id, which is a text that is not empty."""
    inner = text(most)

    def take(value: Any) -> str:
        if inner.take(value) == "":
            raise ValueError("is empty")
        return str(value)

    return Value("id", take)


def _choice(choices: list[str]) -> Value:
    def take(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return value

    return Value("word", take)


def _number(most: int) -> Value:
    def take(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("is no whole number")
        if not 0 <= value <= most:
            raise ValueError(f"is not between 0 and {most}")
        return value

    return Value("number", take)


def _decimal(digits: int, places: int) -> Value:
    def take(value: Any) -> decimal.Decimal:
        if not isinstance(value, str) or len(value) > digits + 3:
            raise ValueError("is no decimal number in a text")
        try:
            found = decimal.Decimal(value)
            kept = found.quantize(decimal.Decimal(1).scaleb(-places))
        except decimal.InvalidOperation:
            raise ValueError("is no decimal number in a text") from None
        if kept != found or abs(kept) >= 10 ** (digits - places):
            raise ValueError("has too many digits")
        return kept

    return Value("decimal", take, str)


def _take_time(value: Any) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("is no time") from None
    if found.tzinfo is None:
        raise ValueError("is a time without a zone")
    if not FIRST <= found.year <= LAST:
        raise ValueError("is in no year of this app's")
    return times.to_column(found)


def _give_time(value: datetime.datetime) -> str:
    if not django_settings.USE_TZ:
        value = timezone.make_aware(value)
    return value.astimezone(datetime.UTC).isoformat()


def _take_key(value: Any) -> uuid.UUID:
    try:
        found = uuid.UUID(value)
    except (AttributeError, TypeError, ValueError):
        raise ValueError("is no UUID") from None
    if str(found) != value:
        raise ValueError("is no UUID in its usual form")
    return found


def _take_json(value: Any) -> Any:
    if value is None:
        raise ValueError("is null")
    return clean_json(value)


def _take_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def check_depth(value: Any) -> None:
    """Refuse JSON data with more than ``DEEPEST`` lists and objects within each other.

    Raises:
        ValueError: If it has.
    """
    level = [value]
    for _depth in range(DEEPEST + 1):
        outer = [each for each in level if isinstance(each, dict | list)]
        if not outer:
            return
        level = [
            inner
            for each in outer
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    raise ValueError(f"nested more than {DEEPEST} deep")


FLAG = Value("flag", _take_flag)
KEY = Value("UUID", _take_key, str)
TIME = Value("time", _take_time, _give_time)
JSON = Value("JSON", _take_json)
NUMBERS: dict[Any, int] = {
    db.PositiveIntegerField: SMALL,
    db.PositiveBigIntegerField: BIG,
}


def of_column(field: Any) -> Value:
    """Return the kind of a column's values.

    Raises:
        TypeError: If columns of its type are not exported.
    """
    found = _of_column(field)
    return found.or_null() if field.null else found


def _of_column(field: db.Field[Any, Any]) -> Value:
    if field.choices:
        return _choice([str(key) for key, _ in field.choices])
    if type(field) in NUMBERS:
        return _number(NUMBERS[type(field)])
    if isinstance(field, db.DecimalField):
        return _decimal(field.max_digits, field.decimal_places)
    if isinstance(field, db.DateTimeField):
        return TIME
    if isinstance(field, db.JSONField):
        return JSON
    if isinstance(field, db.UUIDField):
        return KEY
    if isinstance(field, db.CharField | db.TextField):
        return text(field.max_length)
    raise TypeError(f"{field} is not exported.")
