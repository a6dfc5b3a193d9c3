"""What the pages have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, QuerySet, Value
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .. import models
from ..cleaning import is_clean
from ..queries import counters, holds
from ..transactions import atomic
from .lists import BoundedChangeList, Search, person_link
from .markup import EMPTY, name_of, owner_of, status_badge, with_block

if TYPE_CHECKING:
    BaseModelAdmin = admin.ModelAdmin[Any]
else:
    BaseModelAdmin = admin.ModelAdmin


class ChatKitModelAdmin(BaseModelAdmin):
    """Rows that the chat makes: staff cannot add any.

    A project that overrides ``get_queryset()`` narrows pages, actions and bytes.
    """

    # Other models whose pages the columns lead to, for who may see them.
    opens: Sequence[type[Model]] = (models.Thread,)
    # Path from the model to the row that names its owner; None if no row does.
    owner_path: str | None = ""
    list_note: Any = ""
    # How rows come to be, for a list that has none.
    list_empty: Any = ""
    # The order of the list, along an index; and others, by their names, in which it has
    # the newest rows of a period.
    list_order = "-created_at"
    list_per_page = 50
    other_orders: Mapping[str, Any] = {}
    # Columns with an index whose whole value a search may be.
    search_keys: Sequence[str] = ("pk",)
    # Whether PostgreSQL has an index of the words in the other search fields.
    has_words = False
    # Their numbers would read all rows.
    show_facets = ShowFacets.NEVER
    show_full_result_count = False

    class Media:
        css = {
            "all": [
                "chatkit_images/admin/admin.css",
                "chatkit_images/admin/pages.css",
                "chatkit_images/admin/lists.css",
            ]
        }
        js = ["chatkit_images/admin/lost_images.js"]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return ``False``: rows come from the chat."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows with what their pages say of others."""
        rows: QuerySet[Any] = super().get_queryset(request)
        for other in self.opens:
            may = Value(may_view(self.admin_site, request, other))
            rows = rows.annotate(**{f"may_open_{other._meta.model_name}": may})
        if self.owner_path is not None:
            owner = OuterRef(f"{self.owner_path}owner")
            blocks = models.OwnerBlock.objects.filter(owner=owner)
            rows = rows.annotate(owner_is_blocked=Exists(blocks))
        related = self.list_select_related
        return rows.select_related(*related) if isinstance(related, list) else rows

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return a row; ``None`` for a key that PostgreSQL refuses to look for."""
        if not is_clean(object_id):
            return None
        return super().get_object(request, object_id, from_field)

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

    @property
    def person_path(self) -> str | None:
        """Path to the row that has the column ``owner``; ``None`` if none has."""
        return self.owner_path

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows of a key or a person, else those with the words."""
        search = Search.of(request, self, search_term)
        if search.is_for_words:
            return super().get_search_results(request, queryset, search.term)
        return search.apply(queryset), False

    def get_sortable_by(self, request: HttpRequest) -> tuple[()]:
        """Return nothing: another order would read all rows."""
        return ()

    def prepare_rows(self, rows: list[Any]) -> None:
        """Add to the rows of a page what its columns need, in one statement each."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the class of the list."""
        return BoundedChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Add the note that the list's template shows."""
        context = {
            "list_note": self.list_note,
            "list_empty": self.list_empty,
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    @admin.display(description=_("owner"))
    def person(self, obj: Any) -> SafeString | str:
        """Show the user, or the beginning of a visitor's key, and a block of theirs."""
        return with_block(self.link_to(obj, owner_of(obj)), obj)

    def link_to(self, row: Any, name: str) -> SafeString | str:
        """Return a name, a link to the rows of this list that the row's owner has.

        Args:
            row: A row with the column ``owner``.
            name: What the owner is called.
        """
        url = page_url(self.admin_site, self.model, "changelist")
        return person_link(url, row, name)

    @admin.display(description=_("thread"))
    def conversation(self, obj: Any) -> SafeString | str:
        """Show the thread, a link to its page for who may see that."""
        if obj.thread is None:
            return EMPTY
        name = name_of(obj.thread)
        if not getattr(obj, "may_open_thread", False):
            return name
        url = page_url(self.admin_site, models.Thread, "change", obj.thread_id)
        return format_html('<a href="{}">{}</a>', url, name) if url else name

    @admin.display(description=_("status"))
    def state(self, obj: Any) -> SafeString:
        """Show the status as a badge."""
        return status_badge(obj)


class ReadOnlyModelAdmin(ChatKitModelAdmin):
    """Rows that staff may look at and, with the permission, delete."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: the pages only show."""
        return False


def may_view(site: admin.AdminSite, request: HttpRequest, model: type[Model]) -> bool:
    """Return whether the person may open the pages of another model."""
    return site.is_registered(model) and bool(
        site.get_model_admin(model).has_view_permission(request)
    )


def visible(site: admin.AdminSite, request: HttpRequest, model: type[Model]) -> Any:
    """Return the rows of another model that its own pages would show."""
    if not may_view(site, request, model):
        return model._default_manager.none()
    return site.get_model_admin(model).get_queryset(request)


def page_url(site: admin.AdminSite, model: type[Model], page: str, *keys: Any) -> str:
    """Return the address of a page; empty if the project took the model out."""
    if not site.is_registered(model):
        return ""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    return reverse(name, args=[*map(quote, keys)], current_app=site.name)
