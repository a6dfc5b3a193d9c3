"""One line of the log for each run and each image, when it has ended."""

from __future__ import annotations

import logging
from typing import Any

from .. import models
from ..signals import image_failed, image_saved, run_finished
from . import facts, tracing

# One name for all of them, whatever the modules are called.
logger = logging.getLogger("chatkit_images.reports")
SHOWN = ("model_ms", "draw_ms", "decode_ms", "store_ms", "database_wait_ms")


def connect() -> None:
    """Connect the reports to the signals; called once, by the app's ``ready()``."""
    for signal in (image_saved, image_failed):
        signal.connect(report_image, dispatch_uid="chatkit_images.report_image")
    run_finished.connect(report_run, dispatch_uid="chatkit_images.report_run")
    tracing.connect()


def report_image(sender: Any, image: models.GeneratedImage, **kwargs: Any) -> None:
    """Log where the time of an image went."""
    if logger.isEnabledFor(logging.INFO):
        known = facts.of_image(image)
        logger.info(
            "Image %s of run %s is %s after %s ms%s",
            known["image_id"],
            known["run_id"] or "-",
            _state(known),
            known["total_ms"],
            _spent(known),
            extra=known,
        )


def report_run(sender: Any, run: models.Run, **kwargs: Any) -> None:
    """Log where the time of a run went."""
    if logger.isEnabledFor(logging.INFO):
        known = facts.of_run(run)
        logger.info(
            "Run %s in thread %s is %s after %s ms%s",
            known["run_id"],
            known["thread_id"] or "-",
            _state(known),
            known["total_ms"],
            _spent(known),
            extra=known,
        )


def _state(known: facts.Facts) -> str:
    status, reason = known["status"], known["reason"]
    return f"{status} ({reason})" if reason else str(status)


def _spent(known: facts.Facts) -> str:
    """Return where the most of the time went, for people."""
    names = [name for name in SHOWN if known.get(name)]
    told = [f"{name.removesuffix('_ms')} {known[name]} ms" for name in names]
    return f": {', '.join(told)}" if told else ""
