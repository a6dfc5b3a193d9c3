"""What the pages have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.db.models import Count, Exists, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .. import models
from ..queries import counters, holds
from ..transactions import atomic
from .markup import EMPTY, badge, name_of, owner_of, with_block

if TYPE_CHECKING:
    BaseModelAdmin = admin.ModelAdmin[Any]
else:
    BaseModelAdmin = admin.ModelAdmin


class ChatKitChangeList(ChangeList):
    """A list without links to days and months where the database knows no zones.

    Without its time zone tables MariaDB or MySQL cuts no time at the days of another
    zone than its own, and the whole page would fail.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        connection = connections[self.queryset.db]
        foreign = timezone.get_current_timezone_name() != connection.timezone_name
        if (
            settings.USE_TZ
            and foreign
            and not connection.features.has_zoneinfo_database
        ):
            self.date_hierarchy = None


class ChatKitModelAdmin(BaseModelAdmin):
    """Rows that the chat makes: staff cannot add any.

    A project that overrides ``get_queryset()`` narrows pages, actions and bytes.
    """

    # Path from the model to the row that names its owner; None if no row does.
    owner_path: str | None = ""
    list_note: Any = ""

    class Media:
        css = {
            "all": [
                "chatkit_images/admin/admin.css",
                "chatkit_images/admin/pages.css",
            ]
        }
        js = ["chatkit_images/admin/lost_images.js"]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return ``False``: rows come from the chat."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows with what their pages say of others."""
        rows: QuerySet[Any] = super().get_queryset(request)
        if self.owner_path is not None:
            owner = OuterRef(f"{self.owner_path}owner")
            blocks = models.OwnerBlock.objects.filter(owner=owner)
            rows = rows.annotate(owner_is_blocked=Exists(blocks))
        related = self.list_select_related
        return rows.select_related(*related) if isinstance(related, list) else rows

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Add the legal holds that keep some of the rows: then none is deleted."""
        found, counts, missing, protected = super().get_deleted_objects(objs, request)
        if self.owner_path is not None:
            thread = "pk" if self.model is models.Thread else "thread"
            held = holds.holding(thread, f"{self.owner_path}owner")
            keys = [each.pk for each in objs]
            rows = self.model._default_manager.filter(held, pk__in=keys).order_by()
            text = _("legal hold: %(row)s")
            protected = [*protected, *(text % {"row": each} for each in rows)]
        return found, counts, missing, protected

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete a row, unless it is held by now."""
        with atomic():
            self._check_holds([obj.pk])
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete rows, unless some of them are held by now."""
        with atomic():
            self._check_holds(list(queryset.values_list("pk", flat=True)))
            super().delete_queryset(request, queryset)

    def _check_holds(self, keys: list[Any]) -> None:
        """Refuse to delete what was held since the page has asked for holds."""
        if self.owner_path is None:
            return
        rows = self.model._default_manager.filter(pk__in=keys).order_by()
        path = f"{self.owner_path}owner"
        # Whoever places a hold waits for that.
        counters.lock(set(rows.values_list(path, flat=True)))
        thread = "pk" if self.model is models.Thread else "thread"
        if rows.filter(holds.holding(thread, path)).exists():
            raise PermissionDenied("A legal hold was placed meanwhile.")

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return the fields, and the owner with their user name."""
        fields = [*super().get_search_fields(request)]
        if self.owner_path is None:
            return fields
        username = get_user_model().USERNAME_FIELD
        owner = ("owner", f"user__{username}")
        return fields + [f"{self.owner_path}{field}" for field in owner]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the class of the list."""
        return ChatKitChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Add the note that the list's template shows."""
        context = {"list_note": self.list_note, **(extra_context or {})}
        return super().changelist_view(request, context)

    @admin.display(description=_("owner"), ordering="owner")
    def person(self, obj: Any) -> SafeString | str:
        """Show the user, or the beginning of a visitor's key, and a block of theirs."""
        return with_block(owner_of(obj), obj)

    @admin.display(description=_("thread"), ordering="thread__title")
    def conversation(self, obj: Any) -> SafeString | str:
        """Show the thread, a link to its page."""
        if obj.thread is None:
            return EMPTY
        name = name_of(obj.thread)
        url = page_url(self.admin_site, models.Thread, "change", obj.thread_id)
        return format_html('<a href="{}">{}</a>', url, name) if url else name

    @admin.display(description=_("status"), ordering="status")
    def state(self, obj: Any) -> SafeString:
        """Show the status as a badge."""
        return badge(obj.status, obj.get_status_display())


class ReadOnlyModelAdmin(ChatKitModelAdmin):
    """Rows that staff may look at and, with the permission, delete."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: the pages only show."""
        return False


def count_of(model: type[Model], field: str) -> Coalesce:
    """Return the number of a model's rows that point to the outer row.

    It is a subquery, because two joined counts would multiply each other.
    """
    rows: QuerySet[Any] = model._default_manager.filter(**{field: OuterRef("pk")})
    counts = rows.order_by().values(field).annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counts), 0)


def visible(site: admin.AdminSite, request: HttpRequest, model: type[Model]) -> Any:
    """Return the rows of another model that its own pages would show."""
    if not site.is_registered(model):
        return model._default_manager.none()
    other = site.get_model_admin(model)
    if not other.has_view_permission(request):
        return model._default_manager.none()
    return other.get_queryset(request)


def page_url(site: admin.AdminSite, model: type[Model], page: str, *keys: Any) -> str:
    """Return the address of a page; empty if the project took the model out."""
    if not site.is_registered(model):
        return ""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    return reverse(name, args=[*map(quote, keys)], current_app=site.name)
