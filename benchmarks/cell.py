"""One cell of the table: one variant in a process of its own, its figures as JSON."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import measure
import project
import sample_images


def main() -> None:
    """Measure what the argument, a JSON object, asks for."""
    cell = json.loads(sys.argv[1])
    project.configure(Path(cell["folder"]), cell["latency"])
    if "images" in cell:
        measured = growth(cell)
    elif "size" in cell:
        measured = stalls(cell)
    else:
        measured = asyncio.run(delivery(cell))
    print(json.dumps(measured))


def growth(cell: dict[str, Any]) -> dict[str, float]:
    """Return the memory after some images and after many more."""
    # Imported once Django is set up, as models need it.
    from growth import measure_growth

    return asyncio.run(measure_growth(cell))


def stalls(cell: dict[str, Any]) -> dict[str, float]:
    """Return the stalls that parsed events cause."""
    # Imported once Django is set up, as models need it.
    from stalls import measure_stalls

    return asyncio.run(measure_stalls(cell))


async def delivery(cell: dict[str, Any]) -> dict[str, float]:
    """Return how long conversations that start together wait for their images."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import storages
    from openai import AsyncOpenAI
    from variants import VARIANTS, designer

    storage = storages["chatkit_images"]
    variant = VARIANTS[cell["variant"]]
    client = AsyncOpenAI(
        base_url=cell["url"],
        api_key="loopback",
        max_retries=0,
        http_client=variant.http_client(),
    )
    # The first conversation of a process imports and compiles; it is not measured.
    await variant(designer(client, "tiny"), storage).converse()
    size = cell.get("image", "2MB")
    image = sample_images.noise(size)
    uploads = []
    for number in range(3):
        before = time.perf_counter()
        storage.save(f"upload-{number}.png", ContentFile(image))
        uploads.append(time.perf_counter() - before)
    subject = variant(designer(client, f"{size}@{cell['pace']}"), storage)
    async with measure.LoopProbe() as probe:
        measure.reset_peak()
        resident = measure.resident_mb()
        began, busy = time.perf_counter(), time.process_time()
        times = await asyncio.gather(
            *(subject.converse() for _ in range(cell["conversations"]))
        )
        busy = time.process_time() - busy
        peak = measure.peak_mb()
    return {
        "last": max(times) - began,
        "median": statistics.median(times) - began,
        "upload": statistics.median(uploads),
        "stall": probe.longest,
        "memory": (peak - resident) / cell["conversations"],
        "busy": busy / cell["conversations"],
    }


if __name__ == "__main__":
    main()
