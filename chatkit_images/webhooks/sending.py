"""One message, sent once to the webhook, within bounds."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import httpx2

from ..conf import settings
from ..failures import waits
from .signing import headers_of

# Seconds for all of it, to connect, and for the body of the answer, whose status says
# everything.
ALL, CONNECTING, BODY = 15.0, 5.0, 2.0
# Bytes that are read of that body.
MOST_BYTES = 16 * 1024
GONE = 410


@dataclass(frozen=True)
class Answer:
    """What became of a message.

    Attributes:
        error: Why it was not taken; empty if it was. It has no words of the endpoint.
        gone: Whether the endpoint wants no more of it (410).
        pause: Seconds for which the endpoint asks to be left alone, or 0.
    """

    error: str = ""
    gone: bool = False
    pause: float = 0.0


async def send(message_id: str, body: bytes) -> Answer:
    """Post a message to ``WEBHOOK_URL``. What goes wrong is in the answer.

    It may be at any address, and proxies of the environment are used, as the URL is the
    project's own. Redirects are not followed.

    Args:
        message_id: The same each time that the message is sent.
        body: JSON.
    """
    try:
        async with asyncio.timeout(ALL):
            return await _send(message_id, body)
    except TimeoutError:
        return Answer(f"It took more than {ALL:.0f} seconds.")
    except Exception as error:
        # The texts of exceptions may have the URL, which may have a key.
        return Answer(f"It cannot be reached: {type(error).__name__}.")


async def _send(message_id: str, body: bytes) -> Answer:
    from_here = {
        "content-type": "application/json",
        "user-agent": "chatkit-images",
        **_signed(message_id, body),
    }
    timeouts = httpx2.Timeout(ALL, connect=CONNECTING)
    async with (
        httpx2.AsyncClient(verify=_ssl_context(), timeout=timeouts) as client,
        client.stream(
            "POST", str(settings.WEBHOOK_URL), content=body, headers=from_here
        ) as response,
    ):
        # Otherwise the endpoint would see a connection that breaks.
        with suppress(TimeoutError, httpx2.HTTPError):
            async with asyncio.timeout(BODY):
                read = 0
                async for part in response.aiter_raw():
                    read += len(part)
                    if read > MOST_BYTES:
                        break
        if response.is_success:
            return Answer()
        code = response.status_code
        pause = waits.of_header(response.headers.get("retry-after", "")) or 0.0
        return Answer(f"It answered {code}.", gone=code == GONE, pause=pause)


def _signed(message_id: str, body: bytes) -> dict[str, str]:
    return headers_of(message_id, int(time.time()), body, settings.WEBHOOK_SECRET)


@cache
def _ssl_context() -> ssl.SSLContext:
    return httpx2.create_ssl_context()
