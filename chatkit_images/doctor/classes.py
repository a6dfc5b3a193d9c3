"""All classes of drift, in the order in which they are looked for and mended."""

from __future__ import annotations

from collections.abc import Collection

from . import (
    counts,
    derivatives,
    facts,
    ledger,
    lost_files,
    outboxes,
    partials,
    payloads,
    shared_files,
    spooled,
    stale,
    storages,
    unknown_files,
    unsent,
)
from .drift import Drift

CLASSES = (
    Drift(stale.RUNS, stale.find_runs),
    Drift(stale.IMAGES, stale.find_images),
    Drift(spooled.SPOOLED, spooled.find),
    Drift(storages.STORAGES, storages.find),
    Drift(lost_files.MISSING, lost_files.find),
    Drift(shared_files.SHARED, shared_files.find),
    Drift(facts.FACTS, facts.find),
    Drift(facts.CHANGED, facts.find, is_chosen=True),
    Drift(derivatives.THUMBNAILS, derivatives.find),
    Drift(payloads.PAYLOADS, payloads.find),
    Drift(partials.PARTIALS, partials.find),
    Drift(unsent.ATTACHMENTS, unsent.find_attachments),
    Drift(unsent.UPLOADS, unsent.find_uploads),
    Drift(outboxes.FILES, outboxes.find_files),
    Drift(outboxes.ENDS, outboxes.find_ends),
    Drift(unknown_files.UNKNOWN, unknown_files.find),
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
