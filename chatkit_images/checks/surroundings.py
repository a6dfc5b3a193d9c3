"""Checks of what the settings name: the server, the storage and Redis."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from chatkit.server import ChatKitServer
from django.conf import settings as django_settings
from django.core import checks
from django.core.files.storage import storages
from django.utils.module_loading import import_string

from .. import conf
from ..storage import s3
from . import places, uploads, url_times
from .values import is_function

CORS = "corsheaders."
# Paths of the app come behind it. A proxy may take its own path away.
BASE_URL = re.compile(r"https?://[^\s/?#\\]+(/[^\s?#]*)?")
# As a browser writes it: lower case, without a path.
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")


def check_server(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that the server can be imported, and is a ``ChatKitServer``."""
    path = values.get("SERVER")
    if path is None:
        yield checks.Warning(
            "CHATKIT_IMAGES['SERVER'] is not set, so the chat endpoint cannot answer.",
            hint='Write CHATKIT_IMAGES = {"SERVER": "shop.chat.DesignServer"}.',
            id="chatkit_images.W002",
        )
        return
    try:
        server = import_string(path)
    except Exception as error:
        # Its module may raise anything at all.
        yield checks.Error(
            f"CHATKIT_IMAGES['SERVER'] cannot be imported: {path!r}: {error!r}",
            hint="Write the dotted path of a subclass of DjangoChatKitServer.",
            id="chatkit_images.E005",
        )
        return
    if not (isinstance(server, type) and issubclass(server, ChatKitServer)):
        yield checks.Error(
            "CHATKIT_IMAGES['SERVER'] must be the dotted path of a ChatKitServer, "
            f"got {path!r}.",
            hint="Write the dotted path of a subclass of DjangoChatKitServer.",
            id="chatkit_images.E005",
        )
        return
    try:
        inspect.signature(server).bind()
    except (TypeError, ValueError) as error:
        yield checks.Error(
            f"CHATKIT_IMAGES['SERVER'] cannot be made: {path!r}: {error}.",
            hint="Give each argument of its __init__() a default.",
            id="chatkit_images.E005",
        )


def check_notes(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that the function with a project's own words can be imported."""
    path = values.get("NOTES")
    if path is not None and not is_function(path):
        yield checks.Error(
            "CHATKIT_IMAGES['NOTES'] must be the dotted path of a function, "
            f"got {path!r}.",
            hint="Write the dotted path of a function of a row and its words.",
            id="chatkit_images.E011",
        )


def check_failures(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that the function that knows a project's exceptions can be imported."""
    path = values.get("FAILURES")
    if path is not None and not is_function(path):
        yield checks.Warning(
            "CHATKIT_IMAGES['FAILURES'] is not the dotted path of a function: "
            f"{path!r}. The app alone says what exceptions mean.",
            hint="Write the dotted path of a function of an exception.",
            id="chatkit_images.W019",
        )


def check_storage(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that the storage can be made, and has short timeouts."""
    alias = conf.settings.STORAGE
    if alias not in django_settings.STORAGES:
        yield checks.Error(
            f"CHATKIT_IMAGES['STORAGE'] is {alias!r}, which is not in STORAGES.",
            hint=f"Add {alias!r} to STORAGES.",
            id="chatkit_images.E006",
        )
        return
    try:
        storage = storages.create_storage(django_settings.STORAGES[alias])
    except Exception as error:
        yield checks.Error(
            f"The storage STORAGES[{alias!r}] cannot be made: {error}",
            hint="Correct its BACKEND and OPTIONS.",
            id="chatkit_images.E008",
        )
        return
    if s3.is_plain(storage) and s3.waits_long(storage):
        yield checks.Warning(
            f"STORAGES[{alias!r}] waits a minute for a silent S3 server, three times.",
            hint="Give its OPTIONS a client_config with short timeouts: "
            "botocore.config.Config(connect_timeout=3, read_timeout=10).",
            id="chatkit_images.W003",
        )
    yield from places.check_place(alias, storage, values)
    yield from uploads.check_uploads(alias, storage, values)
    yield from url_times.check_times(alias, storage, values)


def check_base_url(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that the base of URLs is absolute."""
    url = values.get("BASE_URL")
    if url is not None and not BASE_URL.fullmatch(str(url)):
        yield checks.Error(
            f"CHATKIT_IMAGES['BASE_URL'] must be an absolute URL, got {url!r}.",
            hint='Write scheme and host, such as "https://shop.example".',
            id="chatkit_images.E007",
        )


def check_origins(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that each other origin is one, and that somebody heeds it."""
    origins = values.get("ORIGINS", ())
    if isinstance(origins, str):
        origins = (origins,)
        yield _bad_origin(origins)
    for origin in origins:
        if not ORIGIN.fullmatch(str(origin)):
            yield _bad_origin(origin)
    cors = [path for path in django_settings.MIDDLEWARE if path.startswith(CORS)]
    if origins and cors:
        yield checks.Warning(
            "django-cors-headers answers browsers in place of CHATKIT_IMAGES"
            "['ORIGINS'].",
            hint="Name the origins in CORS_ALLOWED_ORIGINS, too.",
            id="chatkit_images.W006",
        )


def _bad_origin(origin: object) -> checks.CheckMessage:
    return checks.Error(
        f"CHATKIT_IMAGES['ORIGINS'] must be a list of origins, got {origin!r}.",
        hint='Write scheme, host and maybe a port: ["https://app.shop.example"].',
        id="chatkit_images.E016",
    )


def check_log(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that the log of runs is in a Redis, and can be reached by its package."""
    url = values.get("RUN_LOG_URL")
    if url is None:
        return
    if not str(url).startswith(("redis://", "rediss://", "unix://")):
        yield checks.Error(
            f"CHATKIT_IMAGES['RUN_LOG_URL'] must be the URL of a Redis, got {url!r}.",
            hint='Write "redis://127.0.0.1:6379/0".',
            id="chatkit_images.E009",
        )
    elif find_spec("redis") is None:
        yield checks.Error(
            "CHATKIT_IMAGES['RUN_LOG_URL'] needs the package redis.",
            hint='Install "chatkit-images[redis]".',
            id="chatkit_images.E010",
        )
