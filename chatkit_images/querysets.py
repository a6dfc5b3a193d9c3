"""Queries of the models. What a person asks for goes through ``for_owner``."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import connections, models
from django.db.models import Q
from django.utils import timezone

from . import keysets
from .conf import settings
from .contexts import context_class
from .times import Now
from .visitors import VISITOR

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    # The linter does not look for names in the bases of classes.
    from .context import RequestContext
    from .models import (  # noqa: F401
        Feedback,
        GeneratedImage,
        Run,
        ThreadItem,
    )

M = TypeVar("M", bound=models.Model)


class FreshQuerySet(models.QuerySet[M]):
    """Rows as they were written last.

    A replica may lag behind, and whoever reads after a write must see it. So rows are
    read from the database that the routers name for writes, unless ``using()`` names
    another one.
    """

    @property
    def db(self) -> str:
        """Return the database of the query, as it is for a write."""
        # Asked when the query is executed, as the answer may depend on the tenant.
        self._for_write = True
        return super().db


class OwnedQuerySet(FreshQuerySet[M]):
    """Rows of one owner; the rows of all others do not exist."""

    owner_field = "owner"

    def for_owner(self, owner: str) -> Self:
        """Return the rows of an isolation key."""
        return self.filter(**{self.owner_field: owner})

    def for_user(self, user: AbstractBaseUser) -> Self:
        """Return the rows of a user, which may be those of a team."""
        return self.for_owner(context_class().get_owner(user))

    def one(self) -> Any | None:
        """Return the row of a unique key, if there is one.

        Unlike ``first()``, this does not make the database sort.
        """
        return next(iter(self.order_by()), None)

    def locked(self) -> Self:
        """Return the rows, locked against other writers until the transaction ends.

        Other transactions may still insert rows that point at them. PostgreSQL checks
        the foreign keys of a new image when its transaction ends: first the run, then
        the thread. With a full row lock, a transaction that locks the thread and then
        the run would deadlock with one that inserts an image.
        """
        features = connections[self.db].features
        return self.select_for_update(no_key=features.has_select_for_no_key_update)

    def page(
        self,
        cursor: tuple[datetime.datetime, Any] | None,
        order: str,
        limit: int,
        **within: Any,
    ) -> list[M]:
        """Return the first rows after ``(created_at, pk)``, in that order.

        A keyset page does not shift when rows are added or deleted before it. At any
        depth it reads the rows that it has, also if many rows have the same time.

        Args:
            cursor: Where the page before ended; ``None`` for the first.
            order: ``"asc"`` for oldest first, else newest first.
            limit: How many rows.
            within: The column of whose value the rows are, and the value. An index must
                begin with it and go on with ``created_at`` and the primary key.
        """
        return keysets.page(self, cursor, order, limit, within)


class ThreadItemQuerySet(OwnedQuerySet["ThreadItem"]):
    """Queries of thread items."""

    owner_field = "thread__owner"

    def of_owner(self, thread_id: str, owner: str) -> Self:
        """Return the items, or none if a thread is not an owner's.

        For a ``page`` of the thread. If the items were joined to their threads, MySQL
        and MariaDB would sort all of them.
        """
        threads: Any = self.model._meta.get_field("thread").related_model
        own = threads.objects.for_owner(owner).filter(pk=thread_id)
        return self.filter(models.Exists(own))


class FeedbackQuerySet(OwnedQuerySet["Feedback"]):
    """Queries of feedback. Its own ``owner`` is a person, whoever has the thread."""

    owner_field = "thread__owner"


class GeneratedImageQuerySet(OwnedQuerySet["GeneratedImage"]):
    """Queries of generated images."""

    owner_field = "thread__owner"

    def shown(self) -> Self:
        """Return the images of their threads whose file their owner may see."""
        rows = self.filter(superseded_at=None, visibility__in=("shown", "unchecked"))
        return rows.exclude(file="").exclude(status__in=("generating", "blocked"))

    def unfinished(self) -> Self:
        """Return the images that are still being generated."""
        return self.filter(status="generating")

    def finish(self, status: str, **fields: Any) -> int:
        """Give unfinished images a final state; 0 if they have one by now."""
        return self.unfinished().update(
            status=status, finished_at=timezone.now(), **fields
        )


class RunQuerySet(OwnedQuerySet["Run"]):
    """Queries of runs."""

    def asked_by(self, context: RequestContext) -> Self:
        """Return the runs of a context's owner.

        Among them are live ones that a visitor has begun who is logged in by now: they
        move to the user when they end.
        """
        if context.user_id is None:
            return self.for_owner(context.owner)
        begun = Q(status="running", user=context.user_id, owner__startswith=VISITOR)
        return self.filter(Q(owner=context.owner) | begun)

    def running(self) -> Self:
        """Return the runs that have not ended."""
        return self.filter(status="running")

    def stale(self) -> Self:
        """Return the running rows whose process writes no heartbeats any more."""
        age = datetime.timedelta(seconds=settings.RUN_STALE_SECONDS)
        # The database's clock decides, because the clocks of two servers may differ.
        return self.running().filter(heartbeat_at__lt=Now() - age)

    def beat(self) -> int:
        """Write the heartbeats of those of the runs that were not taken over."""
        return self.running().update(heartbeat_at=Now())

    def request_stop(self, **fields: Any) -> int:
        """Ask the processes of running rows to end them.

        Args:
            fields: Why, in columns of the rows, which the end of a run overwrites.
        """
        return self.running().update(stop_requested_at=Now(), **fields)

    def finish(self, status: str, **fields: Any) -> int:
        """End running rows; 0 if they had ended before."""
        return self.running().update(
            status=status, finished_at=timezone.now(), **fields
        )
