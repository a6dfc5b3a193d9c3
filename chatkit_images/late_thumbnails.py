"""Thumbnails of stored images that have none, made when somebody first asks for one.

They are made one by one in each process, and by one process each. Thumbnails of new
images go first, and so do the pixels of whatever somebody waits for.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from concurrent.futures import Future
from datetime import timedelta
from threading import Lock, local

from django.utils import timezone

from . import imaging, models, storage
from .conf import settings
from .contexts import working_context
from .exceptions import ImageError
from .queries import missing_thumbnails
from .queries.missing_thumbnails import Row, Wanted
from .transactions import own_connection

logger = logging.getLogger(__name__)
# Seconds that a request waits for the thumbnail that it asks for.
PATIENCE = 2.0
# Thumbnails that wait to be made in a process, and of one owner.
MOST, MOST_OF_ONE = 500, 100
# Images of which a process remembers that they cannot have one.
KNOWN = 10_000
# For so long the run of an image is at work on its thumbnail.
NEW = timedelta(seconds=10)
# The name of the thumbnail, "" if there is none, None if it is not known yet.
Made = str | None
_begun: dict[Wanted, Future[Made]] = {}
_of_owner: Counter[str] = Counter()
_impossible: OrderedDict[Wanted, None] = OrderedDict()
_lock = Lock()
_reading = local()


def ask(row: Row) -> Made:
    """Return the name of the thumbnail of an image that has none, made now.

    It blocks for two seconds at most. What is not done by then goes on.

    Args:
        row: An image or an attachment without a thumbnail. Work for its owner.

    Returns:
        The name; empty if there cannot be one, and ``None`` if there is none yet. In
        both cases the image itself has to stand in.
    """
    if not _is_raster(row):
        return ""
    if isinstance(row, models.GeneratedImage):
        ended = row.finished_at
        if ended is None or ended > timezone.now() - NEW:
            return None
    image = missing_thumbnails.wanted(row)
    with _lock:
        if image in _impossible:
            return ""
    future = _begin(image)
    if future is None:
        return None
    try:
        return future.result(PATIENCE)
    except TimeoutError:
        return None


def _is_raster(row: Row) -> bool:
    mime = row.mime if isinstance(row, models.GeneratedImage) else row.mime_type
    return bool(row.file) and mime in imaging.INLINE


def _begin(image: Wanted) -> Future[Made] | None:
    """Have a thumbnail made, once; ``None`` if too many wait already."""
    context = working_context()
    owner = context.scope if context else ""
    with _lock:
        if (known := _begun.get(image)) is not None:
            return known
        if len(_begun) >= MOST or _of_owner[owner] >= MOST_OF_ONE:
            return None
        try:
            future = storage.begin("late", _make, image)
        except RuntimeError:
            return None  # The process is ending.
        _begun[image] = future
        _of_owner[owner] += 1

    def end(_: object) -> None:
        with _lock:
            del _begun[image]
            _of_owner[owner] -= 1
            if not _of_owner[owner]:
                del _of_owner[owner]

    future.add_done_callback(end)
    return future


def _make(image: Wanted) -> Made:
    try:
        with own_connection():
            return _made(image)
    except Exception:
        # The claim stays for a minute, so it is not tried again at once.
        name = image.file.name
        logger.warning("%s is left without a thumbnail for now", name, exc_info=True)
        return None


def _made(image: Wanted) -> Made:
    claim = missing_thumbnails.claim(image)
    if claim.is_impossible:
        return _remember(image)
    if not claim.is_ours:
        return claim.name or None
    data = _patience().call(storage.read, *image.file)
    try:
        scale = storage.begin_spare(
            "scale", imaging.scale, data, settings.THUMBNAIL_SIDE
        )
        del data
        small = scale.result()
    except ImageError as error:
        logger.warning("%s cannot have a thumbnail: %s", image.file.name, error)
        missing_thumbnails.give_up(image)
        return _remember(image)
    name = storage.new_name("thumbnails", "webp")
    _patience().call(storage.store, name, small, image.file.alias)
    return name if missing_thumbnails.save(image, name) else None


def _patience() -> storage.Patience:
    """Return what this thread reads with, as each new one may need a new client."""
    if not hasattr(_reading, "patience"):
        _reading.patience = storage.Patience()
    found: storage.Patience = _reading.patience
    return found


def _remember(image: Wanted) -> str:
    with _lock:
        _impossible[image] = None
        if len(_impossible) > KNOWN:
            _impossible.popitem(last=False)
    return ""
