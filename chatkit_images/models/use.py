"""What people have used: a ledger, and the counters that limits are checked against."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..querysets import OwnedQuerySet
from .json import AnyJSONField
from .keys import KeyField

# The owner, or the model, of the sums of all. No owner and no model is called so.
ALL = "~all"


class UseKind(models.TextChoices):
    """What is counted."""

    RUN = "run", _("runs")
    IMAGE = "image", _("images")
    TOKENS = "tokens", _("tokens")
    UPLOAD = "upload", _("uploads")
    BILL = "bill", _("bill")


class WithAmounts(models.Model):
    """What a bill and a sum of bills count."""

    bytes = models.BigIntegerField(_("bytes"), default=0, db_default=0)
    tokens = models.BigIntegerField(_("tokens"), default=0, db_default=0)
    input_tokens = models.BigIntegerField(_("input tokens"), default=0, db_default=0)
    output_tokens = models.BigIntegerField(_("output tokens"), default=0, db_default=0)
    cost = models.DecimalField(
        _("cost"), max_digits=20, decimal_places=6, default=0, db_default=0
    )
    unpriced = models.IntegerField(
        _("without a price"),
        default=0,
        db_default=0,
        help_text=_("Images and answers whose cost is unknown."),
    )

    class Meta:
        abstract = True


class UseEntry(WithAmounts):
    """An entry of the ledger of use: what one owner was granted, or gave back.

    Entries are only added. They survive the threads, images and runs that they count;
    those of an owner who is deleted stay without an owner.

    An entry of a bill says what one model did in a run that has ended: its ``amount``
    is that of images, or of failures if it has a reason. All entries of a run add up to
    what the run has come to.
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
    model = KeyField(_("model"), max_length=255, blank=True, default="", db_default="")
    reason = models.CharField(
        _("reason"),
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text=_("Why images have failed; empty for those that came."),
    )
    is_summed = models.BooleanField(
        _("summed"),
        null=True,
        blank=True,
        default=False,
        db_default=False,
        help_text=_("Whether the sums have it; empty for what a bill says again."),
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
            models.Index(fields=["is_summed", "id"], name="chatkit_use_summed"),
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


class UseSummary(WithAmounts):
    """The sums of one owner and one model in a period, or of all owners or models.

    They are made from the entries of the ledger, each of which they have once, so that
    pages read few rows, however long the ledger is.
    """

    class Period(models.TextChoices):
        DAY = "day", _("day")
        MONTH = "month", _("month")
        YEAR = "year", _("year")

    period = models.CharField(_("period"), max_length=8, choices=Period.choices)
    start = models.DateField(_("start"))
    owner = KeyField(
        _("owner"),
        max_length=255,
        blank=True,
        help_text=_("“~all” for all owners; empty for those who were deleted."),
    )
    model = KeyField(
        _("model"),
        max_length=255,
        blank=True,
        help_text=_("“~all” for all models; empty for what is of no model."),
    )
    runs = models.BigIntegerField(_("runs"), default=0)
    images = models.BigIntegerField(_("images"), default=0)
    failed = models.BigIntegerField(_("failed images"), default=0)
    failures = AnyJSONField(
        _("failures by reason"), default=dict, null=True, blank=True
    )
    updated_at = models.DateTimeField(_("updated"), default=timezone.now)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("sum of use")
        verbose_name_plural = _("use and cost")
        ordering = ["-start", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["period", "start", "owner", "model"], name="chatkit_sum_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["period", "start", "model", "-cost", "-images", "-id"],
                name="chatkit_sum_cost",
            ),
            models.Index(fields=["owner", "period", "start"], name="chatkit_sum_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.start} {self.owner} {self.model}"
