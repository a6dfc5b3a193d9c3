"""The HTTP client that keeps images off the event loop."""

from __future__ import annotations

import re
from typing import Any

import httpx2
from openai import DefaultAsyncHttpxClient

from ..run_state import current_state
from .base64_filter import Base64FilterStream

# The arguments of a request besides its body and its headers.
KEPT = ("params", "timeout", "extensions")
STREAM = re.compile(rb'"stream"\s*:\s*true')


class ImageHttpxClient(DefaultAsyncHttpxClient):
    """OpenAI's HTTP client, which reads images past the SDKs. It is experimental.

    Give it to the client of the agent's model::

        AsyncOpenAI(http_client=ImageHttpxClient())

    In a run of this app the SDKs read a short placeholder instead of each image. The
    app keeps the image, and the requests of the same run contain the image again.
    Outside a run, and for all but the stream of the Responses API, this client does
    what OpenAI's ``DefaultAsyncHttpxClient`` does, whose arguments it takes.

    A session or a stored state of the Agents SDK keeps the model's input or output
    longer than the run. It would have placeholders whose images are gone, and a request
    with a placeholder of another run is refused. All models of a run need this client.

    Attributes:
        shortest: The fewest characters of base64 that are replaced; a subclass may
            override it.
    """

    shortest = 4096

    def build_request(
        self, method: str, url: httpx2.URL | str, **options: Any
    ) -> httpx2.Request:
        """Build a request, with images in place of their placeholders.

        For some providers OpenAI's client signs the request that this returns, so
        ``send`` would be too late.

        Raises:
            PlaceholderUnknown: If a placeholder is of another run.
        """
        request = super().build_request(method, url, **options)
        state = current_state.get()
        if state is None or not request.headers.get("content-type", "").startswith(
            "application/json"
        ):
            return request
        try:
            body = request.content
        except httpx2.RequestNotRead:  # A streamed body is no model's input.
            return request
        filled = state.placeholders.fill(body)
        if filled is not body:
            headers = request.headers.copy()
            del headers["content-length"]
            kept = {name: options[name] for name in KEPT if name in options}
            request = super().build_request(
                method, url, content=filled, headers=headers, **kept
            )
        if STREAM.search(filled):
            # In a compressed stream an image could not be found.
            request.headers["accept-encoding"] = "identity"
        return request

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request; the stream that answers it has placeholders for images."""
        response = await super().send(request, **options)
        state = current_state.get()
        if (
            state is not None
            and options.get("stream")
            and isinstance(response.stream, httpx2.AsyncByteStream)
            and _is_plain_stream(response)
        ):
            response.stream = Base64FilterStream(
                response.stream, state.placeholders, self.shortest
            )
        return response


def _is_plain_stream(response: httpx2.Response) -> bool:
    kind = response.headers.get("content-type", "")
    return kind.startswith("text/event-stream") and (
        response.headers.get("content-encoding", "identity") == "identity"
    )
