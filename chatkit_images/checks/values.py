"""Checks of the keys and values of ``CHATKIT_IMAGES`` by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

from django.core import checks
from django.utils.module_loading import import_string

from .. import conf

CHOICES = {
    "ATTACHMENT_UPLOADS": conf.ATTACHMENT_UPLOADS,
    "IMAGE_URLS": conf.IMAGE_URLS,
    "MODEL_FORMAT": conf.MODEL_FORMATS,
    "MODEL_IMAGES": conf.MODEL_IMAGES,
    "ON_DISCONNECT": conf.ON_DISCONNECT,
}
# What to write in place of a value that is gone.
INSTEAD = {
    (
        "MODEL_IMAGES",
        "call_id",
    ): 'Write "data_url", which sends the bytes: a provider may refuse the id '
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
    "DECODE_MEMORY_BYTES",
    "UPLOAD_WAITING_BYTES",
    "MAX_IMAGE_BYTES",
    "MAX_IMAGE_PIXELS",
    "THUMBNAIL_SIDE",
    "MODEL_SIDE",
    "MODEL_IMAGE_BYTES",
    "MAX_ATTACHMENT_BYTES",
    "ZIP_IMAGES",
    "ZIP_BYTES",
)
NOT_NEGATIVE = (
    "RECONNECT_SECONDS",
    "DRAIN_SECONDS",
    "PROVIDER_PAUSE_SECONDS",
    "RUN_LOG_SECONDS",
    "MODEL_IMAGE_COUNT",
    "MODEL_FILE_BYTES",
    "MODEL_CACHE_BYTES",
    "STORAGE_BACKOFF_SECONDS",
    "PROXY_CACHE_SECONDS",
    "SWEEP_GRACE_SECONDS",
)


def is_function(path: Any) -> bool:
    """Whether a dotted path leads to what can be called."""
    try:
        return callable(import_string(path))
    except (ImportError, AttributeError, TypeError):
        return False


def known_keys() -> list[str]:
    """Return the names of the settings that stand in ``CHATKIT_IMAGES`` itself."""
    names = {name for name in dir(conf.Settings) if name.isupper()}
    return sorted(names - set(tuning_keys()))


def tuning_keys() -> list[str]:
    """Return the names of the settings that stand under ``TUNING``."""
    return [name for name in vars(conf.Tuning) if name.isupper() and name != "TUNING"]


def check_dicts(values: Any) -> list[checks.CheckMessage]:
    """Check that ``CHATKIT_IMAGES`` and its ``TUNING`` are dicts."""
    if not isinstance(values, dict):
        return [_no_dict("CHATKIT_IMAGES", values, "SERVER")]
    tuning = values.get("TUNING", {})
    if not isinstance(tuning, dict):
        return [_no_dict("CHATKIT_IMAGES['TUNING']", tuning, "DATABASE_THREADS")]
    return []


def _no_dict(name: str, value: Any, key: str) -> checks.CheckMessage:
    return checks.Error(
        f"{name} must be a dict, got {type(value).__name__}.",
        hint=f'Write {name} = {{"{key}": ...}}.',
        id="chatkit_images.E001",
    )


def check_keys(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that each key is known, and stands where it belongs."""
    top, tuning = known_keys(), tuning_keys()
    for key in values.keys() & set(tuning):
        yield checks.Warning(
            f"CHATKIT_IMAGES[{key!r}] stands under TUNING now.",
            hint=f'Write CHATKIT_IMAGES = {{"TUNING": {{"{key}": ...}}}}. A later '
            "release will not read it where it stands.",
            id="chatkit_images.W004",
        )
    yield from _strangers(
        "CHATKIT_IMAGES", values, [*top, *tuning], dict.fromkeys(tuning, "under TUNING")
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
    """Yield an error for each key that is unknown or belongs to the other dict."""
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


def check_choices(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check the settings that have a few allowed values."""
    for key, allowed in CHOICES.items():
        if key in values and values[key] not in allowed:
            yield checks.Error(
                f"CHATKIT_IMAGES[{key!r}] must be one of {', '.join(allowed)}, "
                f"got {values[key]!r}.",
                hint=INSTEAD.get(
                    (key, str(values[key])), f'Write "{allowed[0]}" for the default.'
                ),
                id="chatkit_images.E003",
            )


def check_numbers(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check the settings that are numbers."""
    tests: list[tuple[tuple[str, ...], Callable[[float], bool], str]] = [
        (POSITIVE, lambda value: value > 0, "a number above 0"),
        (NOT_NEGATIVE, lambda value: value >= 0, "0 or a number above"),
    ]
    tuning = tuning_keys()
    for keys, test, wanted in tests:
        for key in keys:
            name, place = "CHATKIT_IMAGES", values
            if key in tuning and key in values.get("TUNING", {}):
                name, place = "CHATKIT_IMAGES['TUNING']", values["TUNING"]
            value = place.get(key, 1)
            if isinstance(value, bool) or not (
                isinstance(value, int | float) and test(value)
            ):
                yield checks.Error(
                    f"{name}[{key!r}] must be {wanted}, got {value!r}.",
                    hint="Remove the key to get the default.",
                    id="chatkit_images.E004",
                )


def check_installation(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that the name of the environment is a text."""
    name = values.get("INSTALLATION")
    if name is not None and (not isinstance(name, str) or not name.strip()):
        yield checks.Error(
            f"CHATKIT_IMAGES['INSTALLATION'] must be a name, got {name!r}.",
            hint='Write for example "production", and another name elsewhere.',
            id="chatkit_images.E040",
        )
