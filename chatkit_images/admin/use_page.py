"""The page of use and cost: by day, by person, by model."""

from __future__ import annotations

import csv
import logging
from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext

from .. import models
from ..cleaning import clip, is_clean
from ..conf import settings
from ..contexts import carried, context_class
from ..models import ALL
from ..protocol.limits import left_of_owner
from ..queries import owners, sums
from ..queries.costs import currency
from ..reports.use import CHUNK, MOST_PERSONS, Period, UseReport
from ..server import get_server
from .base import ReadOnlyModelAdmin, page_url
from .use_chart import chart_of
from .use_tables import Line, csv_rows, lines_of, name_of_model, persons_of

logger = logging.getLogger(__name__)
TABLES = ("days", "models", "persons")


@admin.register(models.UseSummary)
class UseSummaryAdmin(ReadOnlyModelAdmin):
    """Use and cost, from sums. Whoever narrows ``get_queryset()`` narrows the sums."""

    owner_path = None
    fields = [
        ("period", "start"),
        ("owner", "model"),
        ("runs", "images", "failed"),
        ("failures", "bytes"),
        ("tokens", "input_tokens", "output_tokens"),
        ("cost", "unpriced", "updated_at"),
    ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: sums follow the ledger."""
        return False

    def get_urls(self) -> list[Any]:
        """Add the address of the tables as CSV."""
        view = self.admin_site.admin_view(self.csv_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_csv"
        return [path("csv/<str:table>/", view, name=name), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the page in place of a list."""
        report = self._report(request)
        asked = self._asked(request, report)
        _fold()
        persons = [] if report.owner else list(report.persons()[: MOST_PERSONS + 1])
        context = {
            **self.admin_site.each_context(request),
            "title": capfirst(self.opts.verbose_name_plural),
            "subtitle": self._name(report) or None,
            "opts": self.opts,
            "report": report,
            "asked": asked,
            "csv": {name: f"csv/{name}/?{urlencode(asked)}" for name in TABLES},
            "complete_until": sums.complete_until(),
            "chart": chart_of(report.period, report.parts) if report.parts else None,
            "total": Line.of("", report.total) if report.total else None,
            "days": lines_of(report),
            "models": [
                Line.of(name_of_model(row.model), row, _link(asked, row.model))
                for row in report.by_model
            ],
            "persons": persons_of(persons[:MOST_PERSONS], f"?{urlencode(asked)}"),
            "has_more_persons": len(persons) > MOST_PERSONS,
            "person": self._name(report),
            "limits": self._limits(report),
            "periods": self._periods(report),
            "currency": currency(),
            "ledger": page_url(self.admin_site, models.UseEntry, "changelist"),
            **(extra_context or {}),
        }
        template = "admin/chatkit_images/usesummary/change_list.html"
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, context)

    def csv_view(self, request: HttpRequest, table: str) -> HttpResponseBase:
        """Return a table of the page as CSV, all of its lines, in pieces."""
        report = self._report(request)
        if table not in TABLES:
            raise Http404
        _fold()
        lines = csv_rows(report, table)
        # It is read when middleware has let go of what it had selected.
        context = context_class().for_owner("", None, request)
        take = carried(lambda: "".join(map(_line, islice(lines, CHUNK))), context)
        answer = StreamingHttpResponse(
            _pieces(take) if hasattr(request, "scope") else iter(take, ""),
            content_type="text/csv; charset=utf-8",
        )
        name = f"use-{report.period.name}-{table}.csv"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    def _report(self, request: HttpRequest) -> UseReport:
        """Return what is asked for.

        Raises:
            PermissionDenied: If the person may not see any.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows, asked = self.get_queryset(request), request.GET
        owner = asked.get("owner", "")[:255]
        if number := asked.get("person", ""):
            # The key of a visitor is a secret, and is in no address.
            try:
                key = self.opts.pk.to_python(number)
            except ValidationError as error:
                raise Http404 from error
            row = rows.filter(pk=key).first()
            if row is None:
                raise Http404
            owner = row.owner
        model = asked.get("model") or None
        if not is_clean(owner + (model or "")):
            raise Http404
        return UseReport(rows, Period.of(asked.get("period", "")), owner, model)

    def _asked(self, request: HttpRequest, report: UseReport) -> dict[str, str]:
        """Return what the links of the page keep."""
        asked = {"period": report.period.name}
        for name in ("person", "owner"):
            if report.owner and request.GET.get(name):
                asked[name] = request.GET[name]
                break
        if report.model is not None:
            asked["model"] = report.model
        return asked

    def _periods(self, report: UseReport) -> list[str]:
        names = report.periods()
        return names if report.period.name in names else [report.period.name, *names]

    def _is_known(self, report: UseReport) -> bool:
        """Return whether staff may know of a person: rows may be narrowed."""
        rows: Any = report.rows
        is_narrowed = bool(rows.query.where)
        return not is_narrowed or rows.filter(owner=report.owner).exists()

    def _name(self, report: UseReport) -> str:
        owner = report.owner
        if not owner or owner == ALL:
            return ""
        user = owners.user_of(owner) if self._is_known(report) else None
        return str(user.get_username()) if user is not None else clip(owner, 16)

    def _limits(self, report: UseReport) -> list[dict[str, Any]]:
        """Return the limits of a person, and how much of each is used."""
        owner = report.owner
        if not owner or not self._is_known(report):
            return []
        server = get_server() if settings.SERVER else None
        try:
            found = left_of_owner(server, owner, owners.user_of(owner))
        except Exception:
            # The project's method may raise anything, and sums have nothing to do with
            # it.
            logger.exception("get_limits() has failed for a person")
            return [{"name": gettext("The limits are unknown; see the log.")}]
        return [
            _limit(name, values)
            for name, values in found["limits"].items()
            if "used" in values
        ]


def _limit(name: str, values: dict[str, int]) -> dict[str, Any]:
    """Return a limit as people read it."""
    said: Any = filesizeformat if name == "BYTES_STORED" else number_format
    return {
        "name": name.replace("_", " ").capitalize(),
        "used": said(values["used"]),
        "limit": said(values["limit"]),
        "share": _share(values),
    }


def _link(asked: dict[str, str], model: str) -> str:
    return f"?{urlencode(asked | {'model': model})}" if model else ""


def _share(values: dict[str, int]) -> int:
    if not values["limit"]:
        return 100
    return min(100, round(100 * values["used"] / values["limit"]))


class _Echo:
    """Returns what a writer would write."""

    def write(self, text: str) -> str:
        return text


_writer = csv.writer(_Echo())


def _line(row: list[Any]) -> str:
    return str(_writer.writerow(row))


async def _pieces(take: Callable[[], str]) -> AsyncIterator[str]:
    """Yield pieces under ASGI, where an iterator of threads would be read at once."""
    while found := await sync_to_async(take)():
        yield found


def _fold() -> None:
    """Bring the sums up to date, as far as the database lets."""
    try:
        sums.fold(sums.OF_A_PAGE)
    except DatabaseError:
        # The page says from when on something is missing.
        logger.warning("Entries of use are not folded into sums", exc_info=True)
