"""The ledger of use."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .. import models
from ..cleaning import clip
from .base import ReadOnlyModelAdmin, page_url
from .filters import ChoicesFilter
from .lists import OwnerFilter, PeriodFilter
from .markup import EMPTY


@admin.register(models.UseEntry)
class UseEntryAdmin(ReadOnlyModelAdmin):
    """What people were granted, and gave back. Nobody changes or deletes an entry."""

    opens = (models.Run,)
    owner_path = None
    list_display = ["day", "kind", "amount", "person", "run", "created_at"]
    list_note = _(
        "What each owner was granted or gave back, newest first; limits are checked "
        "against its sums."
    )
    list_empty = _("An entry appears here with each answer, image and upload.")
    list_filter = [OwnerFilter, ("day", PeriodFilter), ("kind", ChoicesFilter)]
    person_path = ""
    search_keys = ("run_id",)
    # There are no words to search: who enters others finds nothing.
    search_fields = ["owner__exact"]
    search_help_text = _("Id of a run, user name, whole key of an owner")
    fields = [("day", "kind", "amount"), "owner", ("run_id", "address"), "created_at"]
    list_order = "-day"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: the ledger is only added to."""
        return False

    @admin.display(description=_("owner"))
    def person(self, obj: models.UseEntry) -> SafeString | str:
        """Show the beginning of the key."""
        return self.link_to(obj, clip(obj.owner, 16)) or EMPTY

    @admin.display(description=_("run"))
    def run(self, obj: Any) -> SafeString | str:
        """Show the beginning of the run's id, a link for who may see its page."""
        if obj.run_id is None:
            return EMPTY
        name = clip(str(obj.run_id), 9)
        if not getattr(obj, "may_open_run", False):
            return name
        url = page_url(self.admin_site, models.Run, "change", obj.run_id)
        return format_html('<a href="{}">{}</a>', url, name)
