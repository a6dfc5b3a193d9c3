"""The images that mentions in messages name, as parts of a model's input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chatkit import types
from openai.types.responses import ResponseInputContentParam

from .. import database, models
from ..context import RequestContext
from ..queries import named_images
from ..queries.identity import key_of
from ..queries.inputs import InputFile
from . import absences, parts
from .file_parts import FileParts
from .input_files import InputFiles


def tags(items: Iterable[types.ThreadItem]) -> list[types.UserMessageTagContent]:
    """Return the mentions of items, those of the newest item first."""
    return [
        part
        for item in reversed(list(items))
        if isinstance(item, types.UserMessageItem)
        for part in item.content
        if isinstance(part, types.UserMessageTagContent)
    ]


def image_keys(items: Iterable[types.ThreadItem]) -> list[str]:
    """Return the keys that mentions name images by, whoever has these."""
    keys = dict.fromkeys(key for tag in tags(items) if (key := key_of(tag.id)))
    return [str(key) for key in keys][: named_images.MOST_NAMED]


def told_apart(content: Sequence[types.UserMessageContent]) -> list[Any]:
    """Return the parts of a message, with another text for each thing that is named.

    Of two mentions with the same text the SDK converts the first only.
    """
    texts: dict[str, str] = {}
    found: list[types.UserMessageContent] = []
    for part in content:
        if isinstance(part, types.UserMessageTagContent):
            text, number = part.text, 1
            while texts.setdefault(text, part.id) != part.id:
                number += 1
                text = f"{part.text} ({number})"
            part = part.model_copy(update={"text": text})
        found.append(part)
    return found


class Mentions:
    """The named images of one input.

    Args:
        context: Whose images they are; those of others are as if they were not there.
        files: The files of the input.
        most: How many of them may go along.
    """

    def __init__(self, context: RequestContext, files: InputFiles, most: int) -> None:
        self._context = context
        self._files = files
        self._left = most
        self._images: dict[str, models.GeneratedImage] = {}
        # By the id() of the part, which is kept with them: as long as it is there, no
        # other part gets the same id().
        self._words: dict[int, tuple[Any, str]] = {}

    async def load(self, items: Iterable[types.ThreadItem]) -> None:
        """Look up the images that the mentions of items name."""
        ids = [tag.id for tag in tags(items) if key_of(tag.id)]
        if ids:
            self._images = await database.call(named_images.named, ids, self._context)

    async def part(
        self, tag: types.UserMessageTagContent, made: FileParts
    ) -> ResponseInputContentParam | None:
        """Return the image that a mention names, or words where it cannot go.

        Returns:
            ``None`` if the mention names no image.
        """
        if key_of(tag.id) is None:
            return None
        image = self._images.get(tag.id)
        if image is None:
            return parts.text(f"@{tag.text}: an image that is not there any more.")
        file, part, why = InputFile("image", str(image.pk)), None, absences.WITHHELD
        if self._left <= 0:
            why = absences.NOT_AGAIN
        elif self._files.may_go(file):
            part, why = await made.image(image)
        if part is None:
            return parts.text(f"@{tag.text}: {absences.of_image(image, why)}")
        self._left -= 1
        self._files.add(file, part)
        words = f"@{tag.text} (id: {tag.id}) is the following image:"
        self._words[id(part)] = part, words
        return part

    def with_words(self, content: Iterable[Any]) -> list[Any]:
        """Return the parts of a message, with words before each image that is named."""
        found: list[Any] = []
        for part in content:
            _, words = self._words.get(id(part), (None, ""))
            if words:
                found.append(parts.text(words))
            found.append(part)
        return found
