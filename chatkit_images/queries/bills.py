"""The bill of a run: what each model did, in entries of the ledger.

A bill is written as the difference between what the ledger says of a run and what its
rows say. So it may be written again at any time: when prices change, or when an image
is found late.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from .. import models, prices
from ..cleaning import clean, clip
from . import costs

Kind = models.UseKind
FIGURES = ("bytes", "tokens", "input_tokens", "output_tokens", "cost", "unpriced")
# A model, and why images have failed.
Line = tuple[str, str]


@dataclass
class Amounts:
    """What one line of a bill says, or the difference of two."""

    amount: int = 0
    bytes: int = 0
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0

    def add(self, other: Amounts, sign: int = 1) -> None:
        """Add another line, or take it away."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + sign * value)


def write(
    first: Mapping[str, Any],
    run_id: uuid.UUID,
    run: models.Run | None,
    images: list[Any],
    granted: int,
) -> None:
    """Write the entries that a bill lacks. The counters of the owner are locked.

    Args:
        first: Owner, address and day of the run.
        run_id: The run.
        run: Its row, or what it is known to have used if that is deleted.
        images: Its images, with their costs.
        granted: How many images it is known to have made if its row is deleted.
    """
    said, is_billed = _said(run_id)
    if run is None and is_billed:
        return
    lines = lines_of(run, images) if run is not None else {}
    if run is None or run.pk is None:
        lines.setdefault(("", ""), Amounts()).add(
            Amounts(amount=granted, unpriced=granted)
        )
    elif counted([run_id]).get(run_id, 0) > len(images):
        return  # Some were deleted since, and it was billed for them.
    for key, amounts in said.items():
        lines.setdefault(key, Amounts()).add(amounts, -1)
    models.UseEntry.objects.bulk_create(
        models.UseEntry(
            **first,
            kind=Kind.BILL,
            run_id=run_id,
            model=model,
            reason=reason,
            **vars(amounts),
        )
        for (model, reason), amounts in lines.items()
        if any(astuple(amounts))
    )


def counted(runs: list[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return of how many images runs have a bill.

    A run that has fewer images has lost some. It keeps its cost, as they were paid.
    """
    entries = models.UseEntry.objects.filter(run_id__in=runs, kind=Kind.BILL)
    found = entries.order_by().values_list("run_id").annotate(Sum("amount"))
    return {key: amount for key, amount in found if key is not None}


def lines_of(run: models.Run, images: list[Any]) -> dict[Line, Amounts]:
    """Return the lines of a run's bill."""
    lines: dict[Line, Amounts] = {}
    known = prices.current()
    words = costs.words_cost(run, known)
    for name, usage in costs.usage_of(run).items():
        line = lines.setdefault((_name(name), ""), Amounts())
        line.add(_used(usage, words[name]))
    for image in images:
        is_made = image.status == costs.Status.COMPLETED
        reason = "" if is_made else _reason(image)
        line = lines.setdefault((_name(image.model), reason), Amounts())
        used = _used(image.usage, image.cost)
        if not is_made and costs.is_free(image):
            used.unpriced = 0
        used.amount = 1
        used.bytes = image.bytes or 0 if is_made else 0
        line.add(used)
    return lines


def _used(usage: Any, cost: Decimal | None) -> Amounts:
    read = prices.count_of(usage, "input_tokens")
    written = prices.count_of(usage, "output_tokens")
    return Amounts(
        tokens=prices.count_of(usage, "total_tokens") or read + written,
        input_tokens=read,
        output_tokens=written,
        cost=cost or Decimal(0),
        unpriced=int(cost is None),
    )


def _reason(image: models.GeneratedImage) -> str:
    return clip(image.reason or image.error_code or image.status, 64)


def _name(model: str) -> str:
    return clean(model)[:255]


def _said(run_id: uuid.UUID) -> tuple[dict[Line, Amounts], bool]:
    """Return what the ledger says of a run so far, and whether it has a bill.

    Processes of the version before count images and tokens without a bill.
    """
    entries = models.UseEntry.objects.filter(run_id=run_id).order_by()
    entries = entries.exclude(is_summed=None).exclude(kind=Kind.RUN)
    sums = {name: Sum(name) for name in ("amount", *FIGURES)}
    said: dict[Line, Amounts] = {}
    is_billed = False
    grouped: Any = entries.values("kind", "model", "reason")
    for row in grouped.annotate(**{f"sum_{name}": each for name, each in sums.items()}):
        line = said.setdefault((row["model"], row["reason"]), Amounts())
        if row["kind"] == Kind.TOKENS:
            line.tokens += row["sum_amount"]
            continue
        is_billed = is_billed or row["kind"] == Kind.BILL
        line.add(Amounts(**{name: row[f"sum_{name}"] for name in sums}))
    return said, is_billed
