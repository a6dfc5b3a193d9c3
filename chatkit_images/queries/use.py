"""The ledger of use: what a run was granted, has used, and gives back.

A claim reserves one image. Each further call of the run takes one more when it begins,
and what has begun is never refused. When the run ends, what came to nothing is given
back. All of that is one function, ``settle``, which writes the difference between what
the ledger says of a run and what its rows say. So it may be called again at any time.
"""

from __future__ import annotations

import datetime
import uuid
from collections import Counter
from typing import Any

from django.db.models import Q, Sum
from django.utils import timezone

from .. import models, prices
from ..conf import settings
from ..periods import Period, now_here
from ..querysets import OwnedQuerySet
from ..run_state import current_run, current_state
from ..transactions import atomic
from . import bills, costs, counters, sums
from .counters import SITE, Key

Kind = models.UseKind
# Longer than any period. The ledger stays.
COUNTER_DAYS = 62
# No run uses as many, and the columns of sums hold those of millions of such runs.
MOST_TOKENS = 10**12
RUN, IMAGE, TOKENS = Kind.RUN.value, Kind.IMAGE.value, Kind.TOKENS.value


def holders(owner: str, address: str) -> list[str]:
    """Return whose counters count the use of an owner, with a visitor's address."""
    # What a deleted owner has used is nobody's.
    found = [holder for holder in (owner, address) if holder]
    limits = settings.limits_of_site()
    # One row for everybody makes everybody wait for it, so it is counted if it counts.
    return [*found, SITE] if any(v is not None for v in limits.values()) else found


def grant_run(run_id: uuid.UUID, owner: str, address: str) -> None:
    """Write that an owner was granted a run and its first image.

    Call it in the transaction of the claim, which has locked the ``holders``.
    """
    now = now_here()
    changes: Counter[Key] = Counter()
    for holder in holders(owner, address):
        changes[Key(holder, RUN, Period.HOUR.name_at(now))] += 1
        changes[Key(holder, IMAGE, Period.DAY.name_at(now))] += 1
        # What a running run will use is estimated by the others of the month.
        changes[Key(holder, RUN, Period.MONTH.name_at(now))] += 1
    counters.add(changes)
    models.UseEntry.objects.bulk_create(
        models.UseEntry(
            owner=owner,
            address=address,
            day=now.date(),
            kind=kind,
            amount=1,
            run_id=run_id,
            is_summed=is_summed,
        )
        # The bill says again what became of the images.
        for kind, is_summed in ((RUN, False), (IMAGE, None))
    )


def settle(run_id: uuid.UUID, *, ended: bool) -> None:
    """Write to the ledger what has become of a run, and to its rows what it has cost.

    The ledger says nothing of a run without an entry. If the row of a run is deleted,
    the images that it was granted stay used.

    Args:
        run_id: The run.
        ended: Whether it makes no further calls. Then those without a file count for
            nothing, and the reserved image is given back if there is none.
    """
    granted = models.UseEntry.objects.filter(run_id=run_id, kind=IMAGE)
    granted = granted.order_by("pk")
    first = granted.values("owner", "address", "day").first()
    while first is not None:
        with atomic():
            locked = first
            counters.lock(holders(first["owner"], first["address"]))
            first = granted.values("owner", "address", "day").first()
            if first == locked:
                _settle(dict(first), run_id, ended)
                return
        # It was moved to a user who has logged in, whose counters are not locked yet.
    if ended:
        with atomic():
            _price(run_id, models.Run.objects.filter(pk=run_id).one())


def _price(run_id: uuid.UUID, run: models.Run | None) -> list[Any]:
    """Write what a run and its images have cost, and return the images."""
    if run is None:
        return []
    images = costs.images_of([run_id]).get(run_id, [])
    if len(images) >= bills.counted([run_id]).get(run_id, 0):
        costs.write(costs.recompute(run, images, prices.current()))
    return images


