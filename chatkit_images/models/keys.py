"""Columns that tell one thing from another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

S = TypeVar("S")
G = TypeVar("G")

if TYPE_CHECKING:
    BaseField = models.CharField
else:

    class BaseField(models.CharField):
        """Django's class with the parameters that its stubs give it."""

        def __class_getitem__(cls, types: Any) -> type[BaseField]:
            return cls


class KeyField(BaseField[S, G]):
    """Text that is the same only if each of its bytes is.

    On MySQL and MariaDB most collations take ``a`` for ``A``, for ``á`` and for ``a``
    with a blank behind it. An owner must not be taken for another one.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the type of the column; foreign keys to it have the same."""
        found = super().db_type(connection)
        if found is None or connection.vendor != "mysql":
            return found
        server: Any = connection
        exact = "utf8mb4_nopad_bin" if server.mysql_is_mariadb else "utf8mb4_0900_bin"
        return f"{found} CHARACTER SET utf8mb4 COLLATE {exact}"
