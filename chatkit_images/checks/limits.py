"""Checks of ``CHATKIT_IMAGES["LIMITS"]``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks

from ..conf.limits import DEFAULTS, GROUPS, checked_limits


def check_limits(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Yield an error for each part of ``LIMITS`` that is none."""
    limits = values.get("LIMITS", {})
    if limits is None:
        return  # There are none.
    if not isinstance(limits, dict):
        yield _error(f"must be a dict, got {limits!r}.")
        return
    own = {key: value for key, value in limits.items() if key not in GROUPS}
    parts: list[tuple[str, Any, dict[str, Any]]] = [("", own, DEFAULTS)]
    # A group that is None takes its limits away.
    parts += [
        (f"[{name!r}]", limits[name], known)
        for name, known in GROUPS.items()
        if limits.get(name) is not None
    ]
    for name, part, known in parts:
        try:
            checked_limits(part, known)
        except (TypeError, ValueError) as error:
            yield _error(f"{name}: {error}".removeprefix(": "), name)


def _error(what: str, name: str = "") -> checks.CheckMessage:
    return checks.Error(
        f"CHATKIT_IMAGES['LIMITS']{what if name else f' {what}'}",
        hint="docs/limits.md has the keys. A limit is a whole number or None.",
        id="chatkit_images.E021",
    )


def check_addresses(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Yield a warning if visitors have no address by which they are limited."""
    if values.get("ALLOW_ANONYMOUS") and "TRUSTED_PROXIES" not in values:
        yield checks.Warning(
            "Visitors are let in, and nothing limits how many of them one person is.",
            hint="Set TRUSTED_PROXIES, [] if there is no proxy: then the limits of "
            "LIMITS['ADDRESS'] hold for each address.",
            id="chatkit_images.W008",
        )
