"""Windows over a history that move in steps.

A provider reads the beginning of an input from its cache if it is that of the input
before. If a window moved with each new item, no two inputs would begin alike. So it
grows until it has as many things as it may have, and then only the newest third stays.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

from chatkit import types

T = TypeVar("T", bound=Hashable)
# What stays when a window moves, as a part of the most that it may have.
SHARE = 3


def start(total: int, most: int) -> int:
    """Return how many of the oldest things are left out.

    It depends on nothing else, so all processes agree, and nothing is to be kept.

    Args:
        total: How many there are.
        most: How many there may be in a window.
    """
    if most <= 0:
        return max(0, total)
    step = most - -(-most // SHARE) + 1
    return max(0, -((most - total) // step)) * step


def shown(keys: Sequence[T], most: int, newest: int = 0) -> set[T]:
    """Return those in the window: between a third of ``most`` and all of it.

    Args:
        keys: All, oldest first.
        most: How many there may be; 0 for none.
        newest: How many of the newest are in it at any rate, as far as ``most`` allows.
    """
    first = min(start(len(keys), most), len(keys) - min(newest, most))
    return set(keys[max(0, first) :])


def from_message(
    items: Sequence[types.ThreadItem], most: int
) -> list[types.ThreadItem]:
    """Return a window that has moved, from its first message of a person's on.

    An answer without its question misleads a model. If no message is near the
    beginning, all of the window stays.

    Args:
        items: The window, oldest first.
        most: How many there may be in it.
    """
    near = -(-most // SHARE) // 2
    for index, item in enumerate(items[:near]):
        if isinstance(item, types.UserMessageItem):
            return list(items[index:])
    return list(items)
