"""What JSON has of the objects of a provider's client, within bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from itertools import count
from numbers import Integral, Real
from typing import Any

from pydantic import BaseModel

# Characters of a text or a name, values within values, and values in all that are kept.
LONGEST, DEEPEST, MOST = 2_000, 20, 1_000
# Some readers of JSON have no larger integers.
MOST_INT = 2**63


def plain_json(value: Mapping[Any, Any] | BaseModel) -> dict[str, Any]:
    """Return what JSON has of a mapping or of a Pydantic object.

    ``None`` stands in the place of what JSON has not, of images, and of what is nested
    deeply. Long texts are cut, and what is too much is left out.
    """
    plain: dict[str, Any] = _plain(value, count(), DEEPEST)
    return plain


def _plain(value: Any, number: Iterator[int], depth: int) -> Any:
    if isinstance(value, Enum):
        value = value.value
    elif isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True, warnings=False)
    if isinstance(value, str):
        return None if value[:5].lower() == "data:" else value[:LONGEST]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value) if abs(int(value)) < MOST_INT else None
    if isinstance(value, Real | Decimal):
        return float(value) if math.isfinite(value) else None
    if not depth:
        return None
    if isinstance(value, Mapping):
        return {
            str(name)[:LONGEST]: _plain(each, number, depth - 1)
            for name, each in value.items()
            if next(number) < MOST
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [
            _plain(each, number, depth - 1) for each in value if next(number) < MOST
        ]
    return None
