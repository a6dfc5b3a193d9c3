"""A check of the size of images that go to models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks

# Sides with which a model sees what there is to see, and which all providers take.
LEAST, MOST = 256, 2000


def check_model_side(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that images for models are neither tiny nor larger than is taken."""
    side = values.get("MODEL_SIDE", MOST)
    if isinstance(side, bool) or not isinstance(side, int | float) or side <= 0:
        return  # Another check says so.
    if side < LEAST:
        why = "a model sees little of so small an image"
    elif side > MOST:
        why = "some providers refuse several images with more than 2000 pixels"
    else:
        return
    yield checks.Warning(
        f"CHATKIT_IMAGES['MODEL_SIDE'] is {side}: {why}.",
        hint=f"Set MODEL_SIDE to {LEAST} to {MOST}, or remove it for {MOST}.",
        id="chatkit_images.W022",
    )
