"""What must be kept: legal holds of owners and threads."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .. import models
from ..cleaning import clip
from ..queries import holds
from .base import page_url
from .brakes import StaffModelAdmin
from .lists import OwnerFilter
from .markup import EMPTY


class LegalHoldForm(forms.ModelForm):  # type: ignore[type-arg]
    """Takes an owner or a thread, and why."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The page that shows a hold has no fields.
        if reason := self.fields.get("reason"):
            reason.required = True

    def clean(self) -> dict[str, Any]:
        """Refuse a hold of nothing, of two things, or of a thread that is not there."""
        values: dict[str, Any] = super().clean() or {}
        if not self.errors and "owner" in values:
            try:
                holds.checked(values["owner"], values["thread_id"])
            except ValueError as error:
                raise forms.ValidationError(str(error)) from error
        return values


@admin.register(models.LegalHold)
class LegalHoldAdmin(StaffModelAdmin):
    """The holds. Staff add and delete them, and change none."""

    form = LegalHoldForm
    list_display = ["key", "conversation", "why", "placed_by", "created_at"]
    list_note = _(
        "What is held is deleted by no retention, no erasure, no person and no page "
        "here. Delete a row to release it."
    )
    list_empty = _("Nothing is held.")
    list_filter = [OwnerFilter]
    person_path = ""
    search_keys = ("owner", "thread_id")
    search_fields = ["owner", "thread_id", "reason", "placed_by"]
    search_help_text = _("Owner, thread, reason, who placed it")
    fields = ["owner", "thread_id", "reason", ("placed_by", "created_at")]
    readonly_fields = ["placed_by", "created_at"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: who changes a hold would rewrite its account."""
        return False

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Place it, which waits for deletions that had begun, and note who does."""
        row, _is_new = holds.place(
            owner=obj.owner,
            thread_id=obj.thread_id,
            reason=obj.reason,
            placed_by=str(request.user),
        )
        obj.pk, obj.placed_by, obj.created_at = row.pk, row.placed_by, row.created_at

    @admin.display(description=_("owner"))
    def key(self, obj: models.LegalHold) -> str:
        """Show the beginning of the key, as that of a visitor is a secret."""
        return clip(obj.owner, 16) or EMPTY

    @admin.display(description=_("thread"))
    def conversation(self, obj: Any) -> SafeString | str:
        """Show the id of the thread, a link to its page for who may see that."""
        key = obj.thread_id
        if not key or not getattr(obj, "may_open_thread", False):
            return key or EMPTY
        url = page_url(self.admin_site, models.Thread, "change", key)
        return format_html('<a href="{}">{}</a>', url, key)

    @admin.display(description=_("reason"))
    def why(self, obj: models.LegalHold) -> str:
        """Show the beginning of the reason."""
        return clip(obj.reason, 80) or EMPTY
