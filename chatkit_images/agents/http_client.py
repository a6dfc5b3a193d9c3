"""The HTTP client that keeps images off the event loop."""

from __future__ import annotations

import re
from typing import Any

import httpx2
from openai import DefaultAsyncHttpxClient

from ..run_state import current_state
from .base64_filter import Base64FilterStream

# What a request is built of beside its body and its headers.
KEPT = ("params", "timeout", "extensions")
STREAM = re.compile(rb'"stream"\s*:\s*true')


class ImageHttpxClient(DefaultAsyncHttpxClient):
    """OpenAI's HTTP client, which reads images past the SDKs. It is experimental.

    Give it to the client of the agent's model::

        AsyncOpenAI(http_client=ImageHttpxClient())

    In a run of this app's the SDKs read a short placeholder instead of each image.
    The app knows what it stands for, and the requests of the same run have the image
    again. Outside a run, and for all but the stream of the Responses API, it is
    OpenAI's ``DefaultAsyncHttpxClient``, whose arguments it takes.

    What keeps the model's input or output longer than the run has placeholders that
    nobody knows any more: a session or a stored state of the Agents SDK. A request
    with one of another run is refused. All models of a run need this client.

    Attributes:
        shortest: Characters of base64 from which on an image is taken out; a subclass
            may override it.
    """

    shortest = 4096

    def build_request(
        self, method: str, url: httpx2.URL | str, **options: Any
    ) -> httpx2.Request:
        """Build a request, with the images that placeholders stand for.

        Here, as OpenAI's client signs for some providers what this returns.

        Raises:
            PlaceholderUnknown: If one is of another run.
        """
        request = super().build_request(method, url, **options)
        state = current_state.get()
        if state is None or not request.headers.get("content-type", "").startswith(
            "application/json"
        ):
            return request
        try:
            body = request.content
        except httpx2.RequestNotRead:  # It comes bit by bit, as no model's input does.
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
            # Compressed, an image could not be found.
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
