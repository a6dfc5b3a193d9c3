"""What people have used: a ledger, and the counters that limits are checked against."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..querysets import OwnedQuerySet
from .keys import KeyField


class UseKind(models.TextChoices):
    """What is counted."""

    RUN = "run", _("runs")
    IMAGE = "image", _("images")
    TOKENS = "tokens", _("tokens")
    UPLOAD = "upload", _("uploads")


class UseEntry(models.Model):
    """An entry of the ledger of use: what one owner was granted, or gave back.

    Entries are only added. They survive the threads, images and runs that they count;
    those of an owner who is deleted stay without an owner.
    """

    owner = KeyField(_("owner"), max_length=255, blank=True)
    day = models.DateField(_("day"))
    kind = models.CharField(_("kind"), max_length=16, choices=UseKind.choices)
    amount = models.BigIntegerField(
        _("amount"), help_text=_("Negative for what came to nothing.")
    )
    run_id = models.UUIDField(
        _("run"), null=True, blank=True, help_text=_("The run may be deleted.")
    )
    address = models.CharField(
        _("address"),
        max_length=64,
        blank=True,
        help_text=_("A digest of a visitor's, if the address counts, too."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("entry of use")
        verbose_name_plural = _("entries of use")
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["owner", "kind", "day"], name="chatkit_use_owner"),
            models.Index(fields=["run_id"], name="chatkit_use_run"),
            models.Index(fields=["day", "kind"], name="chatkit_use_day"),
            models.Index(fields=["day", "id"], name="chatkit_use_newest"),
            models.Index(fields=["owner", "day", "id"], name="chatkit_use_of"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.kind} {self.amount:+}"


class UseCounter(models.Model):
    """How much of one kind a holder has used in one period.

    It is what limits are checked against; whoever grants something locks it first. The
    row without a kind is only locked: while one transaction has it, no other grants
    anything to its holder: an owner, an address, or the whole site.
    """

    owner = KeyField(
        _("owner"),
        max_length=255,
        help_text=_("An isolation key, an address or the whole site."),
    )
    kind = models.CharField(_("kind"), max_length=16, blank=True)
    period = models.CharField(
        _("period"),
        max_length=16,
        blank=True,
        help_text=_("A month, a day, an hour or a minute, as ISO 8601 writes them."),
    )
    amount = models.BigIntegerField(_("amount"), default=0)
    updated_at = models.DateTimeField(_("updated"), default=timezone.now)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("counter of use")
        verbose_name_plural = _("counters of use")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "kind", "period"], name="chatkit_counter_once"
            ),
        ]
        indexes = [
            models.Index(fields=["updated_at"], name="chatkit_counter_updated"),
        ]

    def __str__(self) -> str:
        return f"{self.owner} {self.kind} {self.period}: {self.amount}"
