"""Forms of new images for models, made before a turn needs them.

To read and draw a large image takes a moment, for which the next answer would wait.
"""

from __future__ import annotations

import logging
from collections import Counter
from threading import Lock

from .. import imaging, models, storage
from ..conf import settings
from ..contexts import working_context
from ..exceptions import ImageError
from ..queries import variants
from ..queries.variants import Original
from ..storage import kept_parts
from . import model_files
from .shown_images import NEWEST

logger = logging.getLogger(__name__)
# The forms that wait to be made, by the scope of whose images they are.
_waiting: Counter[str] = Counter()
_lock = Lock()


def prepare(row: models.GeneratedImage | models.Attachment) -> None:
    """Have the form of an image made that has just been stored, if that takes a moment.

    It is made in the thread in which images are drawn for inputs, one by one, when no
    turn waits for that thread. If it fails, or as many wait for the same person as one
    message can show, the next turn makes it. Nobody waits here.
    """
    original = variants.new_original(row)
    size, width, height = original.size or 0, row.width or 0, row.height or 0
    if original.mime not in imaging.INLINE or not _goes_as_bytes(original):
        return
    if imaging.is_light(original.mime, size, width, height):
        return
    context = working_context()
    scope = context.scope if context else ""
    with _lock:
        if _waiting[scope] >= NEWEST:
            return
        _waiting[scope] += 1
    try:
        storage.begin_spare("redraw", _make, original, scope)
    except RuntimeError as error:
        _end(scope)
        logger.info("The process ends, so %s is not prepared: %r", original.name, error)


def _goes_as_bytes(original: Original) -> bool:
    """Whether the image goes to models by its bytes, if it goes."""
    # What came with the newest message goes in any case, and never by a URL.
    if original.kind == "attachment":
        return True
    return settings.MODEL_IMAGE_COUNT > 0 and settings.MODEL_IMAGES == "data_url"


def _make(original: Original, scope: str) -> None:
    try:
        _draw(original)
    except ImageError as error:
        logger.info("Image %s gets no form for models: %s", original.name, error)
    except Exception as error:
        logger.warning("Image %s is not prepared: %r", original.name, error)
    finally:
        _end(scope)


def _draw(original: Original) -> None:
    key = original.name, variants.form()
    if kept_parts.find(key) is not None:
        return  # A turn was faster.
    data = model_files.read_to_draw(original)
    mime, made = imaging.for_model(data)
    own = None if data.startswith(made) else made
    variants.keep_committed(original, mime, len(made), own)
    kept_parts.keep(key, model_files.encoded(mime, made))


def _end(scope: str) -> None:
    with _lock:
        _waiting[scope] -= 1
        if not _waiting[scope]:
            del _waiting[scope]
