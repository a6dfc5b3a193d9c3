"""Actions on rows: to stop their runs, to block their owners.

They are in the menu of a list, and buttons on the page of a row. A page asks for the
words that the person will read. Django logs each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.contrib.auth import get_user_model
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from .. import models
from ..cleaning import clip
from ..queries import brakes
from .base import BaseModelAdmin, page_url

# Owners whom one action may block, with the users behind them: as many as a person can
# check on the page.
MOST_OWNERS, MOST_NAMES = 100, 500
# Rows of each of them that the page sends.
OF_EACH = 5


class RowActions(BaseModelAdmin):
    """Offers some of the list's actions on the page of a row, too."""

    row_actions: Sequence[str] = ()
    # What a button says, if not what the menu of the list says.
    row_labels: Mapping[str, Any] = {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add the actions that the person may take."""
        context["row_actions"] = self.get_row_actions(request, context["original"])
        return super().render_change_form(request, context, *args, **kwargs)

    def get_row_actions(self, request: HttpRequest, row: Any) -> list[dict[str, str]]:
        """Return the actions that the person may take on a row."""
        offered = self.get_actions(request)
        url = page_url(self.admin_site, self.model, "changelist")
        return [
            {
                "name": name,
                "label": self.row_labels.get(name) or label_of(action),
                "url": url,
            }
            for name in self.row_actions
            if (action := offered.get(name)) and self.makes_sense(name, row)
        ]

    def makes_sense(self, action: str, row: Any) -> bool:
        """Return whether an action would change anything for a row."""
        return True

    def ask_words(
        self,
        request: HttpRequest,
        keys: Sequence[Any],
        action: str,
        *,
        title: str,
        question: str,
        listed: Iterable[object],
        standard: str,
    ) -> TemplateResponse:
        """Return the page that asks for words, and sends them with the action again."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": title,
            "question": question,
            "listed": listed,
            "standard": standard,
            "action": action,
            "keys": keys,
            "page": request.POST.get("page", ""),
            # With its filters the list would leave out what has changed meanwhile.
            "url": page_url(self.admin_site, self.model, "changelist"),
            "filters": request.GET.urlencode(),
        }
        # What Django's own pages tell templates, so that links stay in this site.
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/chatkit_images/ask_words.html", context)

    def back(self, request: HttpRequest) -> HttpResponseRedirect | None:
        """Return to the page of the row, or the list, on which the action was taken."""
        key, filters = request.POST.get("page", ""), request.POST.get("filters", "")
        if key:
            url = page_url(self.admin_site, self.model, "change", key)
            return HttpResponseRedirect(url)
        if filters:
            url = page_url(self.admin_site, self.model, "changelist")
            return HttpResponseRedirect(f"{url}?{QueryDict(filters).urlencode()}")
        return None


