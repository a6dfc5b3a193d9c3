"""What tokens and images cost, by the prices of the project. Nothing is guessed."""

from __future__ import annotations

from .computing import (
    SMALLEST,
    UNCOUNTED,
    configured,
    count_of,
    current,
    of_image,
    of_tokens,
    price_of,
    total,
)
from .values import Price, Prices, checked_prices

__all__ = [
    "SMALLEST",
    "UNCOUNTED",
    "Price",
    "Prices",
    "checked_prices",
    "configured",
    "count_of",
    "current",
    "of_image",
    "of_tokens",
    "price_of",
    "total",
]
