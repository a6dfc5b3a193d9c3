"""Checks of ``CHATKIT_IMAGES["PRICES"]``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks

from ..prices import checked_prices


def check_prices(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Yield an error for each part of ``PRICES`` that is none."""
    prices = values.get("PRICES", {})
    parts = [prices]
    models = prices.get("models") if isinstance(prices, dict) else None
    if isinstance(models, dict) and models:
        parts = [{**prices, "models": {key: value}} for key, value in models.items()]
    said = set()
    for part in parts:
        try:
            checked_prices(part)
        except (TypeError, ValueError) as error:
            if str(error) in said:
                continue  # It is not about the model.
            said.add(str(error))
            yield checks.Error(
                f"CHATKIT_IMAGES['PRICES']: {error}",
                hint="docs/costs.md has the keys. A price is a decimal number, best "
                'written as a text, such as "1.25".',
                id="chatkit_images.E042",
            )
