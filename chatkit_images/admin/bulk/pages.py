"""The pages of the work on many images: what it is about, how far it is, its end."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext

from ... import models
from ...cleaning import clean
from ...maintenance import chosen_images
from ...queries import in_pages
from ...queries.reviews import MOST_REASON, MOST_WORDS
from ..base import page_url
from ..image_model import ImageModelAdmin
from . import zips
from .job import Job, read_job
from .operations import OPERATIONS, ZIP, Operation
from .work import go_on, read

logger = logging.getLogger(__name__)
# Images that are shown before, and up to which they are counted.
SHOWN, COUNTED = 12, 1000
# Images that one form may choose.
MOST_CHOSEN = 1000
FOLDER = "admin/chatkit_images/generatedimage"


class BulkPages(ImageModelAdmin):
    """Pages on which something is done to chosen images, or to all that match.

    A selection of the list leads to a page that asks first. The same page for all that
    match has an address of its own, with the filters of the list.
    """

    def get_urls(self) -> list[URLPattern]:
        """Put the route before the pages, whose last pattern matches everything."""
        view = self.admin_site.admin_view(self.bulk_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_bulk"
        route = path("bulk/<slug:operation>/", view, name=name)
        return [route, *super().get_urls()]

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete an image, unless it is held by now, and note who has decided so."""
        kept = chosen_images.delete_images([obj.pk], request.user)
        if kept.get(obj.pk) == chosen_images.HELD:
            raise PermissionDenied("A legal hold was placed meanwhile.")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete images, likewise; those that are held stay."""
        for keys in in_pages.keys_of(queryset):
            chosen_images.delete_images(keys, request.user)

    def begin_bulk(
        self,
        request: HttpRequest,
        chosen: QuerySet[models.GeneratedImage],
        operation: str,
    ) -> HttpResponseBase:
        """Return the page that asks first.

        Args:
            request: The form of the list.
            chosen: The images that it has chosen.
            operation: A name of ``OPERATIONS``, or ``ZIP``.
        """
        if request.POST.get("select_across", "0") not in ("", "0"):
            return HttpResponseRedirect(self.bulk_url(request, operation))
        keys = chosen.order_by().values_list("pk", flat=True)[:MOST_CHOSEN]
        job = self._new_job(request, operation)
        job.keys = [str(key) for key in keys]
        return self._asking(request, job)

    def bulk_url(self, request: HttpRequest, operation: str) -> str:
        """Return the address of the page for all that match the list's filters."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_bulk"
        url = reverse(name, args=[operation], current_app=self.admin_site.name)
        query = request.GET.urlencode()
        return f"{url}?{query}" if query else url

    def bulk_view(self, request: HttpRequest, operation: str) -> HttpResponseBase:
        """Ask, do a part of the work, or send the zip."""
        if operation not in {*OPERATIONS, ZIP}:
            raise Http404
        self._check(request, operation)
        try:
            if request.method != "POST":
                return self._asking(request, self._new_job(request, operation))
            return self._posted(request, operation)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(self._list_url(request))

    def _posted(self, request: HttpRequest, operation: str) -> HttpResponseBase:
        user, query = str(request.user.pk), request.GET.urlencode()
        job = read_job(request.POST.get("job", ""), operation, user, query)
        if job is None:
            text = gettext("This page was too old to go on with. Please begin again.")
            self.message_user(request, text, messages.WARNING)
            return HttpResponseRedirect(self._list_url(request))
        if operation == ZIP:
            rows = self._rows(request, job)
            if "next" in request.POST:
                return self._asking(request, job)
            return zips.answer_of(request, rows, job, self)
        if job.last is None:
            # A page that tries again has no such fields.
            reason = request.POST.get("reason", job.reason)
            job.reason = clean(reason).strip()[:MOST_REASON]
            words = request.POST.get("words", job.words)
            job.words = clean(words).strip()[:MOST_WORDS]
            if OPERATIONS[operation].needs_reason and not job.reason:
                return self._asking(request, job, lacks_reason=True)
        return self._working(request, job, OPERATIONS[operation])

    def _check(self, request: HttpRequest, operation: str) -> None:
        """Refuse who may not see the list, or not do this."""
        needed = {"view"}
        if operation != ZIP:
            needed.add(OPERATIONS[operation].permission)
        for name in needed:
            if not getattr(self, f"has_{name}_permission")(request):
                raise PermissionDenied

    def _new_job(self, request: HttpRequest, operation: str) -> Job:
        return Job(operation, str(request.user.pk), request.GET.urlencode())

    def _rows(self, request: HttpRequest, job: Job) -> QuerySet[models.GeneratedImage]:
        """Return what the person may see of what was chosen, or of what matches."""
        if job.keys is not None:
            keys = [uuid.UUID(key) for key in job.keys]
            chosen: Any = self.get_queryset(request).filter(pk__in=keys)
            return chosen  # type: ignore[no-any-return]
        found: Any = self.get_changelist_instance(request)
        return found.matching()  # type: ignore[no-any-return]

    def _asking(
        self, request: HttpRequest, job: Job, *, lacks_reason: bool = False
    ) -> TemplateResponse:
        rows = self._rows(request, job)
        if job.operation == ZIP:
            return self._page(request, job, "bulk_zip", zips.context_of(rows, job))
        operation = OPERATIONS[job.operation]
        shown = read(rows, job, SHOWN).rows
        plain = rows.select_related(None).only("created_at")
        found = read(plain, job, COUNTED + 1)
        count = min(len(found.rows), COUNTED)
        is_more = found.after is not None
        context = {
            "title": operation.title,
            "operation": operation,
            "reason": job.reason,
            "words": job.words,
            "lacks_reason": lacks_reason,
            "images": [self.image(row) for row in shown],
            "count": count,
            "is_more": is_more,
            "left": count - len(shown),
        }
        return self._page(request, job, "bulk_ask", context)

    def _working(
        self, request: HttpRequest, job: Job, operation: Operation
    ) -> TemplateResponse:
        is_done = has_failed = False
        try:
            is_done = go_on(self._rows(request, job), job, operation, self, request)
        except DatabaseError:
            # The page says so, and offers to try again.
            logger.warning("A part of the work on images failed", exc_info=True)
            has_failed = True
        site = self.admin_site
        context = {
            "title": operation.title,
            "done": operation.done % {"n": job.done},
            "kept": [(operation.label_of(why), n) for why, n in job.kept.items()],
            "listed": [
                (
                    page_url(site, self.model, "change", key),
                    words,
                    operation.label_of(why),
                )
                for key, words, why in job.listed
            ],
            "unlisted": sum(job.kept.values()) - len(job.listed),
            "is_done": is_done,
            "has_failed": has_failed,
            "until": job.position[0] if job.position else None,
        }
        return self._page(request, job, "bulk_work", context)

    def _page(
        self, request: HttpRequest, job: Job, template: str, context: dict[str, Any]
    ) -> TemplateResponse:
        # What Django's own pages tell templates, so that links stay in this site.
        request.current_app = self.admin_site.name
        common = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "job": job.sign(),
            "is_all": job.keys is None,
            "has_filters": bool(job.query),
            "url": self.bulk_url(request, job.operation),
            "list_url": self._list_url(request),
        }
        return TemplateResponse(
            request, f"{FOLDER}/{template}.html", {**common, **context}
        )

    def _list_url(self, request: HttpRequest) -> str:
        url = page_url(self.admin_site, self.model, "changelist")
        query = request.GET.urlencode()
        return f"{url}?{query}" if query else url
