"""Where the values of settings come from."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings


class Group:
    """Typed access to some of ``settings.CHATKIT_IMAGES``."""

    def _get(self, name: str, default: Any) -> Any:
        return getattr(django_settings, "CHATKIT_IMAGES", {}).get(name, default)
