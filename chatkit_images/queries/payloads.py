"""Thread items to rows and back.

A row's payload holds references where the item has URLs: image items name their
call, messages their attachments by id, and in any other text an image of ours
is ``chatkit-image:<uuid>``, a person's file ``chatkit-attachment:<id>``.
"""

from __future__ import annotations

import datetime
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from chatkit import types
from django.db import models as db
from django.utils import timezone
from pydantic import TypeAdapter, ValidationError

from .. import file_urls, models, storage, url_tokens
from ..context import RequestContext

logger = logging.getLogger(__name__)
ADAPTER: TypeAdapter[types.ThreadItem] = TypeAdapter(types.ThreadItem)

DATA_IMAGE = re.compile(
    r"data:image/[\w.+-]+(?:;[\w.=+-]+)*;base64,([A-Za-z0-9+/=]+)", re.IGNORECASE
)
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
REFERENCE = re.compile(rf"chatkit-image:({UUID})")
# What a token holds of an attachment's id, which ends where such characters end.
FILE_REFERENCE = re.compile(r"chatkit-attachment:([\w~-]{1,64})(?![\w~-])")
# An absolute or relative URL whose last part is one of our tokens. A path begins
# once: tried at each of its slashes, a long one would take minutes.
OUR_URL = re.compile(
    r"(?:https?://[^\s\"'()<>/]+|(?<![\w./-]))"
    r"(?:/[\w.-]++)*/((?:image|attachment)\.[\w.~-]+)/?"
)
# A URL of the route for the logged-in owner, which is signed by nobody.
SESSION_URL = re.compile(
    r"(?:https?://[^\s\"'()<>/]+|(?<![\w./-]))"
    rf"(?:/[\w.-]++)*/images/({UUID})/[\w-]++/?"
)

# A URL of the storage's own: it ends in a name of ours, a signature may follow.
STORAGE_URL = re.compile(
    r"(?<![^\s\"'()<>])(?:https?://|/)[^\s\"'()<>]*?"
    rf"({storage.NAME.pattern})(?:\?[^\s\"'()<>]*)?"
)


def to_aware(value: datetime.datetime) -> datetime.datetime:
    """Return a time for the database; ChatKit stamps naive local time."""
    return value.astimezone(datetime.UTC)


def to_naive(value: datetime.datetime) -> datetime.datetime:
    """Return a time for ChatKit, which subtracts it from ``datetime.now()``."""
    return value.astimezone().replace(tzinfo=None)


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """Return JSON data with every string changed, keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        # JSON has no other keys than strings.
        return {change(str(k)): map_strings(v, change) for k, v in value.items()}
    if isinstance(value, list):
        return [map_strings(v, change) for v in value]
    return value


def clean(text: str) -> str:
    """Return text that every database takes: PostgreSQL refuses NUL, UTF-8 halves.

    A half is a lone surrogate, as in a model's JSON that was cut in an emoji.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def columns(model: type[db.Model], fields: dict[str, Any]) -> dict[str, Any]:
    """Return columns of somebody else's words as every database takes them.

    PostgreSQL refuses text that is longer than its column, and the row with it.
    """
    cleaned: dict[str, Any] = map_strings(fields, clean)
    for name, value in cleaned.items():
        if isinstance(value, str):
            limit = getattr(model._meta.get_field(name), "max_length", None)
            cleaned[name] = value[:limit]
    return cleaned


def is_ours(url: str) -> bool:
    """Whether a URL is one that this app signed, for whomever."""
    match = OUR_URL.fullmatch(url)
    return bool(match and url_tokens.is_signed(match[1]))


