"""The address of a client, behind as many proxies as the project trusts."""

from __future__ import annotations

from collections.abc import Iterator
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

# A proxy that connects by a Unix socket has no address; nginx writes ``unix:``.
UNIX = "unix"
# No chain of proxies is as long. A header of a client's may be.
MAX_HOPS = 20
Address = IPv4Address | IPv6Address
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
    address: Address | None = None
    for hop in hops(request):
        address = parse(hop)
        if not is_trusted(hop, address, trusted):
            return None if address is None else name_of(address)
    # All are trusted. Of several, the last is a client within the project's network; a
    # proxy that names nobody says nothing of its client.
    if address is None or not request.META.get("HTTP_X_FORWARDED_FOR"):
        return None
    return name_of(address)


def hops(request: HttpRequest) -> Iterator[str]:
    """Yield whom a request has passed, from here to its client.

    Each proxy appends the address that it has seen. So only the end can be trusted:
    what stands before the address of a client was sent by the client.
    """
    yield str(request.META.get("REMOTE_ADDR") or UNIX)
    header = request.META.get("HTTP_X_FORWARDED_FOR")
    if header:
        yield from map(str.strip, reversed(header.rsplit(",", MAX_HOPS)))


def parse(text: str) -> Address | None:
    """Return an address, with or without port and zone, or ``None`` if it is none."""
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


def name_of(address: Address) -> str:
    """Return an address of IPv4, or the network of an address of IPv6, as text."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))


def is_trusted(hop: str, address: Address | None, trusted: tuple[str, ...]) -> bool:
    """Whether a hop is one of the project's proxies."""
    if address is None:
        return hop.rstrip(":") == UNIX and UNIX in trusted
    return any(address in network for network in networks(trusted))


@lru_cache(maxsize=8)
def networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    """Return the networks of proxies.

    Raises:
        ValueError: If one of them is neither a network nor an address.
    """
    return tuple(ip_network(each, strict=False) for each in trusted if each != UNIX)
