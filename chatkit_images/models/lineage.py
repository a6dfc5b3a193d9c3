"""The family of an image: what it was made from, and what was made from it."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from .attachments import Attachment
    from .images import GeneratedImage

# Steps from the image, one statement each, and images of one family.
MOST_STEPS, MOST_IMAGES = 50, 200
# Further inputs and uses of the image itself.
MOST_OTHERS = 100
EDITED = "edited"
Graph = defaultdict[uuid.UUID, set[uuid.UUID]]
# As an edge has them.
COLUMNS = ("image", "source_image", "attachment", "role")


class Edge(NamedTuple):
    """That an image was made from another, or from a file.

    Attributes:
        image: Key of the image that was made.
        source_image: Key of the image that it was made from.
        attachment: Key of the attachment that it was made from. If both are ``None``,
            what it was made from is deleted.
        role: One of ``ImageSource.Role``.
    """

    image: uuid.UUID
    source_image: uuid.UUID | None
    attachment: str | None
    role: str

    @property
    def ends(self) -> set[uuid.UUID]:
        """The keys of its images."""
        return {key for key in (self.image, self.source_image) if key is not None}

    def touches(self, key: uuid.UUID) -> bool:
        """Whether an image is one of its ends."""
        return key in self.ends

    def is_known(
        self, images: Mapping[uuid.UUID, Any], attachments: Mapping[str, Any]
    ) -> bool:
        """Whether both of its ends are there; what is deleted counts as an end."""
        return (
            self.image in images
            and (self.source_image is None or self.source_image in images)
            and (self.attachment is None or self.attachment in attachments)
        )


class Lineage:
    """An image among those of which it is a version, and which are versions of it.

    Args:
        image: The image.
        images: Those that may be in it, by key.
        attachments: The files that may be in it, by key.
        edges: What was made from what. An edge with an end that is in neither mapping
            is left out, and what nothing else connects with the image.
        is_whole: Whether nothing was left out, as there was too much of it.

    Attributes:
        image: The image.
        edges: Those of the family are edits; the image itself has its inputs, its
            masks and its uses too.
        family: The images that edits connect with it, and itself, by key.
        others: What it was made from or has served for without an edit, by key.
        attachments: The files that the edges name, by key.
    """

    def __init__(
        self,
        image: GeneratedImage,
        images: Mapping[uuid.UUID, GeneratedImage],
        attachments: Mapping[str, Attachment],
        edges: Iterable[Edge],
        *,
        is_whole: bool = True,
    ) -> None:
        self.image, self.is_whole = image, is_whole
        images = {**images, image.pk: image}
        edges = [edge for edge in edges if edge.is_known(images, attachments)]
        self._made_from: Graph = defaultdict(set)
        self._became: Graph = defaultdict(set)
        for edge in edges:
            if edge.role == EDITED and edge.source_image is not None:
                self._made_from[edge.image].add(edge.source_image)
                self._became[edge.source_image].add(edge.image)
        keys = {image.pk} | _reached(image.pk, self._made_from, self._became)
        self.family = {key: images[key] for key in keys}
        self.edges = [
            edge
            for edge in edges
            if (edge.image in keys if edge.role == EDITED else edge.touches(image.pk))
        ]
        ends = {end for edge in self.edges for end in edge.ends}
        self.others = {key: images[key] for key in ends - keys}
        files = {edge.attachment for edge in self.edges}
        self.attachments = {pk: row for pk, row in attachments.items() if pk in files}

    @property
    def ancestors(self) -> list[GeneratedImage]:
        """The images of which it is a version, the oldest first."""
        return self._ordered(_reached(self.image.pk, self._made_from))

    @property
    def descendants(self) -> list[GeneratedImage]:
        """The images that are versions of it, the oldest first."""
        return self._ordered(_reached(self.image.pk, self._became))

    @property
    def roots(self) -> list[GeneratedImage]:
        """The images of the family that are versions of no other, the oldest first."""
        return self._ordered(key for key in self.family if not self._made_from[key])

    def made_from(self, image: GeneratedImage) -> list[GeneratedImage]:
        """Return what an image of the family is a version of, the oldest first."""
        return self._ordered(self._made_from[image.pk])

    def versions(self, image: GeneratedImage) -> list[GeneratedImage]:
        """Return the direct versions of an image of the family, the oldest first."""
        return self._ordered(self._became[image.pk])

    def _ordered(self, keys: Iterable[uuid.UUID]) -> list[GeneratedImage]:
        found = [self.family[key] for key in keys]
        return sorted(found, key=lambda image: (image.created_at, image.pk.hex))


class WithLineage:
    """Images that can say what they were made from, and what was made from them."""

    def lineage(
        self: Any,
        images: QuerySet[GeneratedImage] | None = None,
        attachments: QuerySet[Attachment] | None = None,
    ) -> Lineage:
        """Return what it is a version of, what are versions of it, and its inputs.

        It takes a statement for each step between the ends of the chain, and four more.
        It is bounded: see ``Lineage.is_whole``. Not for the event loop.

        Args:
            images: The images that may be in it. Default: those of its owner.
            attachments: The same for attachments.
        """
        image: GeneratedImage = self
        if images is None:
            images = type(image).objects.for_owner(image.thread.owner)
        if attachments is None:
            attachments = _model("Attachment").objects.for_owner(image.thread.owner)
        sources = _model("ImageSource").objects
        edges, is_whole = _family(sources, image.pk)
        others = _others(sources, image.pk)
        edges += others[:MOST_OTHERS]
        ends = {end for edge in edges for end in edge.ends}
        files = {edge.attachment for edge in edges if edge.attachment}
        return Lineage(
            image,
            # What has failed, or goes on, was not made from anything so far.
            images.exclude(file="").in_bulk(ends),
            attachments.in_bulk(files) if files else {},
            edges,
            is_whole=is_whole and len(others) <= MOST_OTHERS,
        )


def _model(name: str) -> Any:
    # The modules of these models import that of images, which imports this one.
    return apps.get_model("chatkit_images", name)


def _family(sources: Any, key: uuid.UUID) -> tuple[list[Edge], bool]:
    """Return the edits that connect images with one, and whether these are all."""
    found: dict[int, Edge] = {}
    seen, frontier, whole = {key}, {key}, True
    edits = sources.filter(role=EDITED)
    for _step in range(MOST_STEPS):
        rows = _touching(edits, frontier, 2 * MOST_IMAGES)
        whole = whole and len(rows) < 2 * MOST_IMAGES
        found |= rows
        frontier = {end for edge in rows.values() for end in edge.ends} - seen
        if len(seen) + len(frontier) > MOST_IMAGES:
            # In an order, so that the same images are left out each time.
            kept = sorted(frontier, key=lambda end: end.hex)
            frontier, whole = set(kept[: MOST_IMAGES - len(seen)]), False
        seen |= frontier
        if not frontier:
            break
    else:
        whole = False
    return [edge for edge in found.values() if edge.ends <= seen], whole


def _others(sources: Any, key: uuid.UUID) -> list[Edge]:
    """Return what an image was made from or has served for, other than edits."""
    others = sources.exclude(role=EDITED)
    return list(_touching(others, {key}, MOST_OTHERS + 1).values())


def _touching(rows: Any, keys: set[Any], most: int) -> dict[int, Edge]:
    """Return the first edges that begin or end at images, by the keys of their rows.

    It is one statement, of which each part uses an index of its own.
    """
    rows = rows.order_by().values_list("pk", *COLUMNS)
    made, used = rows.filter(image__in=keys), rows.filter(source_image__in=keys)
    return {
        pk: Edge(*columns) for pk, *columns in made.union(used).order_by("pk")[:most]
    }


def _reached(key: uuid.UUID, *graphs: Graph) -> set[uuid.UUID]:
    """Return what paths along graphs lead to from an image, without the image."""
    seen, frontier = {key}, {key}
    while frontier:
        ends = {end for at in frontier for graph in graphs for end in graph[at]}
        frontier = ends - seen
        seen |= frontier
    return seen - {key}
