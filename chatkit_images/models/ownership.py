"""What becomes of rows whose user is deleted."""

from __future__ import annotations

from typing import Any

from django.db.models import CASCADE, SET_NULL, Model, ProtectedError, Q, QuerySet

from ..contexts import context_class
from .holds import LegalHold


def delete_own(collector: Any, field: Any, rows: QuerySet[Any], using: str) -> None:
    """Delete the rows of the users' own keys, and leave the others without a user.

    It is an ``on_delete`` of Django. What belongs to a team or to a tenant stays with
    it when one member goes.

    Args:
        collector: Django's collector of what is deleted.
        field: The foreign key to the user.
        rows: All rows of the users that are deleted.
        using: The database.

    Raises:
        ProtectedError: If a user, or a thread that would go, is held.
    """
    users = field.remote_field.model._base_manager.using(using)
    leaving = users.filter(pk__in=rows.order_by().values(field.attname))
    own_key = context_class().own_key
    keys = [own_key(user) for user in leaving]
    _check_holds(field, rows.filter(owner__in=keys), keys, using)
    CASCADE(collector, field, rows.filter(owner__in=keys), using)
    SET_NULL(collector, field, rows.exclude(owner__in=keys), using)


def _check_holds(field: Any, rows: QuerySet[Any], keys: list[str], using: str) -> None:
    """Refuse to delete the rows of owners, or of threads, that are held."""
    is_thread = field.model._meta.model_name == "thread"
    threads = rows.order_by().values("pk" if is_thread else "thread_id")
    found = LegalHold.objects.using(using).filter(
        Q(owner__in=keys) | Q(owner="", thread_id__in=threads)
    )
    held: set[Model] = set(found)
    if held:
        name = field.remote_field.model._meta.verbose_name
        raise ProtectedError(f"A legal hold keeps what this {name} has.", held)


# Otherwise Django would load all rows first, those of a team too.
delete_own.lazy_sub_objs = True  # type: ignore[attr-defined]
