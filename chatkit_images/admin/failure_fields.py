"""The fields of a run or an image that has failed."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .. import failures, models
from .base import BaseModelAdmin
from .markup import EMPTY, pretty


class FailureFields(BaseModelAdmin):
    """Shows what the row of a failure says."""

    @admin.display(description=_("what mends it"))
    def remedy(self, obj: models.Run | models.GeneratedImage) -> str:
        """Show what staff can do, if it is for them to mend."""
        return failures.rows.text_of(obj, "remedy") or EMPTY

    @admin.display(description=_("failure"))
    def failure_json(self, obj: models.Run | models.GeneratedImage) -> SafeString | str:
        """Show what the provider or the app said about it."""
        return pretty(obj.failure)
