"""Where a host is, and whether that is the public internet."""

from __future__ import annotations

import asyncio
import re
import socket
from concurrent.futures import Future
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any
from urllib.parse import urlsplit

from .. import storage
from ..exceptions import FetchFailed, FetchRefused

# What IANA's registries of special addresses say is not reached from everywhere. Python
# has them too, but how many depends on its patch release.
SPECIAL_IPV4 = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
    *("192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    # For groups of machines, and for nobody.
    *("224.0.0.0/4", "240.0.0.0/4"),
    # Azure's service for its own machines has an address that looks public.
    "168.63.129.16/32",
]
# All that is assigned as public, and what is not public in it. Teredo and 6to4 lead to
# an address of IPv4.
PUBLIC_IPV6 = "2000::/3"
SPECIAL_IPV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]
# A network without IPv4 reaches it by these (NAT64).
NAT64 = IPv6Network("64:ff9b::/96")
# Names that mean something in one network only.
INNER = (
    *(".localhost", ".localdomain", ".local", ".internal", ".lan", ".home.arpa"),
    # Reserved by RFC 6761, or used within companies and never delegated.
    *(".test", ".invalid", ".onion", ".intranet", ".corp", ".home", ".private"),
)
# A name that ends so is an address in an old form, such as ``127.1``; so say browsers.
NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
# Addresses of a host that are tried.
MOST_ADDRESSES = 4


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet, for one machine."""
    if not address.is_global:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _networks(*SPECIAL_IPV4))
    if address in NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in IPv6Network(PUBLIC_IPV6) and not any(
        address in network for network in _networks(*SPECIAL_IPV6)
    )


def is_public_url(url: str) -> bool:
    """Whether others than this machine and its network may reach a URL; asks nobody."""
    try:
        split = urlsplit(url)
        host = (split.hostname or "").rstrip(".")
        known = split.scheme in ("http", "https") and split.port != 0
    except ValueError:
        return False
    if not known:
        return False
    try:
        return is_public(ip_address(host))
    except ValueError:
        named, last = host.endswith(INNER), host.rpartition(".")[2]
        return "." in host and not named and not NUMBER.fullmatch(last)


def look_up(host: str, port: int) -> Future[list[Any]]:
    """Have the addresses of a host looked up in a thread.

    Args:
        host: A name or an address.
        port: The port.
    """
    return storage.begin(
        "lookups", socket.getaddrinfo, host, port, type=socket.SOCK_STREAM
    )


async def addresses_of(
    looking: Future[list[Any]], host: str, *, anywhere: bool = False
) -> list[str]:
    """Return the addresses of a host, which are then connected to as they are.

    A second look-up could bring others (DNS rebinding).

    Args:
        looking: What ``look_up()`` has returned for the host.
        host: A name or an address.
        anywhere: Whether the host may be in the project's own network.

    Raises:
        FetchRefused: If one of them is not public.
        FetchFailed: If the host is not known.
    """
    try:
        found = await asyncio.wrap_future(looking)
    except (OSError, UnicodeError):
        raise FetchFailed("unknown_host", f"The host {host!r} is not known.") from None
    texts = dict.fromkeys(str(each[4][0]) for each in found)
    if not anywhere:
        for text in texts:
            # An address with a zone is that of a neighbour.
            if "%" in text or not is_public(ip_address(text)):
                raise FetchRefused(
                    "address_refused",
                    f"The host {host!r} is at {text}, which is no public address.",
                )
    return list(texts)[:MOST_ADDRESSES]


@cache
def _networks(*names: str) -> list[IPv4Network | IPv6Network]:
    return [ip_network(name) for name in names]
