"""Whether the process grows from image to image."""

from __future__ import annotations

import gc
from datetime import datetime
from typing import Any

import measure
from chatkit import types
from stalls import CONTEXT, answer, prepared

from chatkit_images.store import DjangoStore

# After so many images every thread has met one, and the allocator its limits.
WARM = 10


async def measure_growth(cell: dict[str, Any]) -> dict[str, float]:
    """Return the process's memory after some images and after many more."""
    store = DjangoStore()
    events = await prepared(cell["size"])
    thread = types.ThreadMetadata(id="thr_1", created_at=datetime.now())
    await store.save_thread(thread, CONTEXT)
    resident = []
    for number in range(cell["images"]):
        # Another call each time: a replay would store nothing.
        renamed = [_of_call(event, f"ig_{number}") for event in events]
        await answer(renamed, thread, store, pause=0.05)
        del renamed
        gc.collect()
        resident.append(measure.resident_mb())
    half = (WARM + len(resident)) // 2
    return {
        "warm": resident[WARM - 1],
        "half": max(resident[WARM:half]),
        "last": max(resident[half:]),
        "images": len(resident),
    }


def _of_call(event: Any, call_id: str) -> Any:
    if getattr(getattr(event, "item", None), "type", "") == "image_generation_call":
        item = event.item.model_copy(update={"id": call_id})
        return event.model_copy(update={"item": item})
    if event.type.startswith("response.image_generation_call."):
        return event.model_copy(update={"item_id": call_id})
    return event
