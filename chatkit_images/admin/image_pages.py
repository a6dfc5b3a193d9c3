"""Routes of an image beside its page: its facts for the list, and links that expire."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.models import CHANGE
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import SuspiciousOperation
from django.http import (
    Http404,
    HttpRequest,
    HttpResponseBase,
    JsonResponse,
    QueryDict,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from .. import file_urls, models
from ..exceptions import NotFoundError
from .image_fields import GeneratedImageFields
from .lists import BoundedChangeList, Order
from .lists.orders import Position
from .lists.reading import Reading
from .markup import full_time
from .row_actions import log

FILTERS = "_changelist_filters"
# What an older address of a list says of its pages, and of its order.
PLACE = ("p", "o", "all", "e", "older", "newer")


class WithoutPages:
    """A list of which only the filters count: it reads no rows."""

    def get_results(self, request: HttpRequest) -> None:
        """Read nothing."""


class ImagePages(GeneratedImageFields):
    """The routes, and what is before and after an image in the list."""

    def get_urls(self) -> list[URLPattern]:
        """Put the routes before the pages, whose last pattern matches everything."""
        return [
            self._route("facts", self.facts_view),
            self._route("link", self.link_view),
            *super().get_urls(),
        ]

    def _route(self, name: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
        return path(
            f"<path:object_id>/{name}/",
            self.admin_site.admin_view(view),
            name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
        )

    def get_link_url(self, obj: models.GeneratedImage) -> str:
        """Return the address that makes a link to an image."""
        return reverse(
            f"admin:{self.opts.app_label}_{self.opts.model_name}_link",
            args=[quote(obj.pk)],
            current_app=self.admin_site.name,
        )

    @method_decorator(require_safe)
    def facts_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Answer with an image and the facts about it, a piece of a page."""
        obj = self._visible(request, object_id)
        context = self.get_facts_context(request, obj)
        request.current_app = self.admin_site.name
        template = "admin/chatkit_images/generatedimage/facts.html"
        return TemplateResponse(request, template, context)

    def get_facts_context(
        self, request: HttpRequest, obj: models.GeneratedImage
    ) -> dict[str, Any]:
        """Return what the template of the facts gets."""
        return {"original": obj, "opts": self.opts}

    @method_decorator(require_POST)
    def link_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Answer with a URL that opens an image without a login, until it expires.

        What its person may not see gets none.
        """
        obj = self._visible(request, object_id)
        try:
            link = file_urls.link(obj, request)
        except NotFoundError:
            text = gettext("An image that its person may not see has no link.")
            return JsonResponse({"message": text}, status=409)
        log(request, [obj], CHANGE, gettext("Made a link that opens without a login."))
        text = gettext("The link opens without a login until %(time)s.")
        until = full_time(link.expires)
        return JsonResponse({"url": link.url, "message": text % {"time": until}})

    def _visible(self, request: HttpRequest, object_id: str) -> models.GeneratedImage:
        obj = self.get_object(request, unquote(object_id))
        if obj is None or not self.has_view_permission(request, obj):
            raise Http404
        found: models.GeneratedImage = obj
        return found

    def get_neighbours(
        self, request: HttpRequest, obj: models.GeneratedImage
    ) -> dict[str, Any]:
        """Return the addresses of the images before and after one, and if time says so.

        They are looked for as far as a page of the list looks.

        Args:
            request: The request. If it came from a filtered list, they are of that.
            obj: The image.
        """
        reading = self._reading(request)
        if getattr(obj, reading.order.column) is None:
            # It has left that order, as it does when a decision is made.
            by = Order.of(self.list_order)
            reading = Reading(reading.rows, self.model._default_manager.all(), by, by)
        kept = request.GET.get(FILTERS, "")
        query = f"?{QueryDict.fromkeys([FILTERS], kept).urlencode()}" if kept else ""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        here = Position(getattr(obj, reading.order.column), obj.pk)
        found: dict[str, Any] = {
            side: reverse(name, args=[quote(row.pk)], current_app=self.admin_site.name)
            + query
            for side, backwards in (("before", True), ("after", False))
            for row in reading.page(here, backwards, 1).rows
        }
        return found | {"is_by_time": reading.order == Order.of(self.list_order)}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the class of the list; of one without pages, if only rows count."""
        listing = super().get_changelist(request, **kwargs)
        if not getattr(request, "whole_list", False):
            return listing
        return type(listing.__name__, (WithoutPages, listing), {})

    def _reading(self, request: HttpRequest) -> Reading:
        """Return how the rows of the list are read from which a page was opened."""
        filters = QueryDict(request.GET.get(FILTERS, ""), mutable=True)
        for name in PLACE:
            filters.pop(name, None)
        try:
            return self._reading_of(request, filters)
        except (
            DisallowedModelAdminLookup,
            IncorrectLookupParameters,
            SuspiciousOperation,
        ):
            # The address is of an older version, or somebody made it up.
            return self._reading_of(request, QueryDict())

    def _reading_of(self, request: HttpRequest, filters: QueryDict) -> Reading:
        listing: Any = copy.copy(request)
        listing.GET = filters
        listing.whole_list = True
        found = self.get_changelist_instance(listing)
        if isinstance(found, BoundedChangeList):
            return found.reading(listing)
        by = Order.of(self.list_order)
        return Reading(found.queryset, self.model._default_manager.all(), by, by)
