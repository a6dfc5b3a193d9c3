"""The final of an image call: the image itself, or the reason why there is none."""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pybase64
from chatkit import types
from django.utils import timezone
from openai.types.responses.response_output_item import ImageGenerationCall

from ..converters import DjangoResponseStreamConverter
from ..exceptions import ImageError, StorageUnavailable
from ..failures import tell
from ..imaging import Base64Image, RawImage, SentImage
from ..receiving import whole
from ..run_state import base64_of
from . import image_columns, outcomes
from .outcomes import ImageOutcome, Status

logger = logging.getLogger(__name__)
# Characters of base64 that are enough to recognise an image again.
MARK, MARK_END = 256, 192
Mark = tuple[int, bytes]
# From the alphabet of base64 for URLs to the usual one.
URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True)
class Final:
    """What the source of an image sends last.

    Attributes:
        image: The image, ``None`` if there is none.
        outcome: How the call ends, if the app can store the image.
        arrived_at: When it came.
    """

    image: SentImage | None
    outcome: ImageOutcome
    arrived_at: datetime.datetime = field(default_factory=timezone.now, compare=False)

    @property
    def is_provisional(self) -> bool:
        """Whether it says neither what the image is nor why there is none."""
        return self.image is None and self.outcome.failure is None

    @cached_property
    def mark(self) -> Mark | None:
        """What tells one image from another without reading all of it.

        The last bytes of a compressed image depend on all that is before them.
        """
        if self.image is None:
            return None
        if isinstance(self.image, RawImage):
            return _mark_of(self.image.data)
        if isinstance(self.image, Base64Image):
            tail = self.image.tail(MARK).rstrip(b"=")
            padding = len(self.image.tail(2)) - len(self.image.tail(2).rstrip(b"="))
            return len(self.image) - padding, tail[-MARK_END:]
        text = self.image
        if text[:5].lower() == "data:":
            # Some gateways send an image twice, once with such a prefix.
            text = text[text.find(",", 0, MARK) + 1 :]
        if any(map(str.isspace, text[:MARK])):
            text = "".join(text.split())
        text = text.rstrip("=")
        tail = text[-MARK_END:].translate(URL_SAFE).encode(errors="replace")
        return len(text), tail


def _mark_of(data: bytes) -> Mark:
    """Return the mark that bytes have as base64, as a tool may return both."""
    start = max(0, len(data) - MARK_END) // 3 * 3
    tail = pybase64.b64encode(data[start:]).rstrip(b"=")
    return start // 3 * 4 + len(tail), tail[-MARK_END:]


def final_of(call: ImageGenerationCall) -> Final:
    """Return the final of a provider's finished call. An image wins over an error."""
    facts = image_columns.of_call(call)
    if call.result:
        return Final(
            base64_of(call.result), ImageOutcome(Status.COMPLETED, facts=facts)
        )
    return Final(None, outcomes.without_image(call, facts))


def call_of(data: Any) -> ImageGenerationCall | None:
    """Return the finished call of an event that has its image outside of an item."""
    result = getattr(data, "result", None)
    if data.type != "response.image_generation_call.completed" or not result:
        return None
    return ImageGenerationCall(
        id=data.item_id or "",
        type="image_generation_call",
        status="completed",
        result=result,
    )


async def save(
    final: Final,
    call_id: str,
    converter: DjangoResponseStreamConverter,
    begun: dict[str, Any],
) -> types.GeneratedImage | ImageOutcome:
    """Store a final image, whose row must be there.

    Args:
        final: The final.
        call_id: The call.
        converter: Stores the image.
        begun: The columns that were known when the call began.

    Returns:
        The image as ChatKit shows it, or how the call ends without one.
    """
    if final.image is None:
        tell(final.outcome.failure, f"Image call {call_id}")
        return final.outcome
    facts = image_columns.merged(begun, final.outcome.facts)
    facts["arrived_at"] = final.arrived_at
    try:
        return await converter.save_final(call_id, await whole(final.image), **facts)
    except (ImageError, StorageUnavailable) as error:
        logger.warning("Image call %s has no result: %s", call_id, error)
        outcome = outcomes.of_error(error, facts)
        tell(outcome.failure, f"Image call {call_id}")
        return outcome
