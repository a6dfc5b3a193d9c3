"""What a project knows of the exceptions of its own image sources."""

from __future__ import annotations

import logging

from django.utils.module_loading import import_string

from ..conf import settings
from .failure import Failure

logger = logging.getLogger(__name__)


def of_project(error: BaseException) -> Failure | None:
    """Return what the function of the setting ``FAILURES`` says of an exception.

    It is not asked about the exceptions of the app, which mean what they mean. If it
    fails, the app decides.
    """
    path = settings.FAILURES
    ours = type(error).__module__.startswith("chatkit_images.")
    if path is None or ours or not isinstance(error, Exception):
        return None
    try:
        found = import_string(path)(error)
    except Exception:
        logger.exception("CHATKIT_IMAGES['FAILURES'] has failed")
        return None
    if found is not None and not isinstance(found, Failure):
        logger.error(
            "CHATKIT_IMAGES['FAILURES'] must return a Failure or None, got %s",
            type(found).__name__,
        )
        return None
    return found
