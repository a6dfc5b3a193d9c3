"""What staff stop: one owner, or everybody."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..querysets import FreshQuerySet, OwnedQuerySet
from .keys import KeyField


class OwnerBlock(models.Model):
    """An owner who gets no new runs; those that run are ended."""

    owner = KeyField(_("owner"), max_length=255, unique=True)
    words = models.TextField(
        _("words"), blank=True, help_text=_("What the person reads in the chat.")
    )
    blocked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("blocked by"),
        related_name="+",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
    )
    created_at = models.DateTimeField(_("blocked"), default=timezone.now)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("blocked owner")
        verbose_name_plural = _("blocked owners")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.owner


class Brake(models.Model):
    """A stop of all new generation, for everybody, while there is a row that is on."""

    is_on = models.BooleanField(_("on"), default=True)
    words = models.TextField(
        _("words"), blank=True, help_text=_("What people read in the chat.")
    )
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("changed by"),
        related_name="+",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
    )
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = FreshQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("brake")
        verbose_name_plural = _("brakes")
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.words[:60] or str(self._meta.verbose_name)
