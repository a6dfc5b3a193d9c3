"""What signed URLs name: a row, for whose owner the request then works.

Such a URL is authority by itself, so nobody has to be logged in. Nothing here is for
the event loop.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from django.http import HttpRequest

from .. import models, url_tokens
from ..context import RequestContext
from ..contexts import context_class, within_tenant_of
from ..exceptions import NotFoundError

# What serving an image needs of its row and of its thread's. A statement with all
# columns takes longer to build.
COLUMNS = {
    models.GeneratedImage: {
        *("id", "thread", "status", "finished_at", "created_at", "prompt"),
        *("file", "thumbnail", "storage_alias", "mime", "bytes", "sha256"),
    },
    models.Thread: {"id", "owner", "user"},
}


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
    said, image = _read(request, token, "image", models.GeneratedImage, "thread__user")
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
    said, row = _read(request, token, kind, models.Attachment, "user")
    context = _context_of(row, request, said)
    return Opened(row, said.variant, context, said.seconds_to_keep())


def _read(
    request: HttpRequest, token: str, kind: str, model: Any, related: str
) -> tuple[url_tokens.Token, Any]:
    """Return what a token says, and its row with its user."""
    said = url_tokens.read(token)
    if said is None or said.kind != kind:
        raise NotFoundError(f"The token is for no {kind}")
    with within_tenant_of(request):
        rows = model.objects.select_related(related).defer(*_unneeded(model))
        row = rows.filter(pk=said.key).one()
    if row is None:
        raise NotFoundError(f"{model.__name__} {said.key} not found")
    return said, row


@cache
def _unneeded(model: Any) -> list[str]:
    """Return the columns that are not read with a row."""
    if model not in COLUMNS:
        return []
    return [
        f"{before}{field.name}"
        for part, before in ((model, ""), (models.Thread, "thread__"))
        for field in part._meta.concrete_fields
        if field.name not in COLUMNS[part]
    ]


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
