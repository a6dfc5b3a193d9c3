"""Files in the containers of code interpreter."""

from __future__ import annotations

import asyncio

from openai import AsyncOpenAI

from ..conf import settings
from ..exceptions import FetchFailed, FetchRefused
from ..fetching.reads import Reads

# Seconds for one file, waiting for a turn included.
TIMEOUT = 30.0
# Nobody waits here for URLs that others have named.
_reads = Reads()


async def read(client: AsyncOpenAI | None, container_id: str, file_id: str) -> bytes:
    """Return a file that a model's code has written, of ``MAX_IMAGE_BYTES`` at most.

    Args:
        client: The client of the model.
        container_id: The container, which the provider removes soon.
        file_id: The file in it.

    Raises:
        FetchFailed: If there is no client, or the file does not come in time.
        FetchRefused: If it is larger.
        openai.OpenAIError: If the provider refuses.
    """
    if client is None:
        raise FetchFailed("no_client", "The agent's model has no client of OpenAI's.")
    content = client.containers.files.content.with_streaming_response
    data, most = bytearray(), settings.MAX_IMAGE_BYTES
    try:
        async with (
            asyncio.timeout(TIMEOUT),
            _reads.turn(),
            content.retrieve(file_id, container_id=container_id) as response,
        ):
            async for part in response.iter_bytes():
                data += part
                if len(data) > most:
                    raise FetchRefused("too_large", f"It has more than {most} bytes.")
    except TimeoutError:
        raise FetchFailed(
            "timeout", f"A file in a container took more than {TIMEOUT} seconds."
        ) from None
    return bytes(data)
