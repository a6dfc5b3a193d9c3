"""System checks of the settings. Each has an id and a hint that is the fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings as django_settings
from django.core import checks

from . import (
    ciphers,
    contexts,
    databases,
    limits,
    model_sides,
    model_urls,
    offload,
    prices,
    retention,
    serving,
    surroundings,
    values,
    webhooks,
)
from .values import CHOICES, known_keys, tuning_keys

__all__ = [
    "CHOICES",
    "check_databases",
    "check_deployment",
    "check_settings",
    "known_keys",
    "register",
    "tuning_keys",
]
PARTS = (
    values.check_keys,
    values.check_choices,
    values.check_numbers,
    values.check_installation,
    surroundings.check_server,
    surroundings.check_notes,
    surroundings.check_failures,
    contexts.check_context,
    contexts.check_contexts,
    contexts.check_proxies,
    limits.check_limits,
    prices.check_prices,
    retention.check_retention,
    model_sides.check_model_side,
    surroundings.check_storage,
    ciphers.check_cipher,
    offload.check_offload,
    surroundings.check_base_url,
    surroundings.check_origins,
    surroundings.check_log,
    webhooks.check_webhook,
    serving.check_urls,
    serving.check_runserver,
    serving.check_middleware,
)
# What may be right as it is, and what one process alone cannot know.
ADVICE = (
    limits.check_addresses,
    databases.check_sqlite,
    serving.check_processes,
    serving.check_key,
    model_urls.check_model_urls,
)


def register() -> None:
    """Register the checks; called by the app's ``ready()``."""
    checks.register("chatkit_images")(check_settings)
    checks.register("chatkit_images")(check_databases)
    checks.register("chatkit_images", deploy=True)(check_deployment)


def check_settings(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check every value of ``CHATKIT_IMAGES``."""
    written = getattr(django_settings, "CHATKIT_IMAGES", {})
    if found := values.check_dicts(written):
        return found
    return [message for part in PARTS for message in part(written)]


def check_databases(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check the options of the databases, and where the app's rows are."""
    return [*databases.check_connections(), *databases.check_routers()]


def check_deployment(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check what matters once strangers come, for ``check --deploy``."""
    written = getattr(django_settings, "CHATKIT_IMAGES", {})
    if values.check_dicts(written):
        return []
    return [message for part in ADVICE for message in part(written)]
