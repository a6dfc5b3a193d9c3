"""Who can reach the demo: this machine alone, or a network."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]
WILDCARDS = {"0.0.0.0", "::"}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address, or a name."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def hosts_of(host: str) -> list[str]:
    """Return the names and addresses by which browsers reach a server."""
    if host not in WILDCARDS:
        return [f"[{host}]" if ":" in host else host]
    found = [socket.gethostname()]
    with suppress(OSError):
        found += [str(each[4][0]) for each in socket.getaddrinfo(found[0], None)]
    # Connecting a datagram socket sends nothing; it says which address would be used.
    with suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        found.append(probe.getsockname()[0])
    return [f"[{each}]" if ":" in each else each for each in dict.fromkeys(found)]


def is_from_here(scope: Scope) -> bool:
    """Whether a request comes from this machine."""
    client, server = scope.get("client"), scope.get("server")
    if not client:
        return False
    own = bool(server) and client[0] == server[0]
    return own or is_loopback(client[0])


def for_this_machine(application: Application) -> Application:
    """Return an application that answers nobody else: what it does costs nothing here.

    The loopback model draws for whoever asks. Only the chat itself may.
    """

    async def guarded(scope: Scope, receive: Any, send: Any) -> None:
        if is_from_here(scope):
            return await application(scope, receive, send)
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return guarded