def _settle(first: dict[str, Any], run_id: uuid.UUID, ended: bool) -> None:
    run = models.Run.objects.filter(pk=run_id).one()
    known = run
    if run is not None:
        # Another process may have ended it meanwhile.
        ended = ended or run.status != run.Status.RUNNING
        used = {IMAGE: _images(run_id, ended), TOKENS: tokens_of(run)}
    else:
        # Its thread is deleted, and only the run itself knows what it has used.
        state = current_state.get() if current_run.get() == run_id else None
        known = None if state is None else models.Run(pk=None, **state.usage)
        used = {} if known is None else {TOKENS: tokens_of(known)}
    entries = models.UseEntry.objects.filter(run_id=run_id).order_by()
    noted = dict(entries.values_list("kind").annotate(Sum("amount")))
    changes = {kind: used[kind] - noted.get(kind, 0) for kind in used}
    _write(first, run_id, {kind: by for kind, by in changes.items() if by})
    if ended or run is None:
        # In one transaction, so that the ledger says what the rows say.
        images = _price(run_id, run)
        bills.write(first, run_id, known, images, noted.get(IMAGE, 0))


def _write(first: dict[str, Any], run_id: uuid.UUID, changes: dict[str, int]) -> None:
    """Add entries, and change the counters of the day on which the run began."""
    owner, address, day = first["owner"], first["address"], first["day"]
    names = {IMAGE: [Period.DAY], TOKENS: [Period.DAY, Period.MONTH]}
    count: Counter[Key] = Counter()
    for kind, by in changes.items():
        for holder in holders(owner, address):
            for period in names[kind]:
                count[Key(holder, kind, day.strftime(period.value))] += by
    counters.add(count)
    models.UseEntry.objects.bulk_create(
        models.UseEntry(**first, kind=kind, amount=by, run_id=run_id, is_summed=None)
        for kind, by in changes.items()
    )


def _images(run_id: uuid.UUID, ended: bool) -> int:
    images = models.GeneratedImage.objects.filter(run_id=run_id)
    images = images.exclude(source=models.GeneratedImage.Source.INLINE)
    made = ~Q(file="")
    if ended:
        return images.filter(made).count()
    # One statement, as an image may be saved between two, and would be in neither.
    return max(1, images.filter(made | Q(status="generating")).count())


def tokens_of(run: models.Run) -> int:
    """Return the tokens of a run, those of its image tool included."""
    tools = run.tool_usage if isinstance(run.tool_usage, dict) else {}
    return _total(run.usage) + _total(tools.get("image_gen"))


def _total(usage: Any) -> int:
    figures = usage if isinstance(usage, dict) else {}
    total = _figure(figures.get("total_tokens"))
    # A gateway may leave the sum out, or send anything.
    parts = (_figure(figures.get(name)) for name in ("input_tokens", "output_tokens"))
    return min(total or sum(parts), MOST_TOKENS)


def _figure(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return max(0, value)


def move(owner: str, new: str) -> None:
    """Give a visitor's use to the user who has logged in.

    Call it before anything else in the transaction.
    """
    rows = models.UseCounter.objects.for_owner(owner).exclude(kind="")
    if not rows.exists():
        return
    counters.lock([owner, new])
    changes = {
        Key(new, kind, period): amount
        for kind, period, amount in rows.values_list("kind", "period", "amount")
    }
    counters.add(changes)
    rows.delete()
    # Whoever folds entries into sums waits for no other lock meanwhile.
    sums.lock()
    models.UseEntry.objects.for_owner(owner).update(owner=new)
    sums.move(owner, new)


def hold(owner: str) -> None:
    """Lock the use of an owner who is about to be deleted.

    Call it before anything else in the transaction.
    """
    with atomic():
        counters.lock([owner])


def forget(owner: str) -> None:
    """Make the use of an owner who is deleted nobody's."""
    sums.lock()
    models.UseEntry.objects.for_owner(owner).update(owner="", address="")
    sums.move(owner, "")
    models.UseCounter.objects.for_owner(owner).delete()


def outdated() -> OwnedQuerySet[models.UseCounter]:
    """Return the counters of periods that are over, and of owners who have gone."""
    old = timezone.now() - datetime.timedelta(days=COUNTER_DAYS)
    return models.UseCounter.objects.filter(updated_at__lt=old)
