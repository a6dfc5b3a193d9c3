"""The ledger of use."""

from __future__ import annotations

import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .. import models
from ..cleaning import clip
from .base import ReadOnlyModelAdmin, page_url
from .markup import EMPTY

if TYPE_CHECKING:
    BasePaginator = Paginator[Any]
else:
    BasePaginator = Paginator

# Entries that the list can reach. Older ones are found by owner, run, kind and day.
MOST_ENTRIES = 10_000


class BoundedPaginator(BasePaginator):
    """Pages of the first rows, so that no count reads all of a large table."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, or the most that are shown."""
        rows = cast("QuerySet[Any]", self.object_list)
        return rows[:MOST_ENTRIES].count()


@admin.register(models.UseEntry)
class UseEntryAdmin(ReadOnlyModelAdmin):
    """What people were granted, and gave back. Nobody changes or deletes an entry."""

    owner_path = None
    list_display = ["day", "kind", "amount", "person", "run", "created_at"]
    list_note = _(
        "What each owner was granted or gave back, newest first; limits are checked "
        "against its sums. The list ends after 10,000 entries: filter it or search it."
    )
    list_filter = ["kind", "day"]
    search_fields = ["owner"]
    search_help_text = _("The whole key of an owner, or the id of a run")
    fields = [("day", "kind", "amount"), "owner", ("run_id", "address"), "created_at"]
    ordering = ["-pk"]
    sortable_by = ()
    show_full_result_count = False
    paginator = BoundedPaginator

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: the ledger is only added to."""
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the entries of one owner or one run, which indexes find."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            run_id = uuid.UUID(term)
        except ValueError:
            return queryset.filter(owner=term), False
        return queryset.filter(run_id=run_id), False

    @admin.display(description=_("owner"))
    def person(self, obj: models.UseEntry) -> str:
        """Show the beginning of the key."""
        return clip(obj.owner, 16) or EMPTY

    @admin.display(description=_("run"))
    def run(self, obj: models.UseEntry) -> SafeString | str:
        """Show the beginning of the run's id, a link to its page."""
        if obj.run_id is None:
            return EMPTY
        url = page_url(self.admin_site, models.Run, "change", obj.run_id)
        name = clip(str(obj.run_id), 9)
        return format_html('<a href="{}">{}</a>', url, name) if url else name
