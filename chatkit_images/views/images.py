"""The bytes of images and attachments, for the person for whom a URL was made."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from .. import models
from ..conf import settings
from ..contexts import working_for
from ..exceptions import NotFoundError
from . import row_files, signed_urls
from .admission import JsonView, context_of
from .files import CROSS_ORIGIN_HEADERS, file_response, gone
from .keeping import Keeping


class ImageView(JsonView):
    """Serves an image to everybody with its signed URL.

    The URL is bound to the image, the variant and the owner. It stops working when one
    of them is gone.
    """

    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """Return the bytes; an invalid token is a 404."""
        image, variant, context, max_age = signed_urls.image_of(request, token)
        with working_for(context):
            shared = settings.PROXY_CACHE_SECONDS
            return cross_origin(
                image_response(request, image, variant, max_age, shared)
            )


class SessionImageView(JsonView):
    """Serves an image to its logged-in owner, for ``IMAGE_URLS = "session"``."""

    def get(self, request: HttpRequest, key: str, variant: str) -> HttpResponseBase:
        """Return the bytes; another owner's image is a 404."""
        with working_for(context_of(request)) as context:
            owned = models.GeneratedImage.objects.for_owner(context.owner)
            image = owned.filter(pk=key).first()
            if image is None:
                raise NotFoundError
            return image_response(request, image, variant, settings.URL_WINDOW)


class AttachmentView(JsonView):
    """Serves the preview of an attachment to everybody with its signed URL."""

    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """Return the bytes; an invalid token is a 404."""
        opened = signed_urls.attachment_of(request, token, "attachment")
        row, variant, context, max_age = opened
        with working_for(context):
            file, is_final = row_files.of_attachment(row, variant)
            keeping = Keeping(max_age, is_final, settings.PROXY_CACHE_SECONDS)
            return cross_origin(
                file_response(request, file, filename=row.name, keeping=keeping)
            )


def image_response(
    request: HttpRequest,
    image: models.GeneratedImage,
    variant: str,
    max_age: int,
    shared: int = 0,
) -> HttpResponseBase:
    """Return a variant of an image. If the image has ended, it must be shown.

    For example, a client may have the URL of a preview whose image was blocked. Of one
    that is hidden or held nothing is served, whatever its status is.

    Args:
        request: The request.
        image: The image.
        variant: Which bytes of it.
        max_age: Seconds that the person's own browser may keep them.
        shared: Seconds that nginx may keep them for whoever has the same URL.
    """
    is_over = image.finished_at is not None
    if image.is_withheld or (is_over and not image.is_shown):
        return gone()
    file, is_final = row_files.of_image(image, variant)
    filename = row_files.download_name(image, file.name)
    keeping = Keeping(max_age, is_final, shared)
    return file_response(request, file, filename=filename, keeping=keeping)


def cross_origin(response: HttpResponseBase) -> HttpResponseBase:
    """Let a frame of another site, such as ChatKit.js's, show the bytes."""
    for header, value in CROSS_ORIGIN_HEADERS.items():
        response[header] = value
    return response
