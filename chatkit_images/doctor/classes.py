"""All classes of drift, in the order in which they are looked for and mended."""

from __future__ import annotations

from collections.abc import Collection

from . import counts, ledger, outboxes, partials, stale, unsent
from .drift import Drift

CLASSES = (
    Drift(stale.RUNS, stale.find_runs),
    Drift(stale.IMAGES, stale.find_images),
    Drift(partials.PARTIALS, partials.find),
    Drift(unsent.ATTACHMENTS, unsent.find_attachments),
    Drift(unsent.UPLOADS, unsent.find_uploads),
    Drift(outboxes.FILES, outboxes.find_files),
    Drift(ledger.LEDGER, ledger.find),
    Drift(counts.COUNTERS, counts.find),
)


def named(names: Collection[str]) -> list[Drift]:
    """Return the classes of these names, in the order of all.

    Raises:
        ValueError: If there is no class of a name.
    """
    known = [each.name for each in CLASSES]
    for name in names:
        if name not in known:
            raise ValueError(
                f"There is no class of drift {name!r}; there are {', '.join(known)}."
            )
    return [each for each in CLASSES if each.name in names]
