"""Runs of which the ledger of use says something else than their rows.

The ledger outlives what it counts: an image that was deleted later was used all the
same. So it is out of step only where its run was never settled, or has used more.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from django.db.models import Count, Q, Sum

from .. import models
from ..queries import use
from ..queries.use import IMAGE, TOKENS
from .drift import Finding, Look, a_while_ago, said

LEDGER = "ledger"
Sums = dict[str, int]


class Images(NamedTuple):
    """How many image calls a run has made, and how many have a file."""

    calls: int
    made: int


def find(look: Look) -> Iterator[Finding]:
    """Yield the ended runs that the ledger has not settled."""
    ended = models.Run.objects.exclude(status=models.Run.Status.RUNNING)
    for page in look.pages(ended.filter(finished_at__lt=a_while_ago())):
        keys = [run.pk for run in page]
        noted, images = _noted(keys), _images(keys)
        for run in page:
            if why := _wrong(run, noted.get(run.pk), images[run.pk]):
                mend = partial(_settle, run)
                yield Finding(LEDGER, said(run), why, mend=mend, storages=())


def _noted(keys: list[uuid.UUID]) -> dict[uuid.UUID, Sums]:
    """Return what the ledger says of runs, by kind."""
    found: defaultdict[uuid.UUID, Sums] = defaultdict(dict)
    entries = models.UseEntry.objects.filter(run_id__in=keys).order_by()
    for key, kind, amount in entries.values_list("run_id", "kind").annotate(
        Sum("amount")
    ):
        found[key][kind] = amount
    return dict(found)


def _images(keys: list[uuid.UUID]) -> defaultdict[uuid.UUID, Images]:
    """Return what the images of runs say."""
    rows = models.GeneratedImage.objects.filter(run_id__in=keys).order_by()
    rows = rows.exclude(source=models.GeneratedImage.Source.INLINE)
    counted = rows.values_list("run_id").annotate(
        calls=Count("pk"), made=Count("pk", filter=~Q(file=""))
    )
    found = {key: Images(calls, made) for key, calls, made in counted}
    return defaultdict(lambda: Images(0, 0), found)


def _wrong(run: models.Run, noted: Sums | None, images: Images) -> str:
    """Return what the ledger has wrong, if anything. No entry counts no run."""
    if noted is None or IMAGE not in noted:
        return ""
    tokens, granted = use.tokens_of(run), noted[IMAGE]
    if tokens != noted.get(TOKENS, 0):
        return f"{noted.get(TOKENS, 0)} tokens are noted, it has used {tokens}"
    if granted < images.made:
        return f"{granted} images are noted, it has made {images.made}"
    if granted > images.made and not _may_be_deleted(run, tokens, granted, images):
        return f"{granted} images are noted, it has made {images.made}"
    return ""


def _may_be_deleted(run: models.Run, tokens: int, granted: int, images: Images) -> bool:
    """Whether a run may have made the images that it was granted and has no more."""
    if tokens:
        return True  # It was settled, as its tokens are noted.
    if images.calls:
        return images.calls < granted
    return run.status == models.Run.Status.COMPLETED


def _settle(run: models.Run) -> bool:
    use.settle(run.pk, ended=True)
    return True
