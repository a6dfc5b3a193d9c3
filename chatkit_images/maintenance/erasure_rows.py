"""The rows of one owner, deleted in slices.

Each transaction is short, and asks again whether a thread is held, behind the lock of
the thread. Others write meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from .. import models
from ..queries import counters, holds, sums, use
from ..transactions import atomic
from . import erasure_others
from .receipts import Receipt
from .slices import SLICE, Delete, Slices, Told

# Threads that are deleted together.
THREADS = 100


class Erasure(Slices):
    """Deletes the rows of an owner, and counts them in a receipt.

    Args:
        owner: The isolation key.
        receipt: Counts what is deleted.
        told: Is called with a kind and how many of its rows are deleted so far.
    """

    def __init__(self, owner: str, receipt: Receipt, told: Told) -> None:
        super().__init__(receipt, told)
        self.owner = owner

    def rows(self) -> bool:
        """Delete what there is, and return whether there was anything."""
        before = sum(self.receipt.rows.values())
        for keys in self._threads():
            self.delete_threads(keys, bury=_forget_decisions)
        owned: dict[str, Any] = {"owner": self.owner}
        files = models.Attachment.objects.filter(~holds.holding("thread"), **owned)
        self._slices(files, self.delete_files, "thread")
        runs = models.Run.objects.filter(~holds.holding("thread"), **owned)
        self._slices(runs.exclude(status="running"), self.delete_runs, "thread")
        held = holds.holding("thread", "thread__owner")
        thumbs = models.Feedback.objects.filter(~held, **owned)
        self._slices(thumbs, self.plainly(models.Feedback), "thread")
        positions = models.DeletedPosition.objects.filter(scope=self.owner)
        self._slices(positions, self.plainly(models.DeletedPosition))
        # Those of runs that are there go with these, or are kept with them.
        there = models.Run.objects.filter(pk=OuterRef("run_id"))
        ends = models.RunEnd.objects.filter(payload__data__owner=self.owner)
        self._slices(ends.filter(~Exists(there)), self.plainly(models.RunEnd))
        return sum(self.receipt.rows.values()) > before

    def use(self) -> int:
        """Make what the owner has used nobody's, and return how many entries."""
        entries = models.UseEntry.objects.for_owner(self.owner).order_by("pk")
        count, is_through = 0, False
        while not is_through:
            with atomic():
                if self._is_held():
                    return count
                sums.lock()
                keys = list(entries.values_list("pk", flat=True)[:SLICE])
                rows = models.UseEntry.objects.filter(pk__in=keys)
                count += rows.update(owner="", address="")
                if is_through := len(keys) < SLICE:
                    kinds = models.UseCounter.objects.for_owner(self.owner)
                    self.receipt.add({"counters": kinds.exclude(kind="").count()})
                    use.forget(self.owner)
            self.told("use_entries", count)
        return count

    def leave_teams(self, user: Any) -> int:
        """Take a user off the rows of others, such as teams; return how many."""
        count = 0
        for model, (thread, owner) in erasure_others.PATHS.items():
            rows = erasure_others.naming(model, self.owner, user)
            rows = rows.filter(~holds.holding(thread, owner))
            values: dict[str, Any] = {"user": None}
            if model is models.Run:
                rows = rows.exclude(status="running")
                values |= {"context": {}, "safety_identifier": ""}
            page = list(rows.order_by().values_list("pk", owner)[:SLICE])
            while page:
                with atomic():
                    # Some are in no thread, and their holds wait for their owner's use.
                    if self._is_held(*(key for _pk, key in page)):
                        return count
                    free = _free(rows, [pk for pk, _key in page], thread)
                    same = model._default_manager.filter(pk__in=free)
                    count += same.update(**values)
                page = list(rows.order_by().values_list("pk", owner)[:SLICE])
        return count

    def _is_held(self, *others: str) -> bool:
        """Lock what whoever holds an owner waits for, and ask whether it is held."""
        counters.lock([self.owner, *others])
        return holds.of(self.owner)

    def _threads(self) -> Iterator[list[str]]:
        """Yield the threads that are not held, some at a time."""
        rows = models.Thread.objects.for_owner(self.owner).order_by("created_at", "pk")
        rows = rows.filter(~holds.holding())
        page = list(rows.values_list("pk", "created_at")[:THREADS])
        while page:
            yield [key for key, _at in page]
            # Those before are gone.
            rest = rows.filter(created_at__gte=page[-1][1])
            page = list(rest.values_list("pk", "created_at")[:THREADS])

    def _slices(self, rows: QuerySet[Any], delete: Delete, thread: str = "") -> None:
        """Delete rows outside of the owner's threads."""
        keys: list[Any] = [None]
        while keys:
            with atomic():
                if self._is_held():
                    return
                keys = list(rows.order_by().values_list("pk", flat=True)[:SLICE])
                free = _free(rows, keys, thread) if thread else keys
                if free:
                    delete(free)


def _forget_decisions(threads: list[str]) -> None:
    """Keep of decisions about a person's images who decided what, and when."""
    rows = models.Decision.objects.filter(thread_id__in=threads)
    rows.update(thread_id="", item_id="", reason="", words="")


def _free(rows: QuerySet[Any], keys: list[Any], thread: str) -> list[Any]:
    """Lock the threads of rows, and return those rows that are such rows even then."""
    same = rows.filter(pk__in=keys).order_by()
    holds.lock_threads(set(same.values_list(thread, flat=True)) - {None})
    return list(same.values_list("pk", flat=True))
