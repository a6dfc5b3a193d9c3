"""What signed URLs name: a row, for whose owner the request then works.

Such a URL is authority by itself, so nobody has to be logged in. Nothing here is for
the event loop.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from django.db.models import Model
from django.http import HttpRequest

from .. import database, models, url_tokens
from ..context import RequestContext
from ..contexts import context_class, within_tenant_of
from ..exceptions import NotFoundError
from ..lookups import Lookup

M = TypeVar("M", bound=Model)

# What serving an image needs of its row and of its thread's.
IMAGES = Lookup(
    models.GeneratedImage,
    {
        "": (
            *("id", "thread", "status", "finished_at", "created_at", "prompt"),
            "visibility",
            *("file", "thumbnail", "storage_alias", "mime", "bytes", "sha256"),
        ),
        "thread": ("id", "owner", "user"),
        "thread__user": None,
    },
)
ATTACHMENTS = Lookup(models.Attachment, {"": None, "user": None})


class Opened(NamedTuple):
    """What a valid URL opens.

    Attributes:
        row: An image or an attachment.
        variant: Which bytes of it.
        context: That of its owner.
        max_age: Seconds that a browser may keep the bytes.
    """

    row: Any
    variant: str
    context: RequestContext
    max_age: int


def image_of(request: HttpRequest, token: str) -> Opened:
    """Return the image that a URL opens.

    Raises:
        NotFoundError: If the token is not valid, or the image is gone.
    """
    said, image = _read(request, token, "image", IMAGES)
    context = _context_of(image.thread, request, said)
    return Opened(image, said.variant, context, said.seconds_to_keep())


def attachment_of(request: HttpRequest, token: str, kind: str) -> Opened:
    """Return the attachment that a URL opens.

    Args:
        request: The request.
        token: The token in its URL.
        kind: What the URL is for: ``"attachment"`` or ``"upload"``.

    Raises:
        NotFoundError: If the token is not valid, or the attachment is gone.
    """
    said, row = _read(request, token, kind, ATTACHMENTS)
    context = _context_of(row, request, said)
    return Opened(row, said.variant, context, said.seconds_to_keep())


def _read(
    request: HttpRequest, token: str, kind: str, rows: Lookup[M]
) -> tuple[url_tokens.Token, M]:
    """Return what a token says, and its row with its user."""
    said = url_tokens.read(token)
    if said is None or said.kind != kind:
        raise NotFoundError(f"The token is for no {kind}")
    with within_tenant_of(request):
        row = database.read(rows.one, said.key)
    if row is None:
        raise NotFoundError(f"There is no {kind} {said.key}")
    return said, row


def _context_of(
    row: models.Thread | models.Attachment,
    request: HttpRequest,
    said: url_tokens.Token,
) -> RequestContext:
    """Return the context of a row's owner, if the token was made for them."""
    context = context_class().for_owner(row.owner, row.user, request)
    if not said.is_of(context.scope):
        raise NotFoundError("The token is for another owner")
    return context
