"""Methods of a project that may be asynchronous."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def awaited(value: T | Awaitable[T]) -> T:
    """Return the result of a hook, which may be an asynchronous method."""
    return await value if inspect.isawaitable(value) else value


def at_once(value: T | Awaitable[T], advice: str) -> T:
    """Return the result of a hook where nothing can be awaited.

    Raises:
        TypeError: With the advice, if the hook is an asynchronous method.
    """
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            # Python would warn that nobody has awaited it.
            value.close()
        raise TypeError(advice)
    return value
