"""URLs of images and attachments, made when they are read."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from . import imaging, models, storage, url_tokens
from .conf import settings
from .context import RequestContext


def image_url(
    image: models.GeneratedImage, context: RequestContext, variant: str = "full"
) -> str:
    """Return the URL of an image for its owner's browser.

    Args:
        image: The image; it must be of the context's owner.
        context: Whose browser it is for.
        variant: ``"full"``, ``"thumbnail"`` or ``"partial-<index>"``.
    """
    if variant == "full" and (
        url := _storage_url(image.file.name, image.mime, context)
    ):
        return url
    if settings.IMAGE_URLS == "session":
        return route(context, "session-image", image.pk, variant)
    return signed_url(image, context, variant)


def signed_url(
    image: models.GeneratedImage, context: RequestContext, variant: str = "full"
) -> str:
    """Return a URL that carries its own authority, whatever ``IMAGE_URLS`` says."""
    token = url_tokens.make("image", image.pk.hex, variant, context.scope)
    return route(context, "image", token)


def partial_url(partial: models.PartialImage, context: RequestContext) -> str:
    """Return the URL of a partial image for its owner's browser.

    It is never the storage's own URL. If the image is blocked later, its previews are
    kept for staff, and the app could not revoke a URL of the storage.
    """
    return image_url(partial.image, context, f"partial-{partial.index}")


def attachment_url(attachment: models.Attachment, context: RequestContext) -> str:
    """Return the URL of an attachment's preview for its owner's browser."""
    token = url_tokens.make("attachment", attachment.pk, "thumbnail", context.scope)
    return route(context, "attachment", token)


def upload_url(attachment: models.Attachment, context: RequestContext) -> str:
    """Return the URL to which the bytes of an announced attachment are sent."""
    token = url_tokens.make("upload", attachment.pk, "full", context.scope)
    return route(context, "upload", token)


def absolute(path: str, context: RequestContext) -> str:
    """Return a path with scheme and host, as ChatKit's types and page need it."""
    return (context.base_url or "http://localhost") + path


def route(context: RequestContext, name: str, *args: object) -> str:
    """Return the absolute URL of one of this app's routes.

    Raises:
        ImproperlyConfigured: If the project has not mounted the URLconf.
    """
    try:
        path = reverse(f"chatkit_images:{name}", args=args)
    except NoReverseMatch as error:
        raise ImproperlyConfigured(
            "Images need the URLconf of chatkit_images: add "
            'path("chatkit/", include("chatkit_images.urls")).'
        ) from error
    return absolute(path, context)


def _storage_url(name: str | None, mime: str, context: RequestContext) -> str:
    """Return the storage's own URL of an image, empty if it is not to be used."""
    if settings.IMAGE_URLS != "storage" or not name:
        return ""
    # A storage would serve an SVG inline, and it does not have a spooled file yet.
    if mime not in imaging.INLINE or storage.spool.has(name):
        return ""
    url = storage.get_storage().url(name)
    return url if "://" in url else absolute(url, context)
