"""Today in numbers, and what needs a look, for the index of the admin."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext, ngettext

from .. import models
from ..failures.remedies import BY_REASON
from .base import ChatKitModelAdmin, page_url, visible
from .lists.counts import Count as Bounded
from .lists.counts import plain
from .markup import Number, local_time, money, words_of
from .snapshots import Snapshots, key_of

# Seconds for which a process shows the same numbers, and rows that a number counts.
snapshots = Snapshots(5.0)
MOST = 1000
DAY = datetime.timedelta(days=1)
Status = models.GeneratedImage.Status
FAILED = (Status.FAILED, Status.BLOCKED, Status.INTERRUPTED)
COUNTED = (
    models.GeneratedImage,
    models.Run,
    models.Feedback,
    models.Brake,
    models.OwnerBlock,
    models.DeletedFile,
)


class Panel:
    """What a person may see of today, and of what waits for staff.

    Every number is of rows that their own pages would show, and none reads more than a
    bounded number of them.

    Args:
        site: The admin.
        request: Who looks.
    """

    def __init__(self, site: AdminSite, request: HttpRequest) -> None:
        self.site = site
        self._rows = {
            model: plain(visible(site, request, model))
            for model in COUNTED
            if site.is_registered(model)
            and site.get_model_admin(model).has_view_permission(request)
        }
        self._request = request

    def __bool__(self) -> bool:
        return bool(self._rows)

    @cached_property
    def found(self) -> dict[str, Any]:
        """The numbers, which all who may see the same rows share for some seconds."""
        # People may be in different zones.
        day = self._midnight.isoformat()
        key = day, key_of(self._request, *self._rows.values())
        found: dict[str, Any] = snapshots.get(key, lambda *_: dict(self._count()))
        return found

    @property
    def today(self) -> list[Number]:
        """What has happened since midnight."""
        image, run, day = models.GeneratedImage, models.Run, self._since
        known = [
            ("images", ngettext("image", "images", self._n("images")), image, day),
            ("failures", gettext("without a result"), image, day | self._failed),
            (
                "running",
                ngettext(
                    "answer being written", "answers being written", self._n("running")
                ),
                run,
                {"status__exact": "running"},
            ),
            ("cost", gettext("cost"), run, day),
            ("disliked", gettext("disliked"), models.Feedback, self._disliked),
        ]
        return [
            self._number(name, label, model, query)
            for name, label, model, query in known
            if name in self.found
        ]

    @property
    def needed(self) -> list[Number]:
        """What needs a look; what there is none of is left out."""
        image, day, n = models.GeneratedImage, self._since, self._n
        known: list[tuple[str, str, Any, dict[str, Any]]] = [
            ("brake", gettext("the brake is on"), models.Brake, {"is_on__exact": 1}),
            (
                "review",
                ngettext("image to review", "images to review", n("review")),
                image,
                {"review": "yes"},
            ),
            (
                "held",
                ngettext("image held", "images held", n("held")),
                image,
                {"visibility__exact": "held"},
            ),
            (
                "reported",
                ngettext(
                    "image reported by people",
                    "images reported by people",
                    n("reported"),
                ),
                image,
                {"review_reason__exact": "report"},
            ),
            *(
                (
                    f"reason {reason}",
                    ngettext(
                        "answer failed today: %(reason)s",
                        "answers failed today: %(reason)s",
                        n(f"reason {reason}"),
                    )
                    % {"reason": words_of(reason)},
                    models.Run,
                    day | {"reason__exact": str(reason)},
                )
                for reason in BY_REASON
            ),
            (
                "blocked",
                ngettext("owner blocked today", "owners blocked today", n("blocked")),
                models.OwnerBlock,
                day,
            ),
            (
                "files",
                ngettext(
                    "file that the storage does not delete",
                    "files that the storage does not delete",
                    n("files"),
                ),
                models.DeletedFile,
                {"created_at__lt": (self._midnight - DAY).isoformat()},
            ),
        ]
        return [
            self._number(name, label, model, query)
            for name, label, model, query in known
            if self.found.get(name)
        ]

    def _count(self) -> Iterator[tuple[str, Any]]:
        """Yield each number, by one statement."""
        rows, since = self._rows, {"created_at__gte": self._midnight}
        if (images := rows.get(models.GeneratedImage)) is not None:
            today = images.filter(**since)
            yield "images", _bounded(today)
            yield "failures", _bounded(today.filter(status__in=FAILED))
            # A range of an index; for what is not null SQLite would read the table.
            soon = self._midnight + 2 * DAY
            waiting = images.filter(review_since__lt=soon)
            yield "review", _bounded(waiting)
            yield (
                "held",
                _bounded(images.filter(visibility="held", created_at__lt=soon)),
            )
            yield "reported", _bounded(waiting.filter(review_reason="report"))
        if (runs := rows.get(models.Run)) is not None:
            yield "running", _bounded(runs.filter(status="running"))
            today = runs.filter(**since).order_by("-created_at")
            cost = today[: MOST + 1].aggregate(sum=Sum("cost"), n=Count("pk"))
            if cost["sum"] is not None:
                yield "cost", (cost["sum"], cost["n"] > MOST)
            mended = today.filter(reason__in=[*BY_REASON])[: MOST + 1]
            reasons = Counter(mended.values_list("reason", flat=True))
            is_least = reasons.total() > MOST
            for name, n in reasons.items():
                yield f"reason {name}", Bounded(n, is_least=is_least)
        if (feedback := rows.get(models.Feedback)) is not None:
            negative = Q(kind="negative", updated_at__gte=self._midnight)
            yield "disliked", _bounded(feedback.filter(negative))
        if (brakes := rows.get(models.Brake)) is not None:
            yield "brake", _bounded(brakes.filter(is_on=True))
        if (blocks := rows.get(models.OwnerBlock)) is not None:
            yield "blocked", _bounded(blocks.filter(**since))
        if (files := rows.get(models.DeletedFile)) is not None:
            before = self._midnight - DAY
            due = Q(due_at=None) | Q(due_at__lt=before)
            yield "files", _bounded(files.filter(due, created_at__lt=before))

    def _n(self, name: str) -> int:
        return int(self.found.get(name) or 0)

    def _number(
        self, name: str, label: str, model: Any, query: dict[str, Any]
    ) -> Number:
        value, url = self.found[name], page_url(self.site, model, "changelist")
        is_cost = name == "cost"
        text = money(value[0]) + "+" * value[1] if is_cost else str(value)
        return Number(label, text, f"{url}?{urlencode(query)}")

    @cached_property
    def _midnight(self) -> datetime.datetime:
        now = local_time(timezone.now())
        return now.replace(hour=0, minute=0, second=0, microsecond=0)

    @property
    def _since(self) -> dict[str, Any]:
        return {"created_at__gte": self._midnight.isoformat()}

    @property
    def _failed(self) -> dict[str, Any]:
        return {"status__in": ",".join(FAILED)}

    @property
    def _disliked(self) -> dict[str, Any]:
        day = self._midnight.isoformat()
        return {"kind__exact": "negative", "updated_at__gte": day}


def _bounded(rows: QuerySet[Any]) -> Bounded:
    """Return how many rows there are, up to the bound."""
    number = rows.order_by().values("pk")[: MOST + 1].count()
    return Bounded(min(number, MOST), is_least=number > MOST)


class WithPanel(ChatKitModelAdmin):
    """A page by which the tag of the index finds the panel of its site."""

    def get_panel(self, request: HttpRequest) -> Panel:
        """Return the panel for a person."""
        return Panel(self.admin_site, request)
