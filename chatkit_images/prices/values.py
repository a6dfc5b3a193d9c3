"""Prices, as a project writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

KINDS = (
    "input_text",
    "input_image",
    "cached_input",
    "cached_image",
    "output_text",
    "output_image",
)
"""What has a price per million tokens. The key ``"image"`` has one per image."""
IMAGE = "image"
KEYS = ("currency", "models", "image_model")
# More than any price, and what a column of sums holds many times.
MOST = Decimal(10**6)
LONGEST_CURRENCY = 8


@dataclass(frozen=True)
class Price:
    """What one model costs.

    Attributes:
        tokens: The price of a million tokens of a kind, of those that have one.
        images: The price of an image, by its size and quality; empty if images have
            none of their own.
    """

    tokens: Mapping[str, Decimal] = field(default_factory=dict)
    images: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class Prices:
    """What models cost, by their names.

    Attributes:
        currency: In what all prices are.
        models: The prices.
        image_model: Which model draws for a hosted tool that does not name it.
    """

    currency: str = ""
    models: Mapping[str, Price] = field(default_factory=dict)
    image_model: str = ""


def checked_prices(values: Any) -> Prices:
    """Return prices as a project has written them.

    Raises:
        TypeError: If something is of another type than it has to be.
        ValueError: If a key is unknown, the currency is missing, or a price is no
            number from 0 to a million.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"prices are a dict, got {values!r}.")
    if not values:
        return Prices()
    for key in values:
        if key not in KEYS:
            names = ", ".join(KEYS)
            raise ValueError(f"there is no key {key!r}; there are {names}.")
    currency, models = values.get("currency"), values.get("models", {})
    if not isinstance(currency, str) or not 0 < len(currency) <= LONGEST_CURRENCY:
        raise ValueError(f"currency must be a name such as 'USD', got {currency!r}.")
    if not isinstance(models, Mapping):
        raise TypeError(f"models must be a dict, got {models!r}.")
    image_model = values.get("image_model", "")
    if not isinstance(image_model, str):
        raise TypeError(f"image_model must be a name, got {image_model!r}.")
    found = {str(name): _price(name, value) for name, value in models.items()}
    return Prices(currency, found, image_model)


def _price(name: Any, value: Any) -> Price:
    if not isinstance(name, str) or not name:
        raise TypeError(f"a model is named by a text, got {name!r}.")
    if not isinstance(value, Mapping) or not value:
        raise TypeError(f"{name}: a model has a dict of prices, got {value!r}.")
    for key in value:
        if key not in (*KINDS, IMAGE):
            kinds = ", ".join((*KINDS, IMAGE))
            raise ValueError(f"{name}: there is no kind {key!r}; there are {kinds}.")
    images = value.get(IMAGE, {})
    if not isinstance(images, Mapping):
        images = {"": images}
    return Price(
        {key: _number(f"{name}: {key}", value[key]) for key in KINDS if key in value},
        {
            _size(name, key): _number(f"{name}: image {key}".strip(), number)
            for key, number in images.items()
        },
    )


def _size(name: str, key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{name}: an image has a size and a quality, got {key!r}.")
    return " ".join(key.split())


def _number(name: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} must be a number, got {value!r}.") from None
    if not number.is_finite() or not 0 <= number <= MOST:
        raise ValueError(f"{name} must be from 0 to a million, got {value!r}.")
    return number