def strings(value: Any) -> Iterator[str]:
    """Yield every string of JSON data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def dehydrate(
    item: types.ThreadItem,
    owner: str,
    save_image: Callable[[str, str], models.GeneratedImage | None],
) -> dict[str, Any]:
    """Return the payload of an item's row, without base64 and URLs of ours.

    Args:
        item: The item.
        owner: Isolation key; a URL of another owner's image stays text.
        save_image: Takes call id (may be empty) and base64 of a ``data:`` image
            and returns its row, ``None`` if it is no image.
    """
    payload: dict[str, Any] = item.model_dump(mode="json", exclude_none=True)
    for name, field in type(item).model_fields.items():
        if field.is_required():
            # Hidden context may be None, and must be there.
            payload.setdefault(name, None)
    for name in ("id", "thread_id", "created_at"):
        payload.pop(name)
    if isinstance(item, types.UserMessageItem):
        payload["attachments"] = [attachment.id for attachment in item.attachments]
    if isinstance(item, types.GeneratedImageItem) and item.image is not None:
        # A URL of somebody else's is dropped: it expires, and it is not ours.
        if match := DATA_IMAGE.fullmatch(item.image.url):
            save_image(item.image.id, match[1])
        payload["image"] = {"id": item.image.id}

    def refer(match: re.Match[str]) -> str:
        # A URL that has expired was the owner's all the same.
        token = url_tokens.read(match[1], expired_ok=True)
        # Anybody can paste a URL; only the owner's becomes one that never expires.
        if token is None or not token.is_of(owner):
            return match[0]
        if token.kind == "image":
            return f"chatkit-image:{uuid.UUID(token.key)}"
        reference = f"chatkit-attachment:{token.key}"
        # What follows without a gap would be read as a part of the id.
        following = match.string[match.end() : match.end() + 1]
        found = FILE_REFERENCE.match(reference + following)
        return reference if found and found[1] == token.key else match[0]

    def refer_file(match: re.Match[str]) -> str:
        rows = models.GeneratedImage.objects.for_owner(owner).filter(file=match[1])
        key = rows.values_list("pk", flat=True).first()
        return f"chatkit-image:{key}" if key else match[0]

    def keep(match: re.Match[str]) -> str:
        image = save_image("", match[1])
        return f"chatkit-image:{image.pk}" if image else ""

    def change(text: str) -> str:
        text = DATA_IMAGE.sub(keep, clean(text))
        return STORAGE_URL.sub(refer_file, OUR_URL.sub(refer, text))

    changed: dict[str, Any] = map_strings(payload, change)
    keys = {
        key
        for text in strings(changed)
        if "/images/" in text
        for key in SESSION_URL.findall(text)
    }
    if keys:
        # One query for all of them.
        rows = models.GeneratedImage.objects.for_owner(owner).filter(pk__in=keys)
        owned = {str(key) for key in rows.values_list("pk", flat=True)}

        def refer_session(match: re.Match[str]) -> str:
            return f"chatkit-image:{match[1]}" if match[1] in owned else match[0]

        changed = map_strings(
            changed, lambda text: SESSION_URL.sub(refer_session, text)
        )
    return changed


def readable(text: str, image: str, file: str) -> str:
    """Return stored text with words for the images and files that it quotes."""
    return FILE_REFERENCE.sub(lambda _: file, REFERENCE.sub(lambda _: image, text))


def references(rows: Iterable[models.ThreadItem]) -> set[uuid.UUID]:
    """Return the ids of the images that the rows' texts refer to."""
    found: set[uuid.UUID] = set()
    for row in rows:
        for text in strings(row.payload):
            found.update(uuid.UUID(match) for match in REFERENCE.findall(text))
    return found


def file_references(rows: Iterable[models.ThreadItem]) -> set[str]:
    """Return the ids of the attachments that the rows' texts refer to."""
    found: set[str] = set()
    for row in rows:
        for text in strings(row.payload):
            found.update(FILE_REFERENCE.findall(text))
    return found


def hydrate(
    row: models.ThreadItem,
    context: RequestContext,
    images: dict[str, models.GeneratedImage],
    attachments: dict[str, types.Attachment],
    previews: dict[str, str],
) -> types.ThreadItem | None:
    """Return the item of a row, ``None`` if this ChatKit does not know its type.

    Args:
        row: The row.
        context: For whom its URLs are.
        images: The thread's images by call id and by primary key.
        attachments: The thread's attachments by id.
        previews: URLs of the attachments that a text refers to, by id.
    """

    def resolve(match: re.Match[str]) -> str:
        image = images.get(match[1])
        return file_urls.image_url(image, context) if image else match[0]

    def resolve_file(match: re.Match[str]) -> str:
        return previews.get(match[1], match[0])

    def change(text: str) -> str:
        return FILE_REFERENCE.sub(resolve_file, REFERENCE.sub(resolve, text))

    payload = map_strings(row.payload, change)
    if row.type == "user_message":
        payload["attachments"] = [
            attachments[key] for key in payload["attachments"] if key in attachments
        ]
    if row.type == "generated_image" and payload.get("image"):
        image = images.get(payload["image"]["id"])
        payload["image"]["url"] = file_urls.image_url(image, context) if image else ""
    try:
        return ADAPTER.validate_python(
            payload
            | {
                "id": row.item_id,
                "thread_id": row.thread_id,
                "created_at": to_naive(row.created_at),
            }
        )
    except ValidationError as error:
        # By itself it would say what is in the item.
        problems = error.errors(
            include_url=False, include_context=False, include_input=False
        )
        logger.error(
            "Item %s of thread %s is left out: %s", row.pk, row.thread_id, problems
        )
        return None


def now() -> datetime.datetime:
    """Return the present as ChatKit stamps it."""
    return to_naive(timezone.now())
