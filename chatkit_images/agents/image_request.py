"""What a project asks an own source of images for, as columns of the image's row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from chatkit import types
from django.utils import timezone

from .. import cleaning
from ..context import RequestContext
from ..converters import DjangoResponseStreamConverter
from ..models import Attachment, GeneratedImage
from ..queries import sources
from ..queries.sources import Named, Role

Given = (
    GeneratedImage
    | Attachment
    | types.GeneratedImage
    | types.GeneratedImageItem
    | types.AttachmentBase
    | str
)
"""An image or an attachment: its row, what ChatKit has of it, or its id for clients."""


class ImageOptions(TypedDict, total=False):
    """Further facts of an image that is about to be generated.

    Attributes:
        provider: The host of the source.
        size: The size that was asked for.
        quality: The quality that was asked for.
        background: The background that was asked for.
        output_format: The format that was asked for.
        details: Further options, as JSON.
        sources: The images and files that go along.
        edited: Those of which it is a new version.
        mask: The image or file that says what of it may change.
    """

    provider: str
    size: str
    quality: str
    background: str
    output_format: str
    details: Mapping[str, Any]
    sources: Iterable[Given]
    edited: Iterable[Given]
    mask: Given | None


@dataclass(frozen=True)
class ImageRequest:
    """An image that a project asks a source of its own for.

    Attributes:
        prompt: In which words.
        model: Which model draws it.
        partial_images: How many partial images are expected; ``None`` if unknown.
        options: Further facts of the image.
        given: What the image is made from, by role. An iterator of it is read once.
    """

    prompt: str
    model: str
    partial_images: int | None = None
    options: ImageOptions = field(default_factory=ImageOptions)
    given: dict[str, list[Named]] = field(init=False)

    def __post_init__(self) -> None:
        """Refuse what no row could take.

        Raises:
            TypeError: If it is of another type, or an option is unknown.
        """
        for name in ("prompt", "model"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a str, got {getattr(self, name)!r}.")
        count = self.partial_images
        if count is not None and (type(count) is not int or count < 0):
            raise TypeError(f"partial_images must be a number or None, got {count!r}.")
        details = self.options.get("details")
        if details is not None and not isinstance(details, Mapping):
            raise TypeError(f"details must be a dict, got {details!r}.")
        for name in ("sources", "edited"):
            some = self.options.get(name) or ()
            if isinstance(some, str | bytes) or not isinstance(some, Iterable):
                kind = type(some).__name__
                raise TypeError(f"{name} must be a list, got a {kind}.")
        if unknown := sorted(set(self.options) - set(ImageOptions.__annotations__)):
            raise TypeError(f"generating_image() has no option {unknown[0]!r}.")
        object.__setattr__(self, "given", self._given())  # The class is frozen.

    def columns(self) -> dict[str, Any]:
        """Return what is known of the image when its call begins."""
        named = ("size", "quality", "background", "output_format")
        columns: dict[str, Any] = {
            "source": GeneratedImage.Source.OWN,
            "prompt": self.prompt,
            "model": self.model,
            **{name: str(value) for name in named if (value := self.options.get(name))},
        }
        if details := self.options.get("details"):
            columns["details"] = cleaning.plain_json(details)
        return columns

    def _given(self) -> dict[str, list[Named]]:
        mask = self.options.get("mask")
        given = {
            Role.EDITED: self.options.get("edited") or (),
            Role.INPUT: self.options.get("sources") or (),
            Role.MASK: () if mask is None else (mask,),
        }
        return {role: list(map(_named, some)) for role, some in given.items()}

    def prepare(self, converter: DjangoResponseStreamConverter) -> None:
        """Tell a converter, which stores this image only, what is known of it."""
        converter.told = {}
        converter.partial_images = self.partial_images
        asked = converter.asked
        asked.provider = str(self.options.get("provider") or "")
        asked.model = self.model
        asked.requested_at = timezone.now()


def find(
    given: Mapping[str, list[Named]], context: RequestContext
) -> list[sources.Source]:
    """Return what an image is made from. Asks the database.

    Raises:
        NotFoundError: If the owner has not all of it.
        ValueError: If it is too much.
    """
    return [
        source
        for role, some in given.items()
        for source in sources.named(some, context, role)
    ]


def _named(given: Given) -> Named:
    if isinstance(given, types.GeneratedImageItem) and given.image is not None:
        return given.image.id
    if isinstance(given, types.GeneratedImage | types.AttachmentBase):
        return given.id
    if isinstance(given, GeneratedImage | Attachment | str):
        return given
    raise TypeError(
        f"A source is an image, an attachment, or the id of one, got {given!r}."
    )
