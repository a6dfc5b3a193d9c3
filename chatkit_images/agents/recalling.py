"""A tool with which a model looks at an earlier image again."""

from __future__ import annotations

from agents import RunContextWrapper, function_tool
from chatkit.agents import AgentContext

from .. import database, imaging, models
from ..context import RequestContext
from ..contexts import given_to
from ..converters import absences
from ..converters.file_parts import FileParts
from ..converters.parts import Part
from ..exceptions import NotFoundError
from ..queries import attachments, identity, inputs, named_images
from ..queries.inputs import InputFile
from ..run_state import current_state
from .tool_outputs import ModelImage

# Images that a model may look at again for one answer. Each stays in all that is sent
# for the answer from then on.
MOST = 8
NAME = "recall_image"
UNKNOWN = "There is no such image in this conversation."
ENOUGH = "No more images can be shown for this answer. Go on without it."


async def _recall(
    wrapper: RunContextWrapper[AgentContext[RequestContext]], image_id: str
) -> ModelImage | str:
    """Look again at an earlier image or image file that is not shown any more.

    Args:
        image_id: Its id, as the note in its place tells it.
    """
    context = given_to(recall_image, wrapper.context.request_context)
    state = current_state.get()
    if state is None:
        return await _look(image_id, context)
    if state.recalled >= MOST:
        return ENOUGH
    # A model may ask for any number at once.
    state.recalled += 1
    found: ModelImage | str = ""
    try:
        found = await _look(image_id, context)
    finally:
        if not isinstance(found, ModelImage):
            state.recalled -= 1
    return found


async def _look(image_id: str, context: RequestContext) -> ModelImage | str:
    # A part of the budget of an input is for each of them. They go as bytes: a refusal
    # of a URL comes after the answer has begun, when nothing is asked again.
    made = FileParts(context, halved=True, by_url=False)
    found = await (_generated if identity.key_of(image_id) else _sent)(
        image_id, context, made
    )
    if found is None:
        return UNKNOWN
    part, why = found
    if part is None:
        return f"The image {why}."
    if part["type"] == "input_text":
        return part["text"]
    if part["type"] != "input_image":
        return UNKNOWN
    return ModelImage(image_url=part["image_url"], detail="auto")


recall_image = function_tool(_recall, name_override=NAME)
"""Gives the model an image of the owner's by the id that stands in its place.

An agent that has it learns these ids of the images that it is not shown; see
``docs/images.md``. Refusals are told in words, and the answer goes on.
"""


async def _generated(
    image_id: str, context: RequestContext, made: FileParts
) -> Part | None:
    image = await database.call(named_images.get, image_id, context)
    if image is None:
        return None
    if await database.call(inputs.was_refused, InputFile("image", str(image.pk))):
        return None, absences.WITHHELD
    return await made.image(image)


async def _sent(image_id: str, context: RequestContext, made: FileParts) -> Part | None:
    try:
        row: models.Attachment = await database.call(attachments.get, image_id, context)
    except NotFoundError:
        return None
    if row.mime_type not in imaging.INLINE or not (row.file or row.thumbnail):
        return None
    if await database.call(inputs.was_refused, InputFile("attachment", row.pk)):
        return None, absences.WITHHELD
    return await made.attachment(row)
