"""What the answers of Google's API say that are no error, and have no image.

A prompt that is blocked, an image that is held back: both come with status 200.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from .codes import squeezed

# How a candidate ends that is whole, or of which nothing is said.
WHOLE = {"stop", "finishreasonunspecified", "", "none"}


def refused(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the body of an error that an answer amounts to; ``None`` if to none.

    Args:
        answer: An answer of ``generate_content`` or ``generate_images``, or the
            feedback on a prompt, as JSON or as the client's objects have it.
    """
    known = {squeezed(str(key)): value for key, value in answer.items()}
    feedback = known.get("promptfeedback")
    if isinstance(feedback, Mapping):
        return refused(feedback)
    if why := _word(known.get("blockreason")):
        return {"block_reason": why, "message": known.get("blockreasonmessage")}
    ends = [each for each in _entries(known, "candidates") if "finishreason" in each]
    words = [_word(each["finishreason"]) for each in ends]
    if words and not any(squeezed(word) in WHOLE for word in words):
        return {"finish_reason": words[0], "message": ends[0].get("finishmessage")}
    images = _entries(known, "generatedimages")
    held = [each.get("raifilteredreason") for each in images if not each.get("image")]
    if held and len(held) == len(images) and held[0]:
        return {"block_reason": "rai_filtered", "message": str(held[0])}
    return None


def _entries(known: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = known.get(name)
    return [
        {squeezed(str(key)): value for key, value in entry.items()}
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, Mapping)
    ]


def _word(value: Any) -> str:
    return str(value.value if isinstance(value, enum.Enum) else value or "")
