"""Checks of what the settings say of people: contexts, and the proxies before them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

from django.core import checks
from django.utils.module_loading import import_string

from .. import addresses
from ..context import RequestContext
from .values import is_function

SUBCLASS = "Write the dotted path of a subclass of RequestContext."
SYNCHRONOUS = "Write it with def: it is called in a thread, and may ask the database."
# What a project overrides, and nobody awaits.
METHODS = (
    "from_request",
    "for_user",
    "for_owner",
    "get_user",
    "get_owner",
    "own_key",
    "get_tenant",
    "may_delete",
    "activate",
    "to_row",
    "from_row",
)
DECORATE = "Write @dataclass(frozen=True) above it."
DATACLASS = (
    "Write @dataclass(frozen=True) above it, and give each field a default: "
    "a list by field(default_factory=list)."
)


def check_context(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that the class of contexts can be imported, and made by the app."""
    path = values.get("CONTEXT")
    if path is None:
        return
    try:
        found = import_string(path)
    except (ImportError, AttributeError) as error:
        yield _context(f"cannot be imported: {path!r}: {error}", SUBCLASS)
        return
    except (TypeError, ValueError) as error:
        # A dataclass that inherits wrongly is a TypeError of its module, and one with a
        # list as a default is a ValueError.
        yield _context(f"cannot be imported: {path!r}: {error}", DATACLASS)
        return
    if not (isinstance(found, type) and issubclass(found, RequestContext)):
        yield _context(
            f"must name a subclass of RequestContext, got {path!r}", SUBCLASS
        )
        return
    bare = [each.__name__ for each in _own(found) if _is_bare(each)]
    if bare:
        name = f"{bare[0]} has fields, and is no dataclass"
        yield _context(f"is {path!r}, of which {name}", DECORATE)
    given = {each.name for each in dataclasses.fields(RequestContext)}
    needed = [
        each.name
        for each in dataclasses.fields(found)
        if each.name not in given
        and each.default is each.default_factory is dataclasses.MISSING
    ]
    if needed:
        yield _context(
            f"is {path!r}, whose field {needed[0]!r} has no default",
            f"Write {needed[0]}: ... = None, and give it its value in from_request().",
        )
    for name in METHODS:
        if inspect.iscoroutinefunction(getattr(found, name)):
            yield _context(f"is {path!r}, whose {name}() is asynchronous", SYNCHRONOUS)


def _own(found: type[RequestContext]) -> list[type]:
    """Return the classes of the project's from which a class of contexts is made."""
    return [
        each
        for each in found.__mro__
        if issubclass(each, RequestContext) and each is not RequestContext
    ]


def _is_bare(made: type) -> bool:
    """Whether a class has fields that no decorator has seen."""
    if "__dataclass_fields__" in vars(made):
        return False
    try:
        annotations = inspect.get_annotations(made)
    except NameError:
        return True  # It has some, whatever they name.
    return any("ClassVar" not in str(each) for each in annotations.values())


def _context(what: str, hint: str) -> checks.CheckMessage:
    return checks.Error(
        f"CHATKIT_IMAGES['CONTEXT'] {what}.", hint=hint, id="chatkit_images.E018"
    )


def check_contexts(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that the function that yields the contexts of tenants can be imported."""
    path = values.get("CONTEXTS")
    if path is None:
        yield from _tenants_without_contexts(values.get("CONTEXT"))
    elif not is_function(path):
        yield checks.Error(
            "CHATKIT_IMAGES['CONTEXTS'] must be the dotted path of a function, "
            f"got {path!r}.",
            hint="Write the dotted path of a function that yields a context for each "
            "tenant.",
            id="chatkit_images.E019",
        )


def _tenants_without_contexts(path: Any) -> Iterator[checks.CheckMessage]:
    """Warn of a class whose tenants nothing but their own requests works for."""
    try:
        found = RequestContext if path is None else import_string(path)
    except (ImportError, AttributeError, TypeError, ValueError):
        return  # Another check says so.
    if not (isinstance(found, type) and issubclass(found, RequestContext)):
        return  # Another check says so.
    # A mixin of the project's counts too.
    before = found.__mro__[: found.__mro__.index(RequestContext)]
    if not any("get_tenant" in vars(each) for each in before):
        return
    yield checks.Warning(
        "CHATKIT_IMAGES['CONTEXT'] has tenants, and no CONTEXTS yields them: commands, "
        "and what ends dead runs, work for none of them.",
        hint="Write the dotted path of a function that yields a context for each "
        "tenant.",
        id="chatkit_images.W007",
    )


def check_proxies(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that the proxies are networks."""
    proxies = values.get("TRUSTED_PROXIES")
    if proxies is None:
        return
    if not isinstance(proxies, list | tuple | set):
        yield _proxies(f"a list of networks, got {proxies!r}")
        return
    for proxy in proxies:
        try:
            if not isinstance(proxy, str):
                raise ValueError
            addresses.networks((proxy,))
        except ValueError:
            yield _proxies(f"a list of networks, one of them is {proxy!r}")


def _proxies(what: str) -> checks.CheckMessage:
    return checks.Error(
        f"CHATKIT_IMAGES['TRUSTED_PROXIES'] must be {what}.",
        hint='Write addresses and networks, such as ["10.0.0.0/8", "unix"].',
        id="chatkit_images.E020",
    )
