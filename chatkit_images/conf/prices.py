"""Settings of what models cost."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from .base import Group


class Costs(Group):
    """What models cost."""

    # Costs

    @property
    def PRICES(self) -> dict[str, Any]:
        """What models cost, of which the costs of images and runs are computed.

        ``{"currency": ..., "models": {"gpt-image-2": {"input_text": "5.00", ...}}}``:
        for each model a decimal price of a million tokens of each kind, or of an image.
        docs/costs.md has the kinds, and which price is that of a dated model. What has
        no price has no cost: nothing is guessed. Default: ``{}``, no prices.
        """
        values = self._get("PRICES", {})
        if not isinstance(values, dict):
            raise ImproperlyConfigured(
                f"CHATKIT_IMAGES['PRICES'] must be a dict, got {type(values).__name__}."
            )
        return values
