"""What tokens and images cost, by the prices of the project. Nothing is guessed."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from ..conf import settings
from .values import Price, Prices, checked_prices

logger = logging.getLogger(__name__)
# As the columns of costs have it, and the most that they hold.
SMALLEST, MOST_COST = Decimal("0.000001"), Decimal("99999999.999999")
# What was logged about the setting, as each image would log it again.
_logged: set[str] = set()
MILLION = 10**6
# No response has as many; what says more is no count.
MOST_TOKENS = 10**12
# How a provider writes the date of a model behind its name.
DATED = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
# Says in the tokens of a model that the provider has not counted all of them.
UNCOUNTED = "uncounted"
Figures = Mapping[str, Any]


def current() -> Prices:
    """Return the prices of the project, and none at all if the setting is wrong.

    What people draw does not fail because of a price: the check ``E042`` says what is
    wrong, and so does the log, once.
    """
    try:
        return configured()
    except (TypeError, ValueError) as error:
        if str(error) not in _logged:
            _logged.add(str(error))
            logger.error("There are no prices: CHATKIT_IMAGES['PRICES']: %s", error)
        return Prices()


def configured() -> Prices:
    """Return the prices of the project.

    Raises:
        TypeError: If something in the setting is of another type than it has to be.
        ValueError: If the setting is wrong otherwise.
    """
    try:
        return checked_prices(settings.PRICES)
    except ImproperlyConfigured as error:
        raise TypeError(str(error)) from error


def price_of(model: str, prices: Prices) -> Price | None:
    """Return the price of a model, or of the same without a date behind its name.

    The beginning of a name alone does not count: ``gpt-image-1`` is not
    ``gpt-image-1-mini``.
    """
    found = prices.models.get(model)
    return found or prices.models.get(DATED.sub("", model))


def of_tokens(price: Price | None, usage: Any) -> Decimal | None:
    """Return what tokens cost, as a provider counts them; ``None`` if that is unknown.

    Args:
        price: The price of their model.
        usage: ``input_tokens`` and ``output_tokens``, with their details if the
            provider tells them.
    """
    if price is None or not price.tokens or not isinstance(usage, Mapping):
        return None
    # One count alone is not all.
    if UNCOUNTED in usage or not ({"input_tokens", "output_tokens"} <= usage.keys()):
        return None
    counts = (*_input(usage), *_output(usage))
    total = Decimal(0)
    for kinds, count in counts:
        if count is None:
            return None
        known = {price.tokens.get(kind) for kind in kinds}
        if not count:
            continue
        if len(kinds) > 1:
            # It is not divided. If the model has one price for it, no more is needed.
            known.discard(None)
        one = known.pop() if len(known) == 1 else None
        if one is None:
            return None
        total += one * count
    return total / MILLION


def of_image(
    price: Price | None,
    usage: Any,
    *,
    size: str = "",
    quality: str = "",
    pixels: tuple[int | None, int | None] = (None, None),
    made: bool = True,
) -> Decimal | None:
    """Return what an image costs; ``None`` if that is unknown.

    Args:
        price: The price of the model that drew it.
        usage: Its tokens.
        size: As it was ordered, such as ``"1024x1024"``.
        quality: As it was ordered.
        pixels: Its width and height, which are its size if none was ordered.
        made: Whether there is an image, as none has no price of its own.
    """
    if price is None:
        return None
    if not made and not usage:
        return None
    parts: list[Decimal | None] = []
    if price.tokens:
        parts.append(of_tokens(price, usage))
    if price.images:
        parts.append(_each(price, size, quality, pixels) if made else Decimal(0))
    return total(parts) if parts else None


def total(parts: list[Decimal | None]) -> Decimal | None:
    """Return the sum, to six decimals; ``None`` if a part is unknown.

    What no column holds is no cost: somebody has counted wrong.
    """
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or not known:
        return None
    found = sum(known, Decimal(0)).quantize(SMALLEST, ROUND_HALF_UP)
    return found if found <= MOST_COST else None


def count_of(usage: Any, name: str) -> int:
    """Return a count of a usage, 0 if it has none."""
    return (_figure(usage, name) or 0) if isinstance(usage, Mapping) else 0


def _each(
    price: Price, size: str, quality: str, pixels: tuple[int | None, int | None]
) -> Decimal | None:
    if size in ("", "auto") and all(pixels):
        size = f"{pixels[0]}x{pixels[1]}"
    for key in (f"{size} {quality}".strip(), size, quality, ""):
        if key in price.images:
            return price.images[key]
    return None


def _input(usage: Figures) -> list[tuple[tuple[str, ...], int | None]]:
    """Return the input in parts: which kinds a part may be of, and how many."""
    count = _figure(usage, "input_tokens")
    details = _details(usage, "input_tokens_details")
    cached = _figure(details, "cached_tokens")
    if count is None or cached is None or cached > count:
        return [((), None)]
    image, text = _figure(details, "image_tokens"), _figure(details, "text_tokens")
    if image is None or text is None:
        return [((), None)]
    if image + text != count:
        # It is not divided.
        fresh, kept = ("input_text", "input_image"), ("cached_input", "cached_image")
        return [(fresh, count - cached), (kept, cached)]
    split = _details(details, "cached_tokens_details")
    kept_image = _figure(split, "image_tokens") or 0
    kept_text = _figure(split, "text_tokens") or 0
    if kept_image + kept_text != cached:
        # What is in the cache can be of one kind only, or it is unknown of which.
        if image and text:
            return [((), None)]
        kept_image, kept_text = (cached, 0) if image else (0, cached)
    if kept_image > image or kept_text > text:
        return [((), None)]
    return [
        (("input_text",), text - kept_text),
        (("input_image",), image - kept_image),
        (("cached_input",), kept_text),
        (("cached_image",), kept_image),
    ]


def _output(usage: Figures) -> list[tuple[tuple[str, ...], int | None]]:
    count = _figure(usage, "output_tokens")
    details = _details(usage, "output_tokens_details")
    image, text = _figure(details, "image_tokens"), _figure(details, "text_tokens")
    if count is None or image is None or text is None:
        return [((), None)]
    if image + text != count:
        return [(("output_text", "output_image"), count)]
    return [(("output_text",), text), (("output_image",), image)]


def _details(figures: Figures, name: str) -> Figures:
    found = figures.get(name)
    return found if isinstance(found, Mapping) else {}


def _figure(figures: Figures, name: str) -> int | None:
    """Return a count, 0 if it is not told, and ``None`` if it is none."""
    value = figures.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MOST_TOKENS else None
