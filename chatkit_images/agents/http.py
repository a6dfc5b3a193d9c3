"""The HTTP client that keeps pictures off the event loop."""

from __future__ import annotations

from typing import Any

import httpx2
from openai import DefaultAsyncHttpxClient

from ..context import current_turn
from ..imaging import Placeholders
from .picture_filter import PictureStream


class ImageHttpxClient(DefaultAsyncHttpxClient):
    """OpenAI's HTTP client, which reads pictures past the SDKs.

    Give it to the client of the agent's model::

        AsyncOpenAI(http_client=ImageHttpxClient())

    In a run of this app's the SDKs read a short placeholder instead of each picture.
    The app knows what it stands for, and the requests of the same run have the picture
    again. Outside a run, and for all but the stream of the Responses API, it is
    OpenAI's ``DefaultAsyncHttpxClient``, whose arguments it takes.

    It does not work with the Agents SDK's sessions, which keep the model's input longer
    than the run. A request that repeats a placeholder of an earlier run is refused.

    Attributes:
        shortest: Characters of base64 from which on a picture is taken out; a subclass
            may override it.
    """

    shortest = 4096

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request, with the pictures that placeholders stand for.

        Raises:
            PlaceholderUnknown: If one is of another run.
        """
        turn = current_turn.get()
        if turn is None:
            return await super().send(request, **options)
        # Compressed, a picture could not be found.
        request.headers["accept-encoding"] = "identity"
        request = await _filled(request, turn.placeholders)
        response = await super().send(request, **options)
        if options.get("stream") and _is_plain_stream(response):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = PictureStream(
                response.stream, turn.placeholders, self.shortest
            )
        return response


def _is_plain_stream(response: httpx2.Response) -> bool:
    kind = response.headers.get("content-type", "")
    return kind.startswith("text/event-stream") and (
        response.headers.get("content-encoding", "identity") == "identity"
    )


async def _filled(
    request: httpx2.Request, placeholders: Placeholders
) -> httpx2.Request:
    if not request.headers.get("content-type", "").startswith("application/json"):
        return request
    body = await request.aread()
    filled = placeholders.fill(body)
    if filled == body:
        return request
    headers = request.headers.copy()
    del headers["content-length"]
    return httpx2.Request(
        request.method,
        request.url,
        headers=headers,
        content=filled,
        extensions=request.extensions,
    )
