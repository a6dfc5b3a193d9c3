"""Actions that lock, close and reopen threads."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from .. import models
from .row_actions import OwnerActions
from .thread_actions import ThreadActions

Status = models.Thread.Status


class ThreadActionForm(ActionForm):
    """Asks for a reason as well."""

    reason = forms.CharField(
        label=_("Reason:"), required=False, widget=forms.TextInput({"size": 16})
    )


class StatusActions(ThreadActions):
    """What may be done to threads, in their list and on their pages."""

    action_form = ThreadActionForm
    run_fields = ("thread", "pk")
    row_actions = ("stop", "lock", "reopen", *OwnerActions.row_actions)
    row_labels = {"lock": _("Lock the thread"), "reopen": _("Reopen the thread")}

    def makes_sense(self, action: str, row: Any) -> bool:
        """Return whether the thread can be locked, or reopened, too."""
        if action == "lock":
            return bool(row.status == Status.ACTIVE)
        if action == "reopen":
            return bool(row.status != Status.ACTIVE)
        return super().makes_sense(action, row)

    @admin.action(permissions=["change"], description=_("Lock selected threads"))
    def lock(
        self, request: HttpRequest, queryset: QuerySet[models.Thread]
    ) -> HttpResponseBase | None:
        """Let nobody write in the threads for now."""
        if request.POST.get("page") and "words" not in request.POST:
            rows = list(queryset)
            return self.ask_lock(request, [row.pk for row in rows], "lock", rows)
        return self.set_status(request, queryset, Status.LOCKED)

    @admin.action(permissions=["change"], description=_("Close selected threads"))
    def close(
        self, request: HttpRequest, queryset: QuerySet[models.Thread]
    ) -> HttpResponseBase | None:
        """End the threads."""
        return self.set_status(request, queryset, Status.CLOSED)

    @admin.action(permissions=["change"], description=_("Reopen selected threads"))
    def reopen(
        self, request: HttpRequest, queryset: QuerySet[models.Thread]
    ) -> HttpResponseBase | None:
        """Let the owners of the threads write again."""
        return self.set_status(request, queryset, Status.ACTIVE)

    def set_status(
        self,
        request: HttpRequest,
        queryset: QuerySet[models.Thread],
        status: models.Thread.Status,
    ) -> HttpResponseBase | None:
        """Set a status with the reason of the action form, or of the page for it."""
        reason = request.POST.get("words", request.POST.get("reason", ""))
        self.change_status(request, queryset, status, reason)
        return self.back(request)
