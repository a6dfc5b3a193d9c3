"""JSON that may be anything."""

from __future__ import annotations

from typing import Any

from django.db import models


class AnyJSONField(models.JSONField):
    """A column whose rows can be read whatever JSON is in it.

    What Python cannot read, such as a number of thousands of digits, is a text, as what
    is no JSON is for Django. For migrations it is Django's field.
    """

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return what JSON says, or its text."""
        try:
            return super().from_db_value(value, expression, connection)
        except (ValueError, RecursionError):
            return value

    def deconstruct(self) -> Any:
        """Return Django's field in place of this one."""
        name, path, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs
