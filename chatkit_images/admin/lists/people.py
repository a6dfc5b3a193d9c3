"""The rows of one person: a filter, the line that names them, and links to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ... import models, visitors
from ...contexts import context_class
from ..markup import owner_of

# Threads of a person whose images a page reads.
MOST_THREADS = 200
# Begins a parameter that names a row of the person instead of their key.
OF_ROW = "of:"
NAMED = (
    models.Thread,
    models.Run,
    models.Attachment,
    models.Feedback,
    models.UseEntry,
    models.OwnerBlock,
    models.LegalHold,
)


def parameter_of(row: Any) -> str:
    """Return what names the owner of a row in an address.

    A visitor's key is a secret, which would get into logs. So a row of theirs is named.
    """
    if not visitors.is_visitor(row.owner):
        return str(row.owner)
    return f"{OF_ROW}{row._meta.model_name}:{row.pk}"


def person_link(url: str, row: Any, name: str) -> SafeString | str:
    """Return the name of a row's owner, a link to their rows in a list.

    Args:
        url: The address of the list; without it there is no link.
        row: A row that names its owner.
        name: What the owner is called.
    """
    if not url or not row.owner:
        return name
    query = urlencode({OwnerFilter.parameter_name: parameter_of(row)})
    return format_html('<a href="{}?{}">{}</a>', url, query, name)


class OwnerFilter(admin.ListFilter):
    """The rows of one owner. Pages link to it where a person stands."""

    title = _("person")
    parameter_name = "owner"

    def __init__(
        self, request: HttpRequest, params: Any, model: Any, model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.path = f"{model_admin.person_path}owner"
        self.owner: str | None = None
        self.name = ""
        if self.parameter_name in params:
            value = str(params.pop(self.parameter_name)[-1])
            self.used_parameters[self.parameter_name] = value
            self.owner = self._find(request, model_admin, value)

    def _find(self, request: HttpRequest, model_admin: Any, value: str) -> str:
        """Return the owner that a parameter names, and note their name."""
        row = None
        if value.startswith(OF_ROW):
            row = _row_of(request, model_admin.admin_site, value)
        else:
            row = _thread_of(request, model_admin, self.path, value)
        if row is None:
            self.name = value[:16]
            return "" if value.startswith(OF_ROW) else value
        self.name = owner_of(row) if hasattr(row, "user") else row.owner[:16]
        return str(row.owner)

    def expected_parameters(self) -> list[str | None]:
        """Return the name of its parameter."""
        return [self.parameter_name]

    def has_output(self) -> bool:
        """Return whether a person is chosen."""
        return self.owner is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the owner."""
        if self.owner is None:
            return queryset
        if not self.owner:
            return queryset.none()
        return queryset.filter(**{self.path: self.owner})

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the way back, and the person."""
        remove = [self.parameter_name]
        yield {
            "selected": False,
            "query_string": changelist.get_query_string(remove=remove),
            "display": _("All"),
        }
        yield {
            "selected": True,
            "query_string": changelist.get_query_string(),
            "display": self.name,
        }


def _row_of(request: HttpRequest, site: admin.AdminSite, value: str) -> Any:
    """Return the row that a parameter names, if its own page would show it."""
    kind, _between, key = value.removeprefix(OF_ROW).partition(":")
    model = next((each for each in NAMED if each._meta.model_name == kind), None)
    if model is None or not site.is_registered(model):
        return None
    model_admin = site.get_model_admin(model)
    if not model_admin.has_view_permission(request):
        return None
    return model_admin.get_object(request, key)


def _thread_of(request: HttpRequest, model_admin: Any, path: str, owner: str) -> Any:
    """Return a thread of an owner, which tells the user, if staff may know of it.

    Neither the list nor the pages of threads may be narrowed so that they leave it out.
    """
    site, rows = model_admin.admin_site, model_admin.get_queryset(request)
    if rows.query.where and not rows.filter(**{path: owner}).exists():
        return None
    threads = models.Thread.objects.all()
    if site.is_registered(models.Thread):
        threads = site.get_model_admin(models.Thread).get_queryset(request)
    threads = threads.filter(owner=owner).select_related("user")
    return next(iter(threads.order_by("-created_at", "-pk")[:1]), None)


def of_person(
    model: type[Model], path: str, term: str
) -> tuple[Q, bool, str | None] | None:
    """Return the condition for the rows of a person; ``None`` if there is none.

    Beside it stands whether the rows are few, and the key if that names all of them.

    Args:
        model: Of the rows.
        path: To the row that names the owner.
        term: The whole key of an owner, or the name of a user.
    """
    named = _end_of(model, path)
    owner = term
    if any(each.name == "user" for each in named.get_fields()):
        users: Any = get_user_model()._default_manager
        user = users.filter(**{get_user_model().USERNAME_FIELD: term}).first()
        if user is not None:
            own = context_class().own_key(user)
            others = named.model._default_manager.filter(user=user).exclude(owner=own)
            if others.exists():
                # Rows of a team, too.
                return Q(**{f"{path}user": user}), False, None
            owner = own
    if not named.model._default_manager.filter(owner=owner).exists():
        return None
    return Q(**{f"{path}owner": owner}), False, owner


def _end_of(model: type[Model], path: str) -> Any:
    for name in path.split("__")[:-1]:
        related: Any = model._meta.get_field(name).related_model
        model = related
    return model._meta
