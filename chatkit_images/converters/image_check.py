"""The project's check of an image that has arrived, before anybody sees it."""

from __future__ import annotations

import datetime

from .. import models, timing, verdicts
from ..context import RequestContext
from ..receiving import StoredImage
from ..verdicts import Check, Verdict


async def verdict_of(
    check: Check | None,
    image: models.GeneratedImage,
    stored: StoredImage,
    data: bytes,
    context: RequestContext,
    arrived_at: datetime.datetime | None = None,
) -> Verdict | None:
    """Return what a check says of an image or a preview, ``None`` if there is no check.

    Args:
        check: The project's check.
        image: The row.
        stored: What is known of the bytes.
        data: The bytes.
        context: Whose it is.
        arrived_at: When the final has come; ``None`` for a preview.
    """
    if check is None:
        return None
    with timing.measured("check"):
        return await verdicts.ask(check, image, stored.info, data, context, arrived_at)


def lets_through(verdict: Verdict | None) -> bool:
    """Whether nothing is against a preview."""
    return verdict is None or verdict.says == verdicts.SHOW.says
