"""The bytes of images and attachments, for the person for whom a URL was made."""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.text import slugify

from .. import models
from ..conf import settings
from ..contexts import working_for
from ..exceptions import NotFoundError
from ..queries import variants
from . import signed_urls
from .admission import JsonView, context_of
from .files import CROSS_ORIGIN_HEADERS, file_response, gone

PARTIAL = re.compile(r"partial-([0-9]{1,6})")


class ImageView(JsonView):
    """Serves an image to everybody with its signed URL.

    The URL is bound to the image, the variant and the owner. It stops working when one
    of them is gone.
    """

    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """Return the bytes; an invalid token is a 404."""
        image, variant, context, max_age = signed_urls.image_of(request, token)
        with working_for(context):
            return cross_origin(image_response(image, variant, max_age))


class SessionImageView(JsonView):
    """Serves an image to its logged-in owner, for ``IMAGE_URLS = "session"``."""

    def get(self, request: HttpRequest, key: str, variant: str) -> HttpResponseBase:
        """Return the bytes; another owner's image is a 404."""
        with working_for(context_of(request)) as context:
            owned = models.GeneratedImage.objects.for_owner(context.owner)
            image = owned.filter(pk=key).first()
            if image is None:
                raise NotFoundError
            return image_response(image, variant, settings.URL_WINDOW)


class AttachmentView(JsonView):
    """Serves the preview of an attachment to everybody with its signed URL."""

    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """Return the bytes; an invalid token is a 404."""
        opened = signed_urls.attachment_of(request, token, "attachment")
        row, variant, context, max_age = opened
        name, mime = str(row.file.name), row.mime_type
        if row.thumbnail and variant == "thumbnail":
            name, mime = str(row.thumbnail.name), "image/webp"
        with working_for(context):
            return cross_origin(
                file_response(name, mime, filename=row.name, max_age=max_age)
            )


def image_response(
    image: models.GeneratedImage, variant: str, max_age: int
) -> HttpResponse:
    """Return a variant of an image. If the image has ended, it must be shown.

    For example, a client may have the URL of a preview whose image was blocked.

    Args:
        image: The image.
        variant: Which bytes of it.
        max_age: Seconds that the person's own browser may keep them.
    """
    if image.finished_at is not None and not image.is_shown:
        return gone()
    name, mime = str(image.file.name), image.mime
    if variant == "thumbnail" and image.thumbnail:
        name, mime = str(image.thumbnail.name), "image/webp"
    elif variant == "model":
        # Without a file of its own, the form has the bytes of the image itself.
        made = variants.of_image(image)
        if made is not None and made.file:
            name, mime = str(made.file.name), made.mime
    elif match := PARTIAL.fullmatch(variant):
        partial = image.partials.filter(index=int(match[1])).first()
        # If the preview is gone, the image itself has replaced it.
        if partial is not None:
            name, mime = str(partial.file.name), partial.mime
    stem = slugify(image.prompt)[:60] or "image"
    extension = name.rpartition(".")[2]
    return file_response(name, mime, filename=f"{stem}.{extension}", max_age=max_age)


def cross_origin(response: HttpResponse) -> HttpResponse:
    """Let a frame of another site, such as ChatKit.js's, show the bytes."""
    for header, value in CROSS_ORIGIN_HEADERS.items():
        response[header] = value
    return response
