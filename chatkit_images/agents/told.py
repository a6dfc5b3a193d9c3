"""What the source of an image tells beside the image: what it has used, and cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import BaseModel

from ..cleaning import plain_json
from ..converters import DjangoResponseStreamConverter

# As the column has it.
SMALLEST, MOST = Decimal("0.000001"), Decimal("99999999.999999")


class Told:
    """Takes what a source tells. It is saved with the image, also if that fails.

    Args:
        converter: Stores the image, and nothing else.
    """

    def __init__(self, converter: DjangoResponseStreamConverter) -> None:
        self._converter = converter

    @property
    def usage(self) -> dict[str, Any]:
        """What the image has used, as its source counts it: JSON, or a Pydantic object.

        ``None`` says nothing. What JSON has not, and what is long, is left out.

        Raises:
            TypeError: If it is set to anything else.
        """
        known: dict[str, Any] = self._converter.told.get("usage", {})
        return known

    @usage.setter
    def usage(self, value: Mapping[str, Any] | BaseModel | None) -> None:
        if value is None:
            return
        if not isinstance(value, Mapping | BaseModel):
            raise TypeError(f"usage must be a dict, got {type(value).__name__}.")
        # What the database would refuse, it would refuse with the image.
        self._tell("usage", plain_json(value))

    @property
    def cost(self) -> Decimal | None:
        """What the image has cost, in the project's currency, to six decimals.

        ``None`` says nothing.

        Raises:
            TypeError: If it is set to what is no number.
            ValueError: If it is negative, infinite, or 100 million and more.
        """
        known: Decimal | None = self._converter.told.get("cost")
        return known

    @cost.setter
    def cost(self, value: Decimal | float | str | None) -> None:
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(
            value, Decimal | int | float | str
        ):
            raise TypeError(f"cost must be a Decimal, got {type(value).__name__}.")
        try:
            cost = Decimal(str(value))
        except InvalidOperation:
            raise ValueError(f"cost must be a number, got {value!r}.") from None
        if not cost.is_finite() or not 0 <= cost <= MOST:
            raise ValueError(f"cost must be from 0 to 100 million, got {value!r}.")
        self._tell("cost", cost.quantize(SMALLEST))

    @property
    def revised_prompt(self) -> str:
        """The words that the source has made of the prompt; ``None`` says nothing."""
        return str(self._converter.told.get("revised_prompt", ""))

    @revised_prompt.setter
    def revised_prompt(self, value: str | None) -> None:
        if value is not None:
            self._tell("revised_prompt", str(value))

    def _tell(self, name: str, value: Any) -> None:
        """Keep a column until the row of the image is written next.

        Raises:
            RuntimeError: If that was the last time.
        """
        raise NotImplementedError
