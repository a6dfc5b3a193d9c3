"""Reading an image from a URL, within bounds."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from concurrent.futures import Future
from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import Any

import httpx2

from .. import imaging
from ..conf import settings
from ..exceptions import FetchFailed, FetchRefused
from .addresses import addresses_of, look_up
from .reads import Reads
from .targets import Target, target_of

MOST_REDIRECTS = 3
REDIRECTS = (301, 302, 303, 307, 308)
# Seconds for a connection to one address; another may answer.
CONNECTING = 5.0
# No connection is kept: the next host may be at the same address, with another name in
# its certificate.
ONE = httpx2.Limits(max_connections=1, max_keepalive_connections=0)
ACCEPT = {
    "accept": "image/*,*/*;q=0.1",
    # A compressed body could become far larger than what was sent.
    "accept-encoding": "identity",
    "user-agent": "chatkit-images",
}
_reads = Reads()


async def fetch_image(
    url: str,
    *,
    max_bytes: int | None = None,
    timeout: float = 30.0,
    headers: Mapping[str, str] | None = None,
    allowed_hosts: Collection[str] = (),
    ssl_context: ssl.SSLContext | None = None,
) -> bytes:
    """Read an image from a URL that somebody else has named.

    It opens ``https`` only, and only at public addresses: it looks the host up once,
    checks each address, and connects to the one that it has checked. Each of at most
    three redirects is checked in the same way. Proxies of the environment are not used,
    as a proxy looks the host up by itself. No cookie is kept. The process reads eight
    images at once, of which four are for the same owner at most.

    Args:
        url: The URL, without a name and a password in it.
        max_bytes: The most bytes that are read. Default: ``MAX_IMAGE_BYTES``.
        timeout: Seconds for all of it, redirects and waiting for a turn included.
        headers: More headers, such as ``Authorization``. A redirect to another host
            does not get them.
        allowed_hosts: Hosts of the project's own that may be at any address and may
            use ``http``, each with its port: ``["minio.internal:9000"]``. Another host
            cannot redirect to them. Never take them from outside.
        ssl_context: What certificates are checked against. Default: the system's.

    Returns:
        The bytes. They begin like an image; whoever stores them checks the rest.

    Raises:
        FetchRefused: If the URL, an address, a redirect or the size is not allowed.
        FetchFailed: If the host does not answer with an image in time.
        ImageError: If what it answers is not an image.
    """
    most = settings.MAX_IMAGE_BYTES if max_bytes is None else max_bytes
    target = target_of(url, allowed_hosts)
    context = ssl_context or _ssl_context()
    own = {name.lower(): value for name, value in (headers or {}).items()}
    try:
        async with asyncio.timeout(timeout), _reads.turn() as threads:
            for _ in range(MOST_REDIRECTS + 1):
                async with _opened(target, own, context, threads) as response:
                    if response.status_code not in REDIRECTS:
                        data = await _body(response, target, most)
                        imaging.sniff(data)
                        return data
                    there = target.redirected(_location(response), allowed_hosts)
                if there.origin != target.origin:
                    own = {}
                target = there
    except TimeoutError as error:
        raise FetchFailed(
            "timeout", f"The host {target.host!r} took more than {timeout} seconds."
        ) from error
    raise FetchRefused("redirects", f"There are more than {MOST_REDIRECTS} redirects.")


@cache
def _ssl_context() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


@asynccontextmanager
async def _opened(
    target: Target,
    headers: Mapping[str, str],
    context: ssl.SSLContext,
    threads: list[Future[Any]],
) -> AsyncIterator[httpx2.Response]:
    """Request a target at the first of its addresses that answers.

    Raises:
        FetchRefused: If an address is not public.
        FetchFailed: If none answers.
    """
    looking = look_up(target.host, target.port)
    threads.append(looking)
    found = await addresses_of(looking, target.host, anywhere=target.vouched)
    transport = httpx2.AsyncHTTPTransport(verify=context, trust_env=False, limits=ONE)
    async with transport:
        try:
            response = await _first_answer(transport, target, found, headers)
            async with aclosing(response):
                yield response
        except httpx2.HTTPError as error:
            # What is wrong there, such as its certificate, is not wrong with this site.
            raise FetchFailed(
                "unreachable", f"The host {target.host!r} does not answer: {error!r}"
            ) from None


async def _first_answer(
    transport: httpx2.AsyncHTTPTransport,
    target: Target,
    addresses: list[str],
    headers: Mapping[str, str],
) -> httpx2.Response:
    timeouts = httpx2.Timeout(None, connect=CONNECTING).as_dict()
    for number, address in enumerate(addresses, 1):
        # The certificate and the host are those of the name, not of the address.
        request = httpx2.Request(
            "GET",
            target.url.copy_with(host=address),
            headers={**ACCEPT, **headers, "host": target.url.netloc.decode("ascii")},
            extensions={"timeout": timeouts, "sni_hostname": target.host},
        )
        try:
            return await transport.handle_async_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            if number == len(addresses):
                raise
    raise FetchFailed("unknown_host", f"The host {target.host!r} has no address.")


def _location(response: httpx2.Response) -> str:
    try:
        return str(response.headers["location"])
    except KeyError as error:
        raise FetchFailed(
            "status", "A redirect leads nowhere.", status=response.status_code
        ) from error


async def _body(response: httpx2.Response, target: Target, most: int) -> bytes:
    """Read the body, and no more of it than is allowed."""
    if response.status_code != 200:
        raise FetchFailed(
            "status",
            f"The host {target.host!r} answers {response.status_code}.",
            status=response.status_code,
        )
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise FetchRefused("encoding", f"The body is compressed by {encoding[:40]!r}.")
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > most:
        raise _too_large(target, most)
    data = bytearray()
    async for part in response.aiter_raw():
        if len(data) + len(part) > most:
            raise _too_large(target, most)
        data += part
    return bytes(data)


def _too_large(target: Target, most: int) -> FetchRefused:
    return FetchRefused(
        "too_large", f"The host {target.host!r} sends more than {most} bytes."
    )
