"""The rows of what one input of a model is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chatkit import types

from .. import database, models
from ..context import RequestContext
from ..queries import identity, kept_rows, model_rows
from ..queries.model_rows import ModelRows


class InputRows:
    """Finds rows for all items at once; for one item that a project converts, later.

    Args:
        context: Whose they are.
    """

    def __init__(self, context: RequestContext) -> None:
        self._context = context
        self._rows = ModelRows(context.owner)

    async def load(self, items: Sequence[types.ThreadItem]) -> None:
        """Look up what an input of items needs, if this run has not read it by now."""
        known = kept_rows.take(self._context)
        self._rows = await database.call(
            model_rows.of_items, items, self._context, known
        )

    async def image(self, item: types.ThreadItem) -> models.GeneratedImage | None:
        """Return the image that an item shows, or in whose place a note stands."""
        if not self._rows.has(item):
            await database.call(model_rows.of_items, [item], self._context, self._rows)
        return self._rows.image(item)

    async def attachment(self, sent: types.Attachment) -> models.Attachment | None:
        """Return the row of a file that was sent."""
        if sent.id not in self._rows.attachments:
            await database.call(
                model_rows.find_files, [sent.id], self._context, self._rows
            )
        return self._rows.attachments[sent.id]

    async def named_by(self, image_id: str) -> models.GeneratedImage | None:
        """Return the image that an id of clients' names, in the history or not."""
        if image_id not in self._rows.named and identity.key_of(image_id):
            await database.call(model_rows.find_named, image_id, self._rows)
        return self._rows.named.get(image_id)

    def named(self) -> Mapping[str, models.GeneratedImage]:
        """Return the images that mentions name, by their ids."""
        found = self._rows.named
        return {key: image for key, image in found.items() if image is not None}
