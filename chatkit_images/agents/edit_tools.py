"""The provider's own tool with a mask of the person's, for one turn."""

from __future__ import annotations

import base64
from typing import Any

from agents import ImageGenerationTool
from chatkit import types
from django.utils.translation import gettext as _

from .. import database, imaging, storage
from ..context import RequestContext
from ..converters import model_files, parts
from ..exceptions import FileRefused, NotFoundError
from ..queries import identity, named_images, sources, variants
from ..run_state import current_state, digest_of
from .named_files import Row, Who, bytes_of, context_of, row_of


async def edit_tool(
    who: Who, *, mask: str | None = None, edited: str | None = None, **config: Any
) -> ImageGenerationTool:
    """Return OpenAI's image tool for a turn, with a mask if one is given.

    Call it in an asynchronous ``get_agent()``. The mask is checked, brought to the
    pixels that the model gets of the image, and noted with the images that the tool
    makes in this turn.

    Args:
        who: Whose images they must be: ``context`` of ``get_agent()``, or the agent's.
        mask: Id of the attachment or the image whose transparent pixels may change.
        edited: Id of the image that is edited. Default: the first other image that the
            turn's message names or brings, else the newest image of its chat.
        config: Further options of the tool, such as ``input_fidelity="high"``.

    Raises:
        FileRefused: With the code ``bad_mask``, if the mask has other pixels than the
            image, or none that are transparent; with another one if it is no image. The
            person reads its message.
        ImageError: If it cannot be decoded.
        NotFoundError: If the owner has not both, or there is no image to edit.
        Exception: The storage's own, if it does not answer.
    """
    given = {"type": "image_generation", **config}
    if mask is not None:
        row = await row_of(who, mask)
        image = await _edited(who, row, edited)
        url = await _mask_url(row, image)
        given["input_image_mask"] = {"image_url": url}
        if (state := current_state.get()) is not None:
            files = sources.file_of(row), sources.file_of(image)
            state.masks[digest_of(url)] = files
    tool_config: Any = given
    return ImageGenerationTool(tool_config=tool_config)


async def _edited(who: Who, mask: Row, edited: str | None) -> Row:
    """Return the image for which a mask is."""
    if edited is not None:
        return await row_of(who, edited)
    context = context_of(who)
    said = context.message
    for each in _named(said) if said else ():
        if sources.file_of(each) != sources.file_of(mask):
            return await row_of(who, each)
    thread_id = said.thread_id if said else None
    if not isinstance(who, RequestContext):
        thread_id = who.thread.id
    newest: Row | None = None
    if thread_id:
        find = named_images.newest_of
        newest = await database.call(find, thread_id, context, mask.pk)
    if newest is None:
        raise NotFoundError("There is no image to edit.")
    return newest


def _named(message: types.UserMessageItem) -> list[str]:
    """Return the ids of the images that a message names, and of those it brings."""
    tags = [
        part.id
        for part in message.content
        if isinstance(part, types.UserMessageTagContent)
        and identity.key_of(part.id) is not None
    ]
    files = [each.id for each in message.attachments if each.type == "image"]
    return [*tags, *files]


async def _mask_url(mask: Row, image: Row) -> str:
    original = await database.call(variants.original, image)
    seen = await model_files.image(original)
    if seen.mime == model_files.SVG:
        text = _("A drawing in SVG goes to models as text, without a mask.")
        raise FileRefused("bad_mask", text)
    data = await bytes_of(mask)

    def draw() -> str:
        # A provider compares the mask with the image as it gets that.
        body = base64.b64decode(seen.text.partition(",")[2])
        info = imaging.inspect(body, decode=False)
        size = info.width, info.height
        sizes = {size}
        if image.width and image.height:
            own = image.width, image.height
            # A photo may lie on its side until it is drawn upright.
            is_turned = (own[0] < own[1]) != (size[0] < size[1])
            sizes.add(own[::-1] if is_turned else own)
        return parts.data_url("image/png", imaging.mask(data, sorted(sizes), size))

    return await storage.call("redraw", draw)
