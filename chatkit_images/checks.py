"""System checks of the settings. Each has an id and a hint that is the fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any

from chatkit.server import ChatKitServer
from django.apps import AppConfig
from django.conf import settings as django_settings
from django.core import checks
from django.core.files.storage import storages
from django.utils.module_loading import import_string

from . import conf
from .storage import s3

CHOICES = {
    "IMAGE_URLS": conf.IMAGE_URLS,
    "MODEL_IMAGES": conf.MODEL_IMAGES,
    "ON_DISCONNECT": conf.ON_DISCONNECT,
}
# What to write in place of a value that is gone.
INSTEAD = {
    "call_id": 'Write "data_url", which sends the bytes: a provider may refuse the id '
    "of an earlier image call."
}
POSITIVE = (
    "MAX_BODY_BYTES",
    "HEARTBEAT_SECONDS",
    "RUN_STALE_SECONDS",
    "RUN_LOG_BYTES",
    "DATABASE_THREADS",
    "HISTORY_ITEMS",
    "URL_MAX_AGE",
    "URL_WINDOW",
    "STORAGE_ATTEMPTS",
    "STORAGE_THREADS",
    "STORAGE_TIMEOUT",
    "STORAGE_MEMORY_BYTES",
    "MAX_IMAGE_BYTES",
    "MAX_IMAGE_PIXELS",
    "THUMBNAIL_SIDE",
    "MODEL_IMAGE_BYTES",
    "MAX_ATTACHMENT_BYTES",
)
NOT_NEGATIVE = (
    "RECONNECT_SECONDS",
    "DRAIN_SECONDS",
    "RUN_LOG_SECONDS",
    "MODEL_IMAGE_COUNT",
    "MODEL_FILE_BYTES",
    "STORAGE_BACKOFF_SECONDS",
    "SWEEP_GRACE_SECONDS",
)


def known_keys() -> list[str]:
    """Return the names of the settings that stand in ``CHATKIT_IMAGES`` itself."""
    names = {name for name in dir(conf.Settings) if name.isupper()}
    return sorted(names - set(tuning_keys()))


def tuning_keys() -> list[str]:
    """Return the names of the settings that stand under ``TUNING``."""
    return [name for name in vars(conf.Tuning) if name.isupper() and name != "TUNING"]


def register() -> None:
    """Register the checks; called by the app's ``ready()``."""
    checks.register("chatkit_images")(check_settings)
    checks.register("chatkit_images")(check_databases)


def check_settings(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check every value of ``CHATKIT_IMAGES``."""
    values = getattr(django_settings, "CHATKIT_IMAGES", {})
    if not isinstance(values, dict):
        return [_no_dict("CHATKIT_IMAGES", values, "SERVER")]
    tuning = values.get("TUNING", {})
    if not isinstance(tuning, dict):
        return [_no_dict("CHATKIT_IMAGES['TUNING']", tuning, "DATABASE_THREADS")]
    found: list[checks.CheckMessage] = []
    for part in (_unknown, _choices, _numbers, _server, _storage, _base_url, _log):
        found.extend(part(values))
    return found


def check_databases(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Warn of database options that fail under ASGI."""
    found: list[checks.CheckMessage] = []
    for alias, options in django_settings.DATABASES.items():
        if options.get("CONN_MAX_AGE", 0) != 0:
            found.append(
                checks.Warning(
                    f"DATABASES[{alias!r}] keeps connections (CONN_MAX_AGE) under "
                    "ASGI, where they pile up.",
                    hint="Remove CONN_MAX_AGE; PostgreSQL has a pool in OPTIONS.",
                    id="chatkit_images.W001",
                )
            )
    return found


def _no_dict(name: str, value: Any, key: str) -> checks.CheckMessage:
    return checks.Error(
        f"{name} must be a dict, got {type(value).__name__}.",
        hint=f'Write {name} = {{"{key}": ...}}.',
        id="chatkit_images.E001",
    )


def _unknown(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    top, tuning = known_keys(), tuning_keys()
    yield from _strangers(
        "CHATKIT_IMAGES", values, top, dict.fromkeys(tuning, "under TUNING now")
    )
    yield from _strangers(
        "CHATKIT_IMAGES['TUNING']",
        values.get("TUNING", {}),
        tuning,
        dict.fromkeys(top, "in CHATKIT_IMAGES itself"),
    )


def _strangers(
    name: str, values: dict[str, Any], known: list[str], elsewhere: dict[str, str]
) -> Iterator[checks.CheckMessage]:
    """Yield an error for each key that a dict does not have, or has elsewhere."""
    for key in values:
        if key in known:
            continue
        hint = "Remove it."
        if key in elsewhere:
            hint = f"{key} stands {elsewhere[key]}."
        elif near := get_close_matches(str(key), [*known, *elsewhere], n=1):
            hint = f"Did you mean {near[0]!r}?"
            if place := elsewhere.get(near[0]):
                hint = f"Did you mean {near[0]!r}, which stands {place}?"
        yield checks.Error(
            f"{name} has no setting {key!r}.", hint=hint, id="chatkit_images.E002"
        )


def _choices(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    for key, allowed in CHOICES.items():
        if key in values and values[key] not in allowed:
            yield checks.Error(
                f"CHATKIT_IMAGES[{key!r}] must be one of {', '.join(allowed)}, "
                f"got {values[key]!r}.",
                hint=INSTEAD.get(
                    str(values[key]), f'Write "{allowed[0]}" for the default.'
                ),
                id="chatkit_images.E003",
            )


def _numbers(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    tests: list[tuple[tuple[str, ...], Callable[[float], bool], str]] = [
        (POSITIVE, lambda value: value > 0, "a number above 0"),
        (NOT_NEGATIVE, lambda value: value >= 0, "0 or a number above"),
    ]
    tuning = tuning_keys()
    for keys, test, wanted in tests:
        for key in keys:
            name, place = "CHATKIT_IMAGES", values
            if key in tuning:
                name, place = "CHATKIT_IMAGES['TUNING']", values.get("TUNING", {})
            value = place.get(key, 1)
            if isinstance(value, bool) or not (
                isinstance(value, int | float) and test(value)
            ):
                yield checks.Error(
                    f"{name}[{key!r}] must be {wanted}, got {value!r}.",
                    hint="Remove the key to get the default.",
                    id="chatkit_images.E004",
                )


def _server(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
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
    except (ImportError, AttributeError, TypeError) as error:
        yield checks.Error(
            f"CHATKIT_IMAGES['SERVER'] cannot be imported: {path!r}: {error}",
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


def _storage(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
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
    if s3.is_plain(storage) and s3.is_patient(storage):
        yield checks.Warning(
            f"STORAGES[{alias!r}] waits a minute for a silent S3 server, three times.",
            hint="Give its OPTIONS a client_config with short timeouts: "
            "botocore.config.Config(connect_timeout=3, read_timeout=10).",
            id="chatkit_images.W003",
        )


def _base_url(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    url = values.get("BASE_URL")
    if url is not None and not str(url).startswith(("http://", "https://")):
        yield checks.Error(
            f"CHATKIT_IMAGES['BASE_URL'] must be an absolute URL, got {url!r}.",
            hint='Write scheme and host, such as "https://shop.example".',
            id="chatkit_images.E007",
        )


def _log(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
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
