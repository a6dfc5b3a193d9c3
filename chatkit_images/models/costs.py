"""What an image costs."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class WithCost(models.Model):
    """Columns of a cost that was told, or is computed by the project's prices."""

    cost = models.DecimalField(
        _("cost"),
        max_digits=14,
        decimal_places=6,
        null=True,
        blank=True,
        help_text=_("As its source says, in the project's currency."),
    )
    priced_at = models.DateTimeField(
        _("priced"),
        null=True,
        blank=True,
        help_text=_("When its cost was computed; empty if its source told it."),
    )

    class Meta:
        abstract = True
