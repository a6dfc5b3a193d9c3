"""Forms of new images for models, made before a turn needs them.

To read and draw a large image takes a moment, for which the next answer would wait.
"""

from __future__ import annotations

import logging

from .. import imaging, models, storage
from ..conf import settings
from ..exceptions import ImageError
from ..queries import variants
from ..queries.variants import Original
from . import kept_parts, model_files

logger = logging.getLogger(__name__)


def prepare(image: models.GeneratedImage) -> None:
    """Have the form of a complete image made, where the next input would wait for it.

    It is made in the thread in which such images are drawn for inputs, one by one. If
    it fails, the next turn makes it.
    """
    size, width, height = image.bytes or 0, image.width or 0, image.height or 0
    wanted = settings.MODEL_IMAGE_COUNT > 0 and settings.MODEL_IMAGES == "data_url"
    if not wanted or imaging.is_light(image.mime, size, width, height):
        return
    name = str(image.file.name)
    original = Original("image", str(image.pk), name, image.mime, image.bytes, None)
    try:
        storage.begin("redraw", _make, original)
    except RuntimeError as error:
        logger.info("The process ends, so image %s is not prepared: %r", name, error)


def _make(original: Original) -> None:
    try:
        data = model_files.read_to_draw(original.name)
        mime, made = imaging.for_model(data)
    except ImageError as error:
        logger.info("Image %s gets no form for models: %s", original.name, error)
        return
    except Exception as error:
        logger.warning("Image %s is not prepared: %r", original.name, error)
        return
    own = None if data.startswith(made) else made
    variants.keep_committed(original, mime, len(made), own)
    kept_parts.keep((original.name, variants.form()), model_files.encoded(mime, made))
