"""What the project's admin lets a person see, asked as its pages ask."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, resolve, reverse
from django.utils.module_loading import import_string

from ..contexts import context_class
from ..models import Attachment, GeneratedImage
from ..url_state import base_url_of


@dataclass(frozen=True)
class StaffView:
    """A row that a person may see in an admin: a thread, or an image.

    Attributes:
        site: The admin, an ``AdminSite``.
        request: The person's request, as the admin would get it.
        row: The row.
    """

    site: Any
    request: HttpRequest
    row: Any

    def all(self, model: type[Any]) -> QuerySet[Any]:
        """Return the rows that the pages of a model would list."""
        page = page_of(self.site, model, self.request)
        every: QuerySet[Any] = (
            model._default_manager.none()
            if page is None
            else page.get_queryset(self.request)
        )
        return every

    def rows(self, model: type[Any], keys: Collection[Any]) -> dict[Any, Any]:
        """Return those rows that the pages of a model would show, by primary key."""
        page = page_of(self.site, model, self.request)
        if page is None or not keys:
            return {}
        found = page.get_queryset(self.request).filter(pk__in=keys)
        return {
            row.pk: row for row in found if page.has_view_permission(self.request, row)
        }

    def image_url(self, row: GeneratedImage | Attachment, variant: str) -> str:
        """Return the address of an image's bytes in the admin; empty if it has none."""
        page = self.site.get_model_admin(type(row))
        # A project may have registered a class of its own, without such a route.
        address = getattr(page, "get_image_url", None)
        if address is None:
            return ""
        return base_url_of(self.request) + str(address(row, variant))


def view_of(request: HttpRequest, model: type[Any], key: Any) -> StaffView | None:
    """Return a row as an admin shows it to who sends a request.

    ``None`` if no admin would. Not for the event loop.

    Args:
        request: The request. The admin asks it for its user, whom a project's context
            may find by other means than Django.
        model: The model of the row, ``Thread`` or ``GeneratedImage``.
        key: The primary key of the row.
    """
    user: Any = context_class().get_user(request)
    if user is None:
        return None
    request.user = user
    for site in sites():
        page = page_of(site, model, request)
        if page is None:
            continue
        row = page.get_queryset(request).filter(pk=key).first()
        if row is not None and page.has_view_permission(request, row):
            return StaffView(site, request, row)
    return None


def page_of(site: Any, model: type[Any], request: HttpRequest) -> Any:
    """Return a site's pages of a model, ``None`` if the person may not open them."""
    if not (site.is_registered(model) and site.has_permission(request)):
        return None
    page = site.get_model_admin(model)
    return page if page.has_view_permission(request) else None


def sites() -> Iterator[Any]:
    """Yield the admins that have an address, by their names."""
    if not apps.is_installed("django.contrib.admin"):
        return
    # Without the app, which needs others, the module cannot be imported.
    known = import_string("django.contrib.admin.sites.all_sites")
    for site in sorted(known, key=lambda site: str(site.name)):
        try:
            index = reverse("admin:index", current_app=site.name)
        except NoReverseMatch:
            continue
        if resolve(index).namespaces[-1:] == [site.name]:
            yield site
