"""Recovery of images whose process died after it had written their bytes."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext

from .. import imaging, models, receiving, storage, timing
from ..conf import settings
from ..exceptions import ImageError
from ..run_state import current_context
from . import images

logger = logging.getLogger(__name__)
Status = models.GeneratedImage.Status


def recover(image: models.GeneratedImage, *, here: bool = False) -> bool:
    """Complete an image whose bytes are there although its row says otherwise.

    Args:
        image: An image. A complete or blocked one stays as it is.
        here: Search only this host's disks, which answer at once.

    Returns:
        Whether its bytes were found, so that it is complete now.

    Raises:
        Exception: The storage's own, if it does not answer.
    """
    if image.status in (Status.COMPLETED, Status.BLOCKED):
        return False
    for extension in sorted(imaging.EXTENSIONS.values()):
        name = storage.name_of("images", image.key, extension)
        data = _read(storage.Blob(name, image.storage_alias), here)
        if data is not None:
            return _complete(image, name, data)
    return False


def _read(blob: storage.Blob, here: bool) -> bytes | None:
    if here and not (storage.is_local(blob.alias) or storage.spool.has(blob.name)):
        return None
    try:
        return storage.read(*blob) if here else storage.patiently(storage.read, *blob)
    except FileNotFoundError:
        return None


def _complete(image: models.GeneratedImage, name: str, data: bytes) -> bool:
    try:
        info, thumbnail = imaging.examine(data, settings.THUMBNAIL_SIDE, keep=True)
    except ImageError as error:
        # A final is written to a disk before its pixels are checked.
        logger.warning("Image call %s left no image: %s", image.call_id, error)
        storage.delete(name, image.storage_alias)
        return False
    alias = image.stored_in
    small = receiving.store_thumbnail(thumbnail, alias)
    stored = receiving.StoredImage(name, info, small, alias)
    timings = {**timing.figures_of(image), "recovered": True}
    if images.complete(image, stored, timings=timings):
        logger.info("Image call %s is recovered", image.call_id)
        images.announce(image)
    return True


def working_on(image: models.GeneratedImage) -> AbstractContextManager[None]:
    """Work for whom the run of an image has worked, if this code does not.

    A sweep works for nobody, but what it writes is for a person to read.
    """
    here, run = current_context.get(), image.run
    if run is None or (here is not None and here.owner == run.owner):
        return nullcontext()
    return run.working()
