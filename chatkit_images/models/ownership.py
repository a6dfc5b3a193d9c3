"""What becomes of rows whose user is deleted."""

from __future__ import annotations

from typing import Any

from django.db.models import CASCADE, SET_NULL, Q, QuerySet

from ..contexts import context_class


def delete_own(collector: Any, field: Any, rows: QuerySet[Any], using: str) -> None:
    """Delete the rows of a user's own key, and leave the others without a user.

    It is an ``on_delete`` of Django. What belongs to a team or to a tenant stays with
    it when one member goes.
    """
    users = field.remote_field.model._default_manager.using(using)
    keys = rows.order_by().values_list(field.attname, flat=True).distinct()
    own = Q(pk__in=[])
    for user in users.filter(pk__in=list(keys)):
        own |= Q(**{field.attname: user.pk}, owner=context_class().own_key(user))
    CASCADE(collector, field, rows.filter(own), using)
    SET_NULL(collector, field, rows.exclude(own), using)