class OwnerActions(RowActions):
    """Blocks the owners of rows, and lets them chat again."""

    row_actions: Sequence[str] = ("block_owners", "unblock_owners")

    def makes_sense(self, action: str, row: Any) -> bool:
        """Return whether the owner is blocked, or not yet."""
        blocks = {"block_owners": False, "unblock_owners": True}
        return blocks.get(action) in (None, row.owner_is_blocked)

    def has_block_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may add a block by its own page."""
        site, model = self.admin_site, models.OwnerBlock
        if not site.is_registered(model):
            return False
        return bool(site.get_model_admin(model).has_add_permission(request))

    def has_unblock_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may delete a block by its own page."""
        site, model = self.admin_site, models.OwnerBlock
        if not site.is_registered(model):
            return False
        return bool(site.get_model_admin(model).has_delete_permission(request))

    @property
    def path_of_owner(self) -> str:
        """From a row to the column that names its owner."""
        return f"{getattr(self, 'owner_path', None) or ''}owner"

    def owners_of(self, rows: QuerySet[Any]) -> list[str]:
        """Return the owners of rows, one more than an action takes if it is many."""
        path = self.path_of_owner
        found = rows.order_by(path).values_list(path, flat=True).distinct()
        return [str(owner) for owner in found[: MOST_OWNERS + 1]]

    def may_take(self, request: HttpRequest, owners: list[str]) -> bool:
        """Return whether owners are as many as an action takes; else say so."""
        if 0 < len(owners) <= MOST_OWNERS:
            return True
        text = gettext("Choose rows of 1 to %(n)d owners.")
        self.message_user(request, text % {"n": MOST_OWNERS}, messages.ERROR)
        return False

    def named(self, rows: QuerySet[Any], owners: list[str]) -> list[str]:
        """Return owners with the names of users who have rows of theirs."""
        owner = self.path_of_owner
        path = owner.removesuffix("owner")
        username = f"{path}user__{get_user_model().USERNAME_FIELD}"
        pairs = rows.filter(**{f"{owner}__in": owners, f"{username}__isnull": False})
        names: dict[str, list[str]] = {}
        found = pairs.order_by(owner).values_list(owner, username).distinct()
        for key, name in found[:MOST_NAMES]:
            names.setdefault(key, []).append(str(name))
        return [
            f"{clip(key, 16)} ({', '.join(names[key])})"
            if key in names
            # That of a visitor is a secret.
            else clip(key, 16)
            for key in owners
        ]

    @admin.action(permissions=["block"], description=_("Block the owner"))
    def block_owners(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponseBase | None:
        """Block the owners of rows, with words."""
        owners = self.owners_of(queryset)
        if not self.may_take(request, owners):
            return self.back(request)
        if "words" not in request.POST:
            return self.ask_words(
                request,
                some_of_each(queryset, self.path_of_owner, owners),
                "block_owners",
                title=gettext("Block the owner"),
                question=gettext(
                    "They get no new answers, and answers on their way end within "
                    "seconds:"
                ),
                listed=self.named(queryset, owners),
                standard=brakes.block_words(),
            )
        words = request.POST["words"].strip()
        rows = brakes.block(owners, words, request.user)
        log(request, rows, ADDITION, [{"added": {}}])
        count = len(owners)
        text = ngettext("%(n)d owner is blocked.", "%(n)d owners are blocked.", count)
        self.message_user(request, text % {"n": count}, messages.SUCCESS)
        return self.back(request)

    @admin.action(permissions=["unblock"], description=_("Unblock the owner"))
    def unblock_owners(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponseBase | None:
        """Let the owners of rows chat again."""
        owners = self.owners_of(queryset)
        if not self.may_take(request, owners):
            return self.back(request)
        rows = brakes.unblock(owners)
        log(request, rows, DELETION, "")
        text = ngettext(
            "%(n)d owner may chat again.", "%(n)d owners may chat again.", len(rows)
        )
        self.message_user(request, text % {"n": len(rows)}, messages.SUCCESS)
        return self.back(request)


def some_of_each(rows: QuerySet[Any], path: str, values: Iterable[Any]) -> list[Any]:
    """Return keys of rows for each value of a field, of which there are few.

    A form sends as many fields as ``DATA_UPLOAD_MAX_NUMBER_FIELDS`` says, and an owner
    may have more rows than that. One row would not do: it may be deleted meanwhile.
    """
    its = (rows.filter(**{path: value}).order_by() for value in values)
    return [key for each in its for key in each.values_list("pk", flat=True)[:OF_EACH]]


def log(request: HttpRequest, rows: Sequence[Model], flag: int, message: Any) -> None:
    """Write what was done to rows into Django's log, if there are any."""
    if rows:
        LogEntry.objects.log_actions(str(request.user.pk), rows, flag, message)


def label_of(action: Any) -> str:
    """Return the words of an action, which is a tuple before Django 6.1."""
    label: str = action[2] if isinstance(action, tuple) else action.description
    return label
