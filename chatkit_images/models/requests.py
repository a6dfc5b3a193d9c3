"""What a run and an image have in common: who was asked, and where the time went."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .json import AnyJSONField


class WithRequest(models.Model):
    """Columns of what a model was asked for. ``docs/timing.md`` explains each."""

    provider = models.CharField(
        _("provider"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("The host that was asked."),
    )
    request_id = models.CharField(
        _("request id"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("The provider's id of the newest request."),
    )
    requested_at = models.DateTimeField(
        _("requested"),
        null=True,
        blank=True,
        help_text=_("When the model was asked."),
    )
    first_event_at = models.DateTimeField(
        _("first event"),
        null=True,
        blank=True,
        help_text=_("When the provider first sent anything in answer."),
    )
    timings = AnyJSONField(
        _("timings"),
        default=dict,
        null=True,
        blank=True,
        help_text=_("Where the time went, in milliseconds, and how many tries."),
    )

    class Meta:
        abstract = True
