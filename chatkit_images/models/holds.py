"""What must be kept, whatever its owner or a retention says."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..querysets import FreshQuerySet
from .keys import KeyField


class LegalHold(models.Model):
    """Keeps the rows of an owner, or one thread, from retention and erasure.

    It names them by their keys: it outlives them, and the account of who placed it.
    """

    owner = KeyField(
        _("owner"),
        max_length=255,
        blank=True,
        default="",
        help_text=_("The isolation key; empty for the hold of a thread."),
    )
    thread_id = KeyField(
        _("thread"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("The id of a thread; empty for the hold of an owner."),
    )
    reason = models.TextField(_("reason"), blank=True)
    placed_by = models.CharField(_("placed by"), max_length=255, blank=True)
    created_at = models.DateTimeField(_("placed"), default=timezone.now)

    objects = FreshQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("legal hold")
        verbose_name_plural = _("legal holds")
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "thread_id"], name="chatkit_hold_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.thread_id or self.owner
