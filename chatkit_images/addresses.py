"""The address of a client, behind as many proxies as the project trusts."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING

from .conf import settings

if TYPE_CHECKING:
    from django.http import HttpRequest

# A proxy that connects by a Unix socket has no address.
UNIX = "unix"
Network = IPv4Network | IPv6Network


def of(request: HttpRequest) -> str | None:
    """Return the address of a client, of IPv6 the network that one customer has.

    A provider gives each customer at least 64 bits of IPv6 (RFC 6177), so one person
    has as many addresses as they like.

    Returns:
        ``"192.0.2.1"`` or ``"2001:db8::/64"``; ``None`` if ``TRUSTED_PROXIES`` is not
        set, or if the proxies do not tell the address.
    """
    if settings.TRUSTED_PROXIES is None:
        return None
    trusted = tuple(settings.TRUSTED_PROXIES)
    # Each proxy appends the address that it has seen, so only the end can be trusted.
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    hop = str(request.META.get("REMOTE_ADDR") or "")
    address = parse(hop)
    while is_trusted(hop, address, trusted) and (hop := hops.pop().strip()):
        address = parse(hop)
        if not hops:
            break
    if address is None:
        return None
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)


def parse(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, with or without a port, or ``None`` if it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def is_trusted(
    hop: str, address: IPv4Address | IPv6Address | None, trusted: tuple[str, ...]
) -> bool:
    """Whether a hop is one of the project's proxies."""
    if not hop:
        return UNIX in trusted
    return any(address in network for network in networks(trusted))


@lru_cache(maxsize=8)
def networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    """Return the networks of proxies.

    Raises:
        ValueError: If one of them is neither a network nor an address.
    """
    return tuple(ip_network(each, strict=False) for each in trusted if each != UNIX)
