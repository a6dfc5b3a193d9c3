"""What images and runs cost: their tokens and the prices of the project.

What a source has told itself is never computed again. A run costs what its answers and
its images cost, so that sums agree. Nothing is guessed: a part that has no price leaves
the run without a cost.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from .. import models, prices
from ..prices import Prices

Status = models.GeneratedImage.Status
# What is known of an image from which its cost is computed.
COLUMNS = (
    *("pk", "run_id", "status", "reason", "error_code", "model", "usage", "cost"),
    *("priced_at", "size", "quality", "width", "height", "bytes", "source"),
)
Source = models.GeneratedImage.Source
# Tools of the provider's, which may not name the model that draws.
HOSTED = (Source.HOSTED, Source.NESTED)
# Runs of a thread whose costs are added up.
MOST_RUNS = 1000
# Whose cost its source has not told.
COMPUTED = Q(cost=None) | Q(priced_at__isnull=False)


def currency() -> str:
    """Return in what all costs are; empty if the project has no prices."""
    return prices.current().currency


def images_of(runs: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[Any]]:
    """Return the ended images of runs, with what their costs are made of."""
    rows = models.GeneratedImage.objects.filter(run_id__in=list(runs)).order_by("pk")
    rows = rows.exclude(source=Source.INLINE)
    found: dict[uuid.UUID, list[Any]] = {}
    for row in rows.exclude(status=Status.GENERATING).only(*COLUMNS):
        if row.run_id is not None:
            found.setdefault(row.run_id, []).append(row)
    return found


def cost_of(image: models.GeneratedImage, known: Prices) -> Decimal | None:
    """Return what an image costs: as it was told, or by prices."""
    if image.cost is not None and image.priced_at is None:
        return image.cost
    name = image.model
    if not name and image.source in HOSTED:
        name = known.image_model
    return prices.of_image(
        prices.price_of(name, known),
        image.usage,
        size=image.size,
        quality=image.quality,
        pixels=(image.width, image.height),
        made=image.status == Status.COMPLETED,
    )


def usage_of(run: models.Run) -> dict[str, Any]:
    """Return the tokens of a run's answers, by the models that gave them."""
    by_model = run.model_usage if isinstance(run.model_usage, dict) else {}
    if not by_model and isinstance(run.usage, dict) and run.usage:
        by_model = {run.model: run.usage}
    return {name or run.model: usage for name, usage in by_model.items()}


def words_cost(run: models.Run, known: Prices) -> dict[str, Decimal | None]:
    """Return what the answers of a run cost, by model, without its images."""
    found = {}
    for name, usage in usage_of(run).items():
        cost = prices.of_tokens(prices.price_of(name, known), usage)
        found[name] = prices.total([cost])
    return found


def is_free(image: models.GeneratedImage) -> bool:
    """Whether nothing says that an image without a cost has cost anything."""
    return image.status != Status.COMPLETED and not image.usage


def cost_of_run(
    run: models.Run, images: Iterable[models.GeneratedImage], known: Prices
) -> Decimal | None:
    """Return what a run costs, given that its images have their costs."""
    parts = list(words_cost(run, known).values())
    parts += [
        image.cost for image in images if image.cost is not None or not is_free(image)
    ]
    return prices.total(parts)


def recompute(
    run: models.Run | None, images: Iterable[models.GeneratedImage], known: Prices
) -> list[models.Run | models.GeneratedImage]:
    """Give a run and its images their costs, and return which have changed.

    Nothing is written.

    Args:
        run: The run; ``None`` for images outside of one.
        images: Its images, as ``images_of`` returns them; all that it has made.
        known: The prices.
    """
    changed: list[models.Run | models.GeneratedImage] = []
    for image in images:
        cost = cost_of(image, known)
        if cost != image.cost:
            image.cost = cost
            image.priced_at = None if cost is None else timezone.now()
            changed.append(image)
    if run is not None:
        cost = cost_of_run(run, images, known)
        if cost != run.cost:
            run.cost = cost
            changed.append(run)
    return changed


def write(changed: Iterable[models.Run | models.GeneratedImage]) -> None:
    """Write the costs of runs and images, unless a source has told its own since."""
    for row in changed:
        if isinstance(row, models.Run):
            models.Run.objects.filter(pk=row.pk).update(cost=row.cost)
        else:
            rows = models.GeneratedImage.objects.filter(COMPUTED, pk=row.pk)
            rows.update(cost=row.cost, priced_at=row.priced_at)


def price_rows(images: QuerySet[models.GeneratedImage]) -> None:
    """Write the costs of images that are made outside of a run."""
    rows = list(images.exclude(status=Status.GENERATING))
    write(recompute(None, rows, prices.current()))


def of_thread(thread_id: str) -> Decimal | None:
    """Return what the newest runs of a thread cost; ``None`` if of none it is known."""
    runs = models.Run.objects.filter(thread=thread_id).order_by("-created_at", "-pk")
    found = runs.values("cost")[:MOST_RUNS].aggregate(sum=Sum("cost"))["sum"]
    return None if found is None else Decimal(found)
