"""The outbox of the ends of runs, which others are told of at least once."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..querysets import FreshQuerySet


class RunEnd(models.Model):
    """The end of a run of which not all are told who want to know.

    It is written in the transaction that ends the run, and deleted when receivers of
    ``run_finished`` and the webhook have been told. ``due_at`` is a time of the
    database's clock, as several processes compare it.

    The database does not tie it to its run: a process of the version before may delete
    runs without knowing of this table.
    """

    run_id = models.UUIDField(_("run"), unique=True)
    payload = models.JSONField(
        _("payload"), default=dict, help_text=_("What the webhook is sent.")
    )
    signalled_at = models.DateTimeField(
        _("signalled"),
        null=True,
        blank=True,
        help_text=_("When the receivers of run_finished were told."),
    )
    posted_at = models.DateTimeField(
        _("posted"),
        null=True,
        blank=True,
        help_text=_("When the webhook took it."),
    )
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField(
        _("due"),
        default=timezone.now,
        null=True,
        blank=True,
        help_text=_("When any process may tell of it; empty if it was given up."),
    )
    error = models.TextField(
        _("error"), blank=True, help_text=_("Why the last attempt failed.")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    objects = FreshQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("end of a run")
        verbose_name_plural = _("ends of runs")
        ordering = ["due_at", "pk"]
        indexes = [models.Index(fields=["due_at"], name="chatkit_run_end_due")]

    def __str__(self) -> str:
        return str(self.run_id)
