"""Thumbnails of a run's images, made without holding up any image."""

from __future__ import annotations

import asyncio
import logging

from .. import imaging, storage, timing
from ..exceptions import StorageUnavailable

logger = logging.getLogger(__name__)


class RunThumbnails:
    """Keeps the sketches of finals until their thumbnails are taken."""

    def __init__(self) -> None:
        self._sketches: dict[str, imaging.Sketch | None] = {}
        self._begun: dict[str, asyncio.Task[str]] = {}

    def __contains__(self, call_id: str) -> bool:
        return call_id in self._sketches

    def keep(self, call_id: str, sketch: imaging.Sketch | None, *, begin: bool) -> None:
        """Keep the sketch of a final.

        Args:
            call_id: The call of the final.
            sketch: What its thumbnail is made of; ``None`` if it gets no thumbnail.
            begin: Whether to make the thumbnail now, which takes a core.
        """
        self._sketches[call_id] = sketch
        if begin:
            self._begun[call_id] = asyncio.ensure_future(_made(sketch))

    async def take(self, call_id: str) -> str:
        """Return the name of a final's thumbnail, empty if there is none."""
        sketch = self._sketches.pop(call_id)
        begun = self._begun.pop(call_id, None)
        return await (begun or _made(sketch))

    async def drop(self, call_id: str) -> None:
        """Forget the thumbnail of a final that is not stored."""
        del self._sketches[call_id]
        begun = self._begun.pop(call_id, None)
        if begun is not None and (name := await begun):
            # No row names it. If the deletion fails, the sweep deletes it.
            storage.later(storage.delete, name)


async def _made(sketch: imaging.Sketch | None) -> str:
    if sketch is None:
        return ""
    with timing.measured("thumbnail"), timing.part_of("thumbnail_"):
        return await _store(sketch)


async def _store(sketch: imaging.Sketch) -> str:
    data = await storage.call("scale", sketch.thumbnail)
    if not data:
        return ""
    name = storage.new_name("thumbnails", "webp")
    try:
        await storage.upload(name, data, lane="thumbnails")
    except StorageUnavailable as error:
        logger.warning("An image is left without a thumbnail: %s", error)
        return ""
    return name
