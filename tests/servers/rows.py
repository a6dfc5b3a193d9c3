"""What is in the database, to compare before and after."""

from __future__ import annotations

from typing import Any

from django.apps import apps


def dump(*, without: tuple[str, ...] = ("session", "logentry")) -> dict[str, Any]:
    """Return every row of every model but those named, in the order of the key."""
    return {
        model.__name__: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.model_name not in without
    }
