"""Thread items as JSON for the payloads of their rows, and back.

A payload holds no bytes and no URL of this app's. The payload of an image names its
call, the payload of a message names its attachments by their ids, and in any other text
a reference stands for a URL; see ``references``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

from chatkit import types
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from .. import file_urls, models, notes
from ..cleaning import clean, clean_json, map_strings
from ..context import RequestContext
from ..times import to_naive
from . import data_urls, own_urls, references

logger = logging.getLogger(__name__)
LOST = (
    "The URL of image item %s was left out, because it leads to another host: after a "
    "reload the image is not there. Return a DjangoResponseStreamConverter from the "
    "server's get_response_stream_converter(), or set keeps_foreign_urls on a subclass "
    "of DjangoStore."
)
ADAPTER: TypeAdapter[types.ThreadItem] = TypeAdapter(types.ThreadItem)


def of_item(
    item: types.ThreadItem,
    owner: str,
    find_image: Callable[[str, str], models.GeneratedImage | None],
    scope: str = "",
    *,
    foreign: bool = False,
) -> dict[str, Any]:
    """Return the payload of an item's row, without base64 and URLs.

    Args:
        item: The item.
        owner: The owner. A URL of another owner's image stays text.
        find_image: Takes call id (may be empty) and base64 of a ``data:`` image
            and returns its row, ``None`` if it is not stored. It is not asked about
            what a person has written.
        scope: The owner and their tenant, if there are tenants.
        foreign: Whether an image of another host keeps its URL.
    """
    payload = _dump(item)
    for name, field in type(item).model_fields.items():
        if field.is_required():
            # Hidden context may be None, but the key must be there.
            payload.setdefault(name, None)
    for name in ("id", "thread_id", "created_at"):
        payload.pop(name)
    if isinstance(item, types.UserMessageItem):
        payload["attachments"] = [attachment.id for attachment in item.attachments]
    _cut(payload, item)
    if isinstance(item, types.GeneratedImageItem) and item.image is not None:
        payload["image"] = {"id": item.image.id}
        if match := data_urls.DATA_IMAGE.fullmatch(item.image.url):
            find_image(item.image.id, match[1])
        elif own_urls.is_foreign(item.image.url):
            if foreign:
                payload["image"]["url"] = item.image.url
            else:
                logger.warning(LOST, item.id)

    def show(match: re.Match[str]) -> str:
        image = find_image("", match[1])
        return references.to_image(image.pk) if image else ""

    inner = map_strings(
        payload, lambda text: data_urls.DATA_IMAGE.sub(show, clean(text))
    )
    referring: dict[str, Any] = own_urls.refer(inner, owner, scope)
    return referring


def _cut(payload: dict[str, Any], item: types.ThreadItem) -> None:
    """Cut the bytes out of what a person has written into an item."""
    cutter = data_urls.Cutter()
    if isinstance(item, types.UserMessageItem):
        payload.update(map_strings(payload, cutter.cut))
    elif isinstance(item, types.StructuredInputItem):
        for asked in payload["inputs"]:
            if "answer" in asked:
                asked["answer"] = map_strings(asked["answer"], cutter.cut)
    elif isinstance(item, types.ClientToolCallItem) and "output" in payload:
        payload["output"] = map_strings(payload["output"], cutter.cut)


def named(
    item: types.GeneratedImageItem, image: models.GeneratedImage
) -> dict[str, str]:
    """Return what a payload says of the image of its item.

    Versions before read the provider's id only. The name is an id that is not ours.
    """
    said = {"id": image.call_id, "key": image.pk.hex}
    if item.image is not None and item.image.id != image.image_id:
        said["name"] = clean(item.image.id)
    return said


def _dump(item: types.ThreadItem) -> dict[str, Any]:
    try:
        return item.model_dump(mode="json", exclude_none=True)
    except UnicodeEncodeError:
        # Where a field takes any data, a half of a character can be in a key.
        dumped: dict[str, Any] = to_jsonable_python(
            clean_json(item.model_dump(exclude_none=True))
        )
        return dumped


def to_item(
    row: models.ThreadItem,
    context: RequestContext,
    images: dict[str, models.GeneratedImage],
    attachments: dict[str, types.Attachment],
    previews: dict[str, str],
) -> types.ThreadItem | None:
    """Return the item of a row, ``None`` if the installed ChatKit lacks its type.

    Args:
        row: The row.
        context: The person for whom URLs are made.
        images: The thread's images by call id and by primary key.
        attachments: The thread's attachments by id.
        previews: URLs of the attachments to which a text refers, by id.
    """

    def image_url(key: str) -> str | None:
        image = images.get(key)
        if image is not None and image.is_withheld:
            return ""
        return file_urls.image_url(image, context) if image else None

    payload = map_strings(
        row.payload, lambda text: references.resolve(text, image_url, previews.get)
    )
    if row.type == "user_message":
        payload["attachments"] = [
            attachments[key] for key in payload["attachments"] if key in attachments
        ]
    said: dict[str, str] = {}
    if row.type == "generated_image" and payload.get("image"):
        said = payload["image"]
        payload["image"] = _shown(said, images, image_url)
    try:
        item = ADAPTER.validate_python(
            payload
            | {
                "id": row.item_id,
                "thread_id": row.thread_id,
                "created_at": to_naive(row.created_at),
            }
        )
    except ValidationError as error:
        # The whole error would put the item's text into the log.
        problems = error.errors(
            include_url=False, include_context=False, include_input=False
        )
        logger.error(
            "Item %s of thread %s is left out: %s", row.pk, row.thread_id, problems
        )
        return None
    image = images.get(said.get("key", said["id"])) if said else None
    if image is not None and image.is_withheld:
        return item.model_copy(update={"image": notes.withheld(image)})
    return item


def _shown(
    said: dict[str, str],
    images: dict[str, models.GeneratedImage],
    image_url: Callable[[str], str | None],
) -> dict[str, str]:
    key = said.get("key", said["id"])
    name = name_of(said, images.get(key))
    return {"id": name, "url": image_url(key) or said.get("url", "")}


def name_of(said: dict[str, str], image: models.GeneratedImage | None) -> str:
    """Return the id by which clients know an image.

    Args:
        said: What the payload of its item says of it.
        image: Its row, if it is there.
    """
    return said.get("name") or (image.image_id if image else said["id"])
