"""Images in the form for models, kept for the next turn.

The history goes to the model on every turn, and a photo takes half a second to decode.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from .. import imaging, storage

# Bytes that one process keeps, and the largest part of them for one image.
MOST, SHARE = 32 * 2**20, 8
_kept: OrderedDict[tuple[str, bool], tuple[str, bytes]] = OrderedDict()
_lock = Lock()


async def redraw(name: str, *, lossy: bool = False) -> tuple[str, bytes]:
    """Return type and bytes of a stored image, in the form for models.

    Args:
        name: Of its file, which never changes.
        lossy: Whether few bytes count more than exact pixels.

    Raises:
        ImageError: If it cannot be decoded.
        Exception: The storage's own, if it does not answer.
    """
    key = name, lossy
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]

    def draw() -> tuple[str, bytes]:
        # It is read here, because the bytes of all that wait would fill the memory.
        return imaging.redraw(storage.read(name), lossy=lossy)

    found = await storage.call("redraw", draw)
    if len(found[1]) <= MOST // SHARE:
        with _lock:
            _kept[key] = found
            while sum(len(bytes_) for _, bytes_ in _kept.values()) > MOST:
                _kept.popitem(last=False)
    return found
