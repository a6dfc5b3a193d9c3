"""Images and files as parts of a model's input, or why they cannot be."""

from __future__ import annotations

import logging

from chatkit import types

from .. import database, imaging, models
from ..context import RequestContext
from ..exceptions import ImageError
from ..fetching.addresses import is_public_url
from ..queries import data_urls, own_urls, variants
from . import absences, image_urls, parts
from .file_budget import FileBudget
from .parts import Part

logger = logging.getLogger(__name__)


class FileParts:
    """Makes the parts of one input, within its budget.

    Args:
        context: The owner of the rows.
        halved: Whether an input of these files was too large for the provider.
        by_url: Whether images may go by their URLs, if the project says so.
    """

    def __init__(
        self, context: RequestContext, *, halved: bool = False, by_url: bool = True
    ) -> None:
        self._context = context
        self._by_url = by_url
        self._budget = FileBudget(halved=halved)

    async def image(self, image: models.GeneratedImage) -> Part:
        """Return an image that has a row."""
        try:
            original = await _original(image)
            if self._by_url and (
                url := await image_urls.of(image, original, self._context)
            ):
                return parts.image(url), ""
            return await self._budget.image(original)
        except ImageError:
            return None, absences.OF_NO_KIND
        except Exception:
            # If the storage fails, the turn goes on without the image.
            logger.warning("Image %s cannot be read", image.pk, exc_info=True)
            return None, absences.NOT_NOW

    async def attachment(self, row: models.Attachment) -> Part:
        """Return a file that has a row and bytes, if only those of a preview."""
        try:
            if row.mime_type in imaging.INLINE:
                return await self._budget.image(await _original(row))
            return await self._budget.document(row)
        except ImageError:
            return None, absences.DAMAGED
        except Exception:
            logger.warning("Attachment %s cannot be read", row.pk, exc_info=True)
            return None, absences.NOT_NOW

    async def image_elsewhere(self, item: types.GeneratedImageItem) -> Part:
        """Return an image of an item whose image has no row, as of another store."""
        url = item.image.url if item.image is not None else ""
        return await self._elsewhere(url, item.id, "generated_image_to_input")

    async def attachment_elsewhere(self, attachment: types.Attachment) -> Part:
        """Return a file whose bytes another attachment store has."""
        url = str(getattr(attachment, "preview_url", ""))
        hook = "attachment_to_message_content"
        if not url:
            logger.warning(
                "The model does not get the file %s, which is not in this app's "
                "attachment store: override %s() of the converter",
                attachment.id,
                hook,
            )
            return None, absences.GONE
        return await self._elsewhere(url, attachment.id, hook)

    async def _elsewhere(self, url: str, key: str, hook: str) -> Part:
        if match := data_urls.DATA_IMAGE.fullmatch(url):
            try:
                return await self._budget.inline(match[1])
            except ImageError as error:
                logger.warning("The image of %s cannot be shown: %s", key, error)
                return None, absences.OF_NO_KIND
        if not url or own_urls.is_ours(url):
            return None, absences.GONE
        if not is_public_url(url):
            logger.warning(
                "The model does not get the image of %s, because no provider can reach "
                "its URL: override %s() of the converter",
                key,
                hook,
            )
            return None, absences.UNREACHABLE
        logger.info("The model gets the image of %s by its URL, as it has no row", key)
        return parts.image(url), ""


async def _original(row: variants.Row) -> variants.Original:
    """Return what is known of a row's image."""
    if variants.is_joined(row):
        return variants.original(row)
    return await database.call(variants.original, row)
