"""Actions on a thread and its run, from the pages of whatever belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from .. import models, notes, runs
from ..failures import Reason
from ..queries import threads
from .base import visible
from .markup import name_of
from .row_actions import OwnerActions, log, some_of_each
from .run_words import title_of

Status = models.Thread.Status
# Threads that one action may lock: as many as a person can check on the page.
MOST_THREADS = 100
# Likewise runs that one action stops.
MOST_RUNS = 100
# Threads that one action of their own list may change, which all take one request.
MOST_CHANGED = 1000


class ThreadActions(OwnerActions):
    """Stops the runs of rows and locks their threads, beside what is done to owners.

    Each needs the right of the page that it is about, and leaves out what that page
    would not show.
    """

    # A field of runs, and the field of these rows with the same values.
    run_fields = ("pk", "run")
    # The field that names the thread; None if these rows have actions of their own.
    thread_field = "thread"
    row_actions: Sequence[str] = ("stop", "lock_threads", *OwnerActions.row_actions)

    def makes_sense(self, action: str, row: Any) -> bool:
        """Return whether there is something to stop or to lock, too."""
        if action == "stop":
            return self.is_running(row)
        if action == "lock_threads":
            return bool(row.thread and row.thread.status == Status.ACTIVE)
        return super().makes_sense(action, row)

    def is_running(self, row: Any) -> bool:
        """Return whether a row is part of an answer that is being written."""
        return bool(row.status == models.GeneratedImage.Status.GENERATING)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may stop runs by their own page."""
        if not self.admin_site.is_registered(models.Run):
            return False
        other: Any = self.admin_site.get_model_admin(models.Run)
        may = getattr(other, "has_stop_permission", other.has_change_permission)
        return bool(may(request))

    def has_lock_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may change threads by their own page."""
        if not self.admin_site.is_registered(models.Thread):
            return False
        other = self.admin_site.get_model_admin(models.Thread)
        return bool(other.has_change_permission(request))

    @admin.action(permissions=["stop"], description=_("Stop the run"))
    def stop(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponseBase | None:
        """End runs, in whatever process they are, with words."""
        ours, theirs = self.run_fields
        seen = visible(self.admin_site, request, models.Run)
        found = seen.filter(**{f"{ours}__in": queryset.order_by().values(theirs)})
        running = models.Run.objects.running().filter(
            pk__in=found.order_by().values("pk")
        )
        rows = list(running.select_related("thread")[: MOST_RUNS + 1])
        if not rows:
            text = gettext("No run of these is running.")
            self.message_user(request, text, messages.WARNING)
            return self.back(request)
        if len(rows) > MOST_RUNS:
            text = gettext("Choose at most %(n)d runs, or stop everybody by the brake.")
            self.message_user(request, text % {"n": MOST_RUNS}, messages.ERROR)
            return self.back(request)
        if "words" not in request.POST:
            name = "pk" if ours == "pk" else f"{ours}_id"
            keys = {getattr(row, name): None for row in rows}
            return self.ask_words(
                request,
                some_of_each(queryset, theirs, keys),
                "stop",
                title=gettext("Stop the run"),
                question=gettext("These answers end within seconds:"),
                listed=map(title_of, rows),
                standard=str(notes.WORDS[Reason.STOPPED_BY_STAFF]),
            )
        words = request.POST["words"].strip()
        stopped = set(runs.stop_by_staff(running, words))
        log(
            request,
            [row for row in rows if row.pk in stopped],
            CHANGE,
            [{"changed": {"fields": [str(_("stop requested"))]}}],
        )
        text = ngettext("%(n)d run ends.", "%(n)d runs end.", len(stopped))
        self.message_user(request, text % {"n": len(stopped)}, messages.SUCCESS)
        return self.back(request)

    @admin.action(permissions=["lock"], description=_("Lock the thread"))
    def lock_threads(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponseBase | None:
        """Let nobody write in the threads of rows for now, with words."""
        seen = visible(self.admin_site, request, models.Thread)
        keys = queryset.order_by().values(self.thread_field)
        found = seen.filter(pk__in=keys, status=Status.ACTIVE).order_by("pk")
        rows = list(found[: MOST_THREADS + 1])
        if not rows or len(rows) > MOST_THREADS:
            text = gettext("Choose rows of 1 to %(n)d threads that are active.")
            self.message_user(request, text % {"n": MOST_THREADS}, messages.ERROR)
            return self.back(request)
        if "words" not in request.POST:
            field = str(self.thread_field)
            chosen = some_of_each(queryset, field, [row.pk for row in rows])
            return self.ask_lock(request, chosen, "lock_threads", rows)
        active = models.Thread.objects.filter(pk__in=[row.pk for row in rows])
        self.change_status(request, active, Status.LOCKED, request.POST["words"])
        return self.back(request)

    def ask_lock(
        self,
        request: HttpRequest,
        keys: Sequence[Any],
        action: str,
        rows: Sequence[models.Thread],
    ) -> HttpResponseBase:
        """Return the page that asks what people read of threads that are locked."""
        return self.ask_words(
            request,
            keys,
            action,
            title=gettext("Lock the thread"),
            question=gettext("Nobody writes in these threads until they are reopened:"),
            listed=map(name_of, rows),
            standard=gettext("This chat is locked."),
        )

    def change_status(
        self,
        request: HttpRequest,
        queryset: QuerySet[models.Thread],
        status: models.Thread.Status,
        reason: str,
    ) -> None:
        """Give threads a status with the words that people read, and log it."""
        if queryset.order_by()[MOST_CHANGED : MOST_CHANGED + 1].exists():
            text = gettext("Choose at most %(n)d threads.")
            self.message_user(request, text % {"n": MOST_CHANGED}, messages.ERROR)
            return
        rows = threads.set_status(queryset, status, reason)
        log(request, rows, CHANGE, [{"changed": {"fields": [str(_("status"))]}}])
        text = ngettext("%(n)d thread: %(s)s.", "%(n)d threads: %(s)s.", len(rows))
        self.message_user(
            request, text % {"n": len(rows), "s": status.label}, messages.SUCCESS
        )
