"""The page's generator in a thread, with a pipeline that does as the test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chatkit_images.failures import Failure, Reason
from tests.sources_matrix.gates import planned
from tests.sources_matrix.sources import FINAL, PREVIEW

from .page import install, module


class Unsafe(Exception):
    """What the checker of a pipeline has found."""


class Pipeline:
    """One step, whose preview is shown, and then the image."""

    _interrupt = False

    def __call__(
        self, prompt: str, callback_on_step_end: Callable[..., Any]
    ) -> bytes | None:
        plan = planned()
        if plan.end == "block":
            raise Unsafe("The image may not be shown.")
        callback_on_step_end(self, 0, 1.0, {"latents": PREVIEW})
        plan.hold()
        if plan.end == "failure":
            raise RuntimeError("CUDA out of memory")
        return FINAL


def failures(error: Exception) -> Failure | None:
    """Return what the project knows of its own exceptions; ``FAILURES`` names it."""
    if isinstance(error, Unsafe):
        return Failure(Reason.BLOCKED, message=str(error))
    return None


install("pipeline", pipeline=Pipeline(), png=bytes)
Server = module("local").DesignServer
