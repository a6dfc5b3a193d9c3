"""What a person can name in a message: ChatKit's entities."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

from chatkit.server import ChatKitServer
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from pydantic import BaseModel

from .. import database, file_urls, models
from ..awaiting import awaited
from ..cleaning import clean_line
from ..context import RequestContext
from ..queries import named_images, preflight

# An entity or a widget, as ChatKit.js takes it.
Shown = Mapping[str, Any]
Found = Iterable[Shown] | Awaitable[Iterable[Shown]]
Preview = Shown | BaseModel | None
# Characters of a name, and of the words below a preview.
NAME, WORDS = 60, 200


class EntityMixin(ChatKitServer[RequestContext]):
    """Says what people can name: their images, and what a project adds."""

    def get_entities(self, query: str, context: RequestContext) -> Found:
        """Return what fits the beginning of a mention, as entities of ChatKit.js.

        Default: the owner's newest images whose prompts have all words of the query.
        Override it for more: ``[*await super().get_entities(query, context), ...]``.
        """
        return images(query, context)

    def get_entity_preview(
        self, entity_id: str, context: RequestContext
    ) -> Preview | Awaitable[Preview]:
        """Return the widget that shows an entity, ``None`` if there is no such entity.

        Default: the owner's image. Ask who may see it before you show anything else: a
        client may send any id.
        """
        return image_preview(entity_id, context)


async def entities_for(
    server: ChatKitServer[RequestContext], query: str, context: RequestContext
) -> list[Shown]:
    """Return what a person can name, whatever class the project's server has."""
    if isinstance(server, EntityMixin):
        return list(await awaited(server.get_entities(query, context)))
    return await images(query, context)


async def preview_for(
    server: ChatKitServer[RequestContext], entity_id: str, context: RequestContext
) -> Shown | None:
    """Return the preview of an entity, whatever class the project's server has.

    Raises:
        NotFoundError: If no database can look up the id.
    """
    preflight.check_ids([entity_id])
    if isinstance(server, EntityMixin):
        shown = await awaited(server.get_entity_preview(entity_id, context))
    else:
        shown = await image_preview(entity_id, context)
    if isinstance(shown, BaseModel):
        return shown.model_dump(mode="json", exclude_none=True)
    return shown


async def images(query: str, context: RequestContext) -> list[Shown]:
    """Return the owner's images that fit a query, as entities."""
    found = await database.call(named_images.search, query, context)
    return [entity(image) for image in found]


async def image_preview(entity_id: str, context: RequestContext) -> Shown | None:
    """Return the widget that shows an image of the owner's."""
    image = await database.call(named_images.get, entity_id, context)
    return preview(image, context) if image else None


def entity(image: models.GeneratedImage) -> dict[str, Any]:
    """Return an image as an entity. Nothing in it is a URL, as a message keeps it."""
    return {
        "id": image.image_id,
        "title": name_of(image),
        "group": _("Images"),
        "icon": "square-image",
        "interactive": True,
        "data": {"thread_id": image.thread_id},
    }


def preview(image: models.GeneratedImage, context: RequestContext) -> dict[str, Any]:
    """Return the widget that shows an image: its thumbnail, its prompt, its chat."""
    url = file_urls.image_url(image, context, "thumbnail")
    name = name_of(image)
    children: list[dict[str, Any]] = [
        {"type": "Image", "src": url, "alt": name, "maxHeight": 240, "fit": "contain"},
        {"type": "Text", "value": _short(image.prompt, WORDS) or name, "size": "sm"},
    ]
    if title := clean_line(image.thread.title or ""):
        children.append({"type": "Caption", "value": _short(title, WORDS)})
    return {"type": "Basic", "children": children}


def name_of(image: models.GeneratedImage) -> str:
    """Return what people call an image: the beginning of its prompt, in one line."""
    words = image.prompt or image.revised_prompt
    return _short(words, NAME) or _("Image")


def _short(words: str, most: int) -> str:
    # Much more than that is not looked at.
    line = " ".join(clean_line(words[: 4 * most]).split())
    return Truncator(line).chars(most)
