"""The images that mentions in messages name, as parts of a model's input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chatkit import types
from openai.types.responses import ResponseInputContentParam

from .. import models
from ..queries.identity import key_of
from ..queries.inputs import InputFile
from ..queries.model_rows import tags
from ..queries.named_images import MOST_NAMED
from . import absences, parts
from .file_parts import FileParts
from .input_files import InputFiles


def image_keys(items: Iterable[types.ThreadItem]) -> list[str]:
    """Return the keys that mentions name images by, whoever has these."""
    keys = dict.fromkeys(key_of(tag.id) for tag in tags(items))
    return [str(key) for key in keys][:MOST_NAMED]


def with_distinct_texts(content: Sequence[types.UserMessageContent]) -> list[Any]:
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
    """The named images of inputs.

    Args:
        files: The files of the input.
    """

    def __init__(self, files: InputFiles) -> None:
        self._files = files
        # By the id() of the part, which is kept with them: as long as it is there, no
        # other part gets the same id().
        self._words: dict[int, tuple[Any, str]] = {}

    def begin(self) -> None:
        """Forget the parts of the input before."""
        self._words = {}

    async def part(
        self,
        tag: types.UserMessageTagContent,
        image: models.GeneratedImage | None,
        made: FileParts,
        *,
        may_show: bool,
    ) -> ResponseInputContentParam | None:
        """Return the image that a mention names, or words where it cannot go.

        Args:
            tag: The mention.
            image: The owner's image that it names, if there is one.
            made: Makes the parts of the input.
            may_show: Whether it is one of so many that are shown.

        Returns:
            ``None`` if the mention names no image.
        """
        if key_of(tag.id) is None:
            return None
        if image is None:
            return parts.text(f"@{tag.text}: an image that is not there any more.")
        file, part, why = InputFile("image", str(image.pk)), None, absences.WITHHELD
        if not may_show:
            why = absences.NOT_AGAIN
        elif self._files.may_go(file):
            part, why = await made.image(image)
        if part is None:
            return parts.text(f"@{tag.text}: {absences.of_image(image, why)}")
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
