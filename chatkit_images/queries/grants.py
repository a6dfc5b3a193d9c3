"""Images that may still be refused, because their source is not asked yet."""

from __future__ import annotations

from typing import Any

from .. import models
from ..conf import Limits
from ..context import RequestContext
from ..periods import now_here
from ..transactions import atomic
from . import counters, images
from .counted_limits import address_of, counted_limits
from .limit_words import used_up
from .use import IMAGE, holders


def begin_image(
    limits: Limits,
    thread_id: str,
    identity: str,
    key: str,
    context: RequestContext,
    **fields: Any,
) -> models.GeneratedImage:
    """Return the row of an image, as ``images.begin`` does, if the limits allow it.

    The first image of a run is granted with the run. The check and the row are one
    transaction, so two images that begin at once are not both the last one.

    Raises:
        RequestRefused: If it is one image too many. Then there is no row.
    """
    found = [each for each in counted_limits(context, limits) if each.kind == IMAGE]
    if not found:
        return images.begin(thread_id, identity, key, context, **fields)
    now = now_here()
    keys = {limit: limit.key_at(now) for limit in found}
    with atomic():
        counters.lock(holders(context.owner, address_of(context)))
        before = counters.amounts(keys.values())
        image = images.begin(thread_id, identity, key, context, **fields)
        after = counters.amounts(keys.values())
        for limit, counter in keys.items():
            # What was granted before stays granted.
            if after[counter] > max(before[counter], limit.most):
                raise used_up(limit, now)
    return image
