"""URLs of images and attachments, made when they are read."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from . import database, imaging, models, storage, url_tokens
from .conf import settings
from .context import RequestContext
from .contexts import context_class, working_for
from .exceptions import NotFoundError

logger = logging.getLogger(__name__)
# Seconds that a thread waits for the storage to say where it is.
STORAGE_SECONDS = 2.0
# URLs of storages, by that of new files and by tenant. Their hosts stay.
_storage_urls: WeakKeyDictionary[Storage, dict[str, list[str]]] = WeakKeyDictionary()


class Link(NamedTuple):
    """A URL that opens without a login, and when it expires."""

    url: str
    expires: datetime


def image_url(
    image: models.GeneratedImage, context: RequestContext, variant: str = "full"
) -> str:
    """Return the URL of an image for its owner's browser.

    Args:
        image: The image; it must be of the context's owner.
        context: Whose browser it is for.
        variant: ``"full"``, ``"thumbnail"``, ``"model"`` for the form that models get,
            or ``"partial-<index>"``.
    """
    if variant == "full" and (url := _storage_url(image, context)):
        return url
    if settings.IMAGE_URLS == "session":
        return route(context, "session-image", image.pk, variant)
    return signed_url(image, context, variant)


def signed_url(
    image: models.GeneratedImage,
    context: RequestContext,
    variant: str = "full",
    *,
    expires: int | None = None,
) -> str:
    """Return a URL that carries its own authority, whatever ``IMAGE_URLS`` says."""
    key = image.pk.hex
    token = url_tokens.make("image", key, variant, context.scope, expires=expires)
    return route(context, "image", token)


def link(image: models.GeneratedImage, request: HttpRequest) -> Link:
    """Return a URL of an image that opens without a login, for staff to hand on.

    Args:
        image: The image.
        request: Whose host the URL gets.

    Raises:
        NotFoundError: If the image's own person may not see it.
    """
    if not image.is_shown:
        raise NotFoundError(f"Image {image.pk} is not shown")
    thread = image.thread
    context = context_class().for_owner(thread.owner, thread.user, request)
    expires = url_tokens.expiry(f"image.{image.pk.hex}.full")
    with working_for(context):
        url = signed_url(image, context, expires=expires)
    return Link(url, datetime.fromtimestamp(expires, tz=UTC))


def model_url(
    image: models.GeneratedImage, context: RequestContext, variant: str = "full"
) -> str:
    """Return a URL by which a provider reads an image.

    All of a person's images have the same windows for it. If each URL of an input
    changed at a time of its own, few inputs would begin as the one before, and
    providers would have few in their caches.
    """
    expires = url_tokens.expiry(f"model.{context.scope}")
    return signed_url(image, context, variant, expires=expires)


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


async def image_hosts(context: RequestContext) -> list[str]:
    """Return the hosts of the app's images, with a port if URLs have one."""
    urls = [absolute("/", context)]
    if settings.IMAGE_URLS == "storage" and settings.FILE_CIPHER is None:
        urls += await storage_urls(context)
    hosts: dict[str, None] = {}
    for parts in map(urlsplit, urls):
        # Nothing says whether a client compares the port, too.
        hosts |= dict.fromkeys(filter(None, (parts.hostname, parts.netloc)))
    return list(hosts)


async def storage_urls(context: RequestContext) -> list[str]:
    """Return a URL of each storage that has images, as far as it makes any now.

    These are the storage to which new files go, and that of rows that name none.
    """
    known = _storage_urls.setdefault(storage.get_storage(), {})
    if context.tenant in known:
        return known[context.tenant]
    urls: list[str] = []
    try:
        before = await database.call(storage.whereabouts.alias_of, "")
        name = storage.new_name("images", "png")
        for alias in dict.fromkeys((storage.current_alias(), before)):
            if alias not in django_settings.STORAGES:
                continue  # All files have been moved from there.
            async with asyncio.timeout(STORAGE_SECONDS):
                # It may take a client of the storage's service, but no request.
                urls.append(str(await storage.run(storage.url, name, alias)))
    except Exception:
        # The app's own route serves what the storage's host does not.
        logger.warning("The host of a storage is unknown", exc_info=True)
        return urls
    known[context.tenant] = urls
    return urls


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


def _storage_url(image: models.GeneratedImage, context: RequestContext) -> str:
    """Return the storage's own URL of an image, empty if it is not to be used."""
    name, mime = str(image.file.name or ""), image.mime
    if settings.IMAGE_URLS != "storage" or not name:
        return ""
    if settings.FILE_CIPHER is not None:
        return ""  # A browser cannot decrypt.
    # A storage would serve an SVG inline, and it does not have a spooled file yet.
    if mime not in imaging.INLINE or storage.spool.has(name):
        return ""
    try:
        url = storage.url(name, image.storage_alias)
    except Exception:
        # The image is there all the same, and a thread has to be read.
        logger.warning("The storage makes no URL of %s", name, exc_info=True)
        return ""
    if not isinstance(url, str) or not url:
        return ""
    return url if "://" in url else absolute(url, context)
