"""The store and the people of another project, as a command line names them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from chatkit.store import Store
from django.utils.module_loading import import_string

from ..context import RequestContext
from .people import context_of


class StoreRefused(Exception):
    """What was named is no store, or it does not say whose rows it has."""


class Tenancy(NamedTuple):
    """One of those whose threads a store has.

    Attributes:
        theirs: The context that the store takes, of whatever type.
        ours: The context of whom the threads are given to.
    """

    theirs: Any
    ours: RequestContext


def store_of(path: str) -> Store[Any]:
    """Return the store at a dotted path: an object, a class, or a function.

    Raises:
        StoreRefused: If there is none.
    """
    found = _imported(path)
    if not isinstance(found, Store) and callable(found):
        try:
            found = found()
        except TypeError as error:
            raise StoreRefused(f"{path} cannot be called: {error}") from error
    if not isinstance(found, Store):
        raise StoreRefused(
            f"{path} is a {type(found).__name__}, not a chatkit.store.Store."
        )
    return found


async def people_of(
    path: str | None, ours: RequestContext | None
) -> AsyncIterator[Any]:
    """Yield a ``Tenancy`` for each of those whose threads a store has.

    Args:
        path: The dotted path of a context, or of a function that returns one, or of
            what yields pairs of a context and a user or an owner key. ``None`` for a
            store that takes any context.
        ours: Who gets all of it, if the path says nothing of owners.

    Raises:
        StoreRefused: If it is not known who gets it.
    """
    found: Any = None if path is None else _imported(path)
    if callable(found):
        # What is not asynchronous may use the database.
        found = await sync_to_async(found)() if not _is_async(found) else found()
    if inspect.isawaitable(found):
        found = await found
    if ours is not None:
        yield Tenancy(found, ours)
        return
    if hasattr(found, "__aiter__"):
        async for each in found:
            yield await sync_to_async(_pair)(each)
    elif isinstance(found, Iterable) and not isinstance(found, str | bytes | dict):
        following = sync_to_async(partial(next, iter(found), None))
        while (each := await following()) is not None:
            yield await sync_to_async(_pair)(each)
    else:
        raise StoreRefused(
            "Say --user or --owner, or a --context that yields pairs of a context and "
            "a user or an owner."
        )


def _is_async(func: Any) -> bool:
    return inspect.iscoroutinefunction(func) or inspect.isasyncgenfunction(func)


def _pair(each: Any) -> Tenancy:
    if not isinstance(each, tuple) or len(each) != 2:
        raise StoreRefused(
            "--context must yield pairs of a context and a user or an owner, "
            f"it has yielded a {type(each).__name__}."
        )
    theirs, who = each
    try:
        if isinstance(who, str):
            return Tenancy(theirs, context_of(None, who))
        return Tenancy(theirs, context_of(who))
    except (AttributeError, TypeError, ValueError) as error:
        raise StoreRefused(
            f"{who!r} is neither a user nor an owner: {error}"
        ) from error


def _imported(path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        raise StoreRefused(str(error)) from error
