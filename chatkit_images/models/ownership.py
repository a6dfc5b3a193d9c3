"""What becomes of rows whose user is deleted."""

from __future__ import annotations

from typing import Any

from django.db.models import CASCADE, SET_NULL, QuerySet

from ..contexts import context_class


def delete_own(collector: Any, field: Any, rows: QuerySet[Any], using: str) -> None:
    """Delete the rows of the users' own keys, and leave the others without a user.

    It is an ``on_delete`` of Django. What belongs to a team or to a tenant stays with
    it when one member goes.

    Args:
        collector: Django's collector of what is deleted.
        field: The foreign key to the user.
        rows: All rows of the users that are deleted.
        using: The database.
    """
    users = field.remote_field.model._base_manager.using(using)
    leaving = users.filter(pk__in=rows.order_by().values(field.attname))
    own_key = context_class().own_key
    keys = [own_key(user) for user in leaving]
    CASCADE(collector, field, rows.filter(owner__in=keys), using)
    SET_NULL(collector, field, rows.exclude(owner__in=keys), using)


# Otherwise Django would load all rows first, those of a team too.
delete_own.lazy_sub_objs = True  # type: ignore[attr-defined]
