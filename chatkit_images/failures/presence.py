"""Whether a provider is there, as an exception says that was raised while asking it."""

from __future__ import annotations

import enum
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from . import carriers
from .reasons import Reason
from .sources import chain, of

# How connections fail of which the provider has seen nothing, in whatever library.
NOT_CONNECTED = {
    "ConnectError", "ConnectTimeout", "ConnectTimeoutError", "ConnectionRefusedError",
    "ClientConnectorError", "ConnectionTimeoutError", "EndpointConnectionError",
    "NameResolutionError", "NewConnectionError", "gaierror",
}  # fmt: skip
AWAY = {Reason.TIMEOUT, Reason.OVERLOADED, Reason.BROKEN_OFF}
# What waits in this process alone: for a connection of a pool that has none left.
OWN = {"PoolTimeout"}
# What a project's own model raises, without a library.
PLAIN = (ConnectionError, TimeoutError, socket.gaierror)


class Presence(enum.Enum):
    """What an exception says of a provider."""

    # It has answered, be it with a refusal.
    HERE = "here"
    # No connection to it can be made: no request can be the cause of that.
    UNREACHABLE = "unreachable"
    # It was too slow, failed, or broke off. A request may be the cause.
    FAILING = "failing"
    UNKNOWN = "unknown"


def presence_of(error: BaseException, url: str = "") -> Presence:
    """Return what an exception says of a provider.

    Args:
        error: What was raised while the provider was asked and had not answered yet.
        url: The provider's URL; what was raised by a request to another is unknown.
    """
    failure, errors = of(error), list(chain(error))
    said = [e for e in errors if carriers.is_of_provider(e) or isinstance(e, PLAIN)]
    if failure is None or not said or _elsewhere(errors, url):
        return Presence.UNKNOWN
    is_away = failure.reason in AWAY
    if failure.status is not None:
        return Presence.FAILING if is_away and failure.status >= 500 else Presence.HERE
    if not is_away:
        return Presence.UNKNOWN
    names = {kind.__name__ for one in said for kind in type(one).__mro__}
    if not names.isdisjoint(OWN):
        return Presence.UNKNOWN
    return Presence.FAILING if names.isdisjoint(NOT_CONNECTED) else Presence.UNREACHABLE


def _elsewhere(errors: Iterable[BaseException], url: str) -> bool:
    """Whether a request to another host has failed, such as a guardrail's own."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    if not host:
        return False
    for error in errors:
        request = carriers.attribute(error, "request")
        asked = urlsplit(str(carriers.attribute(request, "url") or "")).netloc
        if asked and asked.rpartition("@")[2] != host:
            return True
    return False
