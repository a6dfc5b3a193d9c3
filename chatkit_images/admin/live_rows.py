"""Pages of rows that are still changing: they follow until the row has its end."""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe

from ..cleaning import is_clean
from .base import ChatKitModelAdmin
from .snapshots import Snapshots, key_of

snapshots = Snapshots(1.0)


class LiveRows(ChatKitModelAdmin):
    """Tells the open page of a row whether there is something new to show."""

    class Media:
        css = {"all": ["chatkit_images/admin/live.css"]}
        js = ["chatkit_images/admin/live.js"]

    def get_urls(self) -> list[URLPattern]:
        """Put the route before the pages, whose last pattern matches everything."""
        view = self.admin_site.admin_view(self.state_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_state"
        return [
            path("<path:object_id>/state/", view, name=name),
            *super().get_urls(),
        ]

    def is_live(self, row: Any) -> bool:
        """Return whether a row may still change by itself."""
        raise NotImplementedError(f"{type(self).__name__} must define is_live().")

    def state_of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the values of a row that change as its page does."""
        raise NotImplementedError(f"{type(self).__name__} must define state_of().")

    def get_version(self, request: HttpRequest, key: Any) -> str:
        """Return a word that is another one as soon as there is something new.

        It is read at most once a second, whoever asks; empty if the row is gone.
        """
        values = self.state_of(self.get_queryset(request).filter(pk=key))
        found = snapshots.get(key_of(request, values), lambda *_: values.first())
        if found is None:
            return ""
        return hashlib.sha256(repr(found).encode()).hexdigest()[:16]

    @method_decorator(require_safe)
    def state_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Answer with the version of a row; 404 for what the person may not see."""
        if not self.has_view_permission(request):
            raise Http404
        text = unquote(object_id)
        try:
            key = self.opts.pk.to_python(text)
        except ValidationError as error:
            raise Http404 from error
        if not is_clean(text):
            raise Http404
        version = self.get_version(request, key)
        if not version:
            raise Http404
        return JsonResponse({"version": version})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add where the page asks for news, if the row may have some."""
        row = context["original"]
        if self.is_live(row):
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_state"
            site = self.admin_site.name
            context["state_url"] = reverse(name, args=[quote(row.pk)], current_app=site)
        return super().render_change_form(request, context, *args, **kwargs)
