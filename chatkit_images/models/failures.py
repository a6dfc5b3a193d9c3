"""What a run and an image have in common: why there is no result."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .json import AnyJSONField


class WithFailure(models.Model):
    """Columns of what ended a run or an image without a result."""

    reason = models.CharField(
        _("reason"),
        max_length=32,
        blank=True,
        default="",
        db_default="",
        help_text=_("Why it has no result, in one word."),
    )
    failure = AnyJSONField(
        _("failure"),
        default=dict,
        null=True,
        blank=True,
        help_text=_("What the provider, or the app, said about it."),
    )

    class Meta:
        abstract = True
