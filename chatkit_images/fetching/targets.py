"""Which URLs are opened at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import httpx2

from ..exceptions import FetchRefused

PORTS = {"https": 443, "http": 80}
# Characters of a URL; what is longer is no address of an image.
LONGEST = 8_192


@dataclass(frozen=True)
class Target:
    """A URL that may be opened.

    Attributes:
        url: The URL, without its fragment.
        host: Its host, as it is looked up.
        port: Its port.
        vouched: Whether the project has named the host as one of its own.
    """

    url: httpx2.URL
    host: str
    port: int
    vouched: bool

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what headers of the caller's are for."""
        return self.url.scheme, self.host, self.port

    def redirected(self, location: str, allowed_hosts: Collection[str]) -> Target:
        """Return where a redirect leads to.

        A host of the project's own network is never reached through another host.

        Raises:
            FetchRefused: If that may not be opened.
        """
        if len(location) > LONGEST:
            raise FetchRefused("url_refused", "A redirect has too long a URL.")
        try:
            url = self.url.join(location)
        except httpx2.InvalidURL as error:
            raise FetchRefused("url_refused", f"A redirect is bad: {error}") from None
        return target_of(url, allowed_hosts if self.vouched else ())


def target_of(url: str | httpx2.URL, allowed_hosts: Collection[str]) -> Target:
    """Check what a URL says, before anything is looked up.

    Raises:
        FetchRefused: If it is not ``https``, has a name or a password, or is no URL.
    """
    if isinstance(url, str):
        if len(url) > LONGEST:
            raise FetchRefused("url_refused", "The URL is too long.")
        try:
            url = httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise FetchRefused("url_refused", f"The URL is bad: {error}") from None
    if url.scheme not in PORTS or not url.host:
        raise FetchRefused(
            "url_refused", f"Images are read from https, not from {url.scheme!r}."
        )
    port = PORTS[url.scheme] if url.port is None else url.port
    if not 0 < port < 65_536:
        raise FetchRefused("url_refused", f"There is no port {port}.")
    host = url.raw_host.decode("ascii").lower()
    name = f"[{host}]" if ":" in host else host
    vouched = f"{name}:{port}" in {each.lower() for each in allowed_hosts}
    if url.scheme != "https" and not vouched:
        raise FetchRefused(
            "url_refused", "Images are read from https, not from 'http'."
        )
    if url.userinfo:
        raise FetchRefused("url_refused", "The URL has a name or a password in it.")
    return Target(url.copy_with(fragment=None), host, port, vouched)
