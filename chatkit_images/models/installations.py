"""Which installation of the app this database belongs to."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .. import storage, transactions
from ..contexts import working_context
from ..querysets import FreshQuerySet

# What the row says, by database and tenant.
_before: dict[tuple[str, str], str] = {}


def current_alias() -> str:
    """Return the alias of the storage to which new files go."""
    return storage.current_alias()


class Installation(models.Model):
    """The one row of a database, or of a tenant's schema: whose files are its own.

    It is made by ``migrate``. Its id is in the marker that guards the files in a
    storage against the jobs of another database.
    """

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    storage_alias = models.CharField(
        _("storage of before"),
        max_length=255,
        default=current_alias,
        help_text=_("Where files are whose rows do not say it."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    objects = FreshQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("installation")
        verbose_name_plural = _("installations")
        ordering = ["created_at", "pk"]

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def here(cls) -> Installation:
        """Return the row, which is made if there is none."""
        found = cls.objects.order_by("created_at", "pk").first()
        return found or cls.objects.create()

    @classmethod
    def storage_of_before(cls) -> str:
        """Return the storage of the files whose rows do not name one.

        It never changes, so each process asks once.
        """
        context = working_context()
        key = transactions.alias(), context.tenant if context else ""
        if key not in _before:
            rows = cls.objects.order_by("created_at", "pk")
            with transactions.own_connection():
                found = rows.values_list("storage_alias", flat=True).first()
            if found is None:
                return current_alias()
            _before[key] = found
        return _before[key]
