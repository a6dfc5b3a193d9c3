"""An ASGI application that answers like OpenAI's API."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from .asgi import (
    ClientDisconnected,
    Receive,
    Scope,
    Send,
    disconnected,
    read,
    send_error,
    send_json,
    send_response,
    send_stream,
)
from .dialects import DIALECTS, PLAIN, Dialect
from .drawing import draw
from .gemini import GeminiAPI
from .image_calls import Draw, Studio
from .images_api import ImagesAPI
from .model import default_model
from .script import JSON, HTTPError, Step
from .stand_ins import StandIn
from .wire import stream_events

Model: TypeAlias = Callable[[JSON], Sequence[Step]]


class LoopbackAPI(StandIn):
    """Speak OpenAI's wire format and draw images instead of generating them.

    Routes are matched by the end of the path, so the application can be mounted under
    any prefix.

    Args:
        delay: Seconds before each preview of an image whose step names no delay.
        model: What answers when nothing is queued with `respond_with`.
        max_side: Longest side of a drawing in pixels, whatever size was asked for.
        draw: What draws instead of ``chatkit_images.testing.draw``; it is called with
            the same arguments, in a thread.
        dialect: How answers are spoken: a dialect, or the name of one of ``DIALECTS``.

    Attributes:
        images: The Images API, with a queue and requests of its own.
        gemini: Gemini's API, likewise.
        disconnects: How many clients have left before the end of their answer.
        transcript: The text of any dictation.
    """

    def __init__(
        self,
        *,
        delay: float = 0.0,
        model: Model | None = None,
        max_side: int = 768,
        draw: Draw = draw,
        dialect: Dialect | str = PLAIN,
    ) -> None:
        super().__init__()
        self.delay = delay
        self.model: Model = model or default_model
        self.max_side = max_side
        self.draw = draw
        self._own = _dialect(dialect)
        self.dialect = self._own
        self.images = ImagesAPI()
        self.gemini = GeminiAPI()
        self.disconnects = 0
        self.transcript = "a red fox in the snow"

    def speak(self, *dialects: Dialect | str) -> None:
        """Speak otherwise until `reset`: in a dialect, or in several at once.

        Args:
            dialects: Dialects, or names of ``DIALECTS``. Of several, the next one
                changes what the one before it has made. None: as OpenAI.

        Raises:
            KeyError: There is no dialect of a name.
        """
        self.dialect = sum(map(_dialect, dialects), PLAIN)

    def reset(self) -> None:
        """Forget queued answers, received requests, disconnects and `speak`."""
        super().reset()
        self.images.reset()
        self.gemini.reset()
        self.dialect = self._own
        self.disconnects = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            raise ValueError(f"LoopbackAPI only speaks HTTP, got {scope['type']!r}.")
        try:
            data = await read(receive)
        except ClientDisconnected:
            return
        path = f"{scope['method']} {scope['path'].rstrip('/')}"
        if re.fullmatch(r"POST .*/responses", path):
            await self._responses(data, receive, send)
        elif found := re.fullmatch(r"POST .*/images/(generations|edits)", path):
            kind = _content_type(scope)
            answer = self.images.answer(found[1], kind, data, self._studio(), send)
            await self._until_disconnect(answer, receive)
        elif found := re.fullmatch(r"POST .*/models/([^/:]+):(\w+)", path):
            answer = self.gemini.answer(found[1], found[2], data, self._studio(), send)
            await self._until_disconnect(answer, receive)
        elif re.fullmatch(r"POST .*/audio/transcriptions", path):
            await send_json(send, 200, {"text": self.transcript})
        elif re.fullmatch(r"GET .*/models", path):
            model = {"id": "loopback", "object": "model", "created": 0}
            models = [model | {"owned_by": "chatkit-images"}]
            await send_json(send, 200, {"object": "list", "data": models})
        else:
            await send_error(
                send, HTTPError(404, "unknown_url", f"Invalid URL ({path})")
            )

    async def _responses(self, data: bytes, receive: Receive, send: Send) -> None:
        try:
            body = json.loads(data)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            message = "The body of the request is not a JSON object."
            await send_error(send, HTTPError(400, "invalid_json", message))
            return
        dialect = self.dialect
        steps = self._next_steps(body, dialect)
        if steps and isinstance(steps[0], HTTPError):
            await send_error(send, steps[0])
            return
        events = stream_events(body, steps, self._studio(), dialect)
        answer = (
            send_stream(events, send, dialect)
            if body.get("stream")
            else send_response(events, send)
        )
        await self._until_disconnect(answer, receive)

    def _studio(self) -> Studio:
        return Studio(self.draw, self.max_side, self.delay)

    def _next_steps(self, body: JSON, dialect: Dialect) -> Sequence[Step]:
        self.remember(body)
        # What is refused for its input leaves the answer for what is asked instead.
        if refused := dialect.refusal(body):
            return [refused]
        steps = self.queued()
        return dialect.retell(self.model(body) if steps is None else steps)

    async def _until_disconnect(
        self, answer: Awaitable[None], receive: Receive
    ) -> None:
        answering = asyncio.ensure_future(answer)
        leaving = asyncio.ensure_future(disconnected(receive))
        try:
            await asyncio.wait(
                {answering, leaving}, return_when=asyncio.FIRST_COMPLETED
            )
            if answering.done():
                answering.result()
            else:
                with self._lock:
                    self.disconnects += 1
        finally:
            answering.cancel()
            leaving.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)


def _dialect(dialect: Dialect | str) -> Dialect:
    return DIALECTS[dialect] if isinstance(dialect, str) else dialect


def _content_type(scope: Scope) -> str:
    headers = dict(scope["headers"])
    return str(headers.get(b"content-type", b""), "latin-1")
