"""The project's check of an image that has arrived, before anybody sees it."""

from __future__ import annotations

import copy
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
        image: The row. The check gets it as it will be if nothing is against it.
        stored: What is known of the bytes.
        data: The bytes.
        context: Whose it is.
        arrived_at: When the final has come; ``None`` for a preview.
    """
    if check is None:
        return None
    row = copy.copy(image)
    row.arrived_at, row.mime, row.bytes = arrived_at, stored.info.mime, len(data)
    row.width, row.height = stored.info.width, stored.info.height
    with timing.measured("check"):
        return await verdicts.ask(check, row, data, context)


def lets_through(verdict: Verdict | None) -> bool:
    """Whether nothing is against a preview."""
    return verdict is None or verdict.says == verdicts.SHOW.says
