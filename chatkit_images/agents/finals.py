"""The final of an image call: the image itself, or the reason why there is none."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from chatkit import types
from openai.types.responses.response_output_item import ImageGenerationCall

from ..converters import DjangoResponseStreamConverter
from ..exceptions import ImageError, StorageUnavailable
from ..imaging import Base64Image
from ..receiving import whole
from ..run_state import base64_of
from . import image_columns, outcomes
from .outcomes import ImageOutcome, Status

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Final:
    """What the source of an image sends last.

    Attributes:
        image: The base64 of the image, ``None`` if there is none.
        outcome: How the call ends, if the app can store the image.
    """

    image: str | Base64Image | None
    outcome: ImageOutcome


def final_of(call: ImageGenerationCall) -> Final:
    """Return the final of a provider's finished call. An image wins over an error."""
    facts = image_columns.of_call(call)
    if call.result:
        return Final(
            base64_of(call.result), ImageOutcome(Status.COMPLETED, facts=facts)
        )
    return Final(None, outcomes.without_image(call, facts))


async def save(
    final: Final, call_id: str, converter: DjangoResponseStreamConverter
) -> types.GeneratedImage | ImageOutcome:
    """Store a final image, whose row must be there.

    Returns:
        The image as ChatKit shows it, or how the call ends without one.
    """
    if final.image is None:
        return final.outcome
    facts = final.outcome.facts
    try:
        return await converter.save_final(call_id, await whole(final.image), **facts)
    except (ImageError, StorageUnavailable) as error:
        logger.warning("Image call %s has no result: %s", call_id, error)
        return outcomes.of_refused(error, facts)
