"""The chat endpoint as a Channels consumer: a stream costs no thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from django.core.exceptions import SuspiciousOperation
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.log import log_response
from django.utils.translation import gettext as _
from django.views import View

from .. import database
from ..conf import settings
from ..views import ChatKitView, errors, origins
from .hardening import hardened, redirect_of
from .requests import header_pairs, keep_session, make_request

logger = logging.getLogger(__name__)
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[..., Awaitable[HttpResponseBase]]


class Gone(Exception):
    """The client has left."""


class ChatKitConsumer:
    """Answers with one of the asynchronous views of this package.

    Views, checks and answers are the same as with the URLconf, but the project's
    middleware does not run. What Django's security middleware does is done if
    ``MIDDLEWARE`` has it. Sessions and users are Django's own, or those that Channels
    has put into the scope. Database work goes through ``DATABASE_THREADS``. If the
    client leaves while the view waits, the view is cancelled.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._started = False

    @classmethod
    def as_asgi(cls, view: type[View] = ChatKitView) -> Any:
        """Return an ASGI application, as the consumers of Channels do."""
        handler: Any = view.as_view()

        async def application(scope: Any, receive: Receive, send: Send) -> None:
            answer = cls(handler)(scope, receive, send)
            # A stream that waits for hours would keep what its frames refer to.
            del scope
            await answer

        application.consumer_class = cls  # type: ignore[attr-defined]
        return application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, unless its client leaves before."""
        database.shared.set(True)
        try:
            body = await read_body(receive)
        except Gone:
            return
        respond = partial(self._respond, scope, body)
        work = asyncio.ensure_future(self._answer(respond, send))
        del scope, body, respond
        gone = asyncio.ensure_future(until_gone(receive))
        gone.add_done_callback(lambda task: work.cancel())
        try:
            await work
        except asyncio.CancelledError:
            if not gone.done():
                raise  # The server has cancelled this.
        finally:
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def _answer(self, respond: Handler, send: Send) -> None:
        """Respond, and end the response whatever happens.

        If an exception escaped here after the headers, it would stop the loop in which
        Daphne supervises all of its requests.
        """
        response = respond()
        del respond
        try:
            try:
                await self._send(await response, send)
            except Gone:
                raise
            except Exception as exception:
                logger.exception("A response is broken off")
                if self._started:
                    await emit(send, {"type": "http.response.body", "body": b""})
                else:
                    await self._send(errors.from_exception(exception), send)
        except Gone:
            logger.info("A client has left", exc_info=True)

    async def _respond(self, scope: Message, body: bytes | None) -> HttpResponseBase:
        try:
            request = make_request(scope, body or b"")
        except (ValueError, UnicodeError):
            return errors.error(400, "bad_request", _("The request is malformed."))
        arguments = scope.get("url_route", {}).get("kwargs", {})

        async def answer(request: Any) -> HttpResponseBase:
            if body is None:
                message = _("The request is too large.")
                refusal = errors.error(413, "too_large", message)
                return errors.shown(request, refusal)
            try:
                response = await self._handler(request, **arguments)
                await keep_session(request, response)
            except Exception as exception:
                return errors.shown(request, errors.from_exception(exception))
            return response

        try:
            response = redirect_of(request) or await origins.shared(request, answer)
        except SuspiciousOperation as refusal:
            response = errors.from_exception(refusal)
        hardened(request, response)
        if response.status_code >= 400:
            # As Django's handler does.
            reason = response.reason_phrase
            log_response(
                "%s: %s",
                reason,
                request.path,
                response=cast(HttpResponse, response),
                request=request,
            )
        return response

    async def _send(self, response: HttpResponseBase, send: Send) -> None:
        events = getattr(response, "events", None)
        try:
            content = b""
            if events is None:
                content = response.content  # type: ignore[attr-defined]
                response["Content-Length"] = str(len(content))
            start = {"type": "http.response.start", "status": response.status_code}
            self._started = True
            await emit(send, start | {"headers": header_pairs(response)})
            if events is None:
                return await emit(send, {"type": "http.response.body", "body": content})
            del response
            async for chunk in events:
                message = {"type": "http.response.body", "body": chunk}
                await emit(send, message | {"more_body": True})
                # Otherwise each silent stream would keep its last chunk.
                del chunk, message
            await emit(send, {"type": "http.response.body", "body": b""})
        finally:
            if events is not None:
                await events.aclose()


async def emit(send: Send, message: Message) -> None:
    """Send a message.

    Raises:
        Gone: If the server does not take it, because the connection has ended.
    """
    try:
        await send(message)
    except Exception as error:
        raise Gone from error


async def read_body(receive: Receive) -> bytes | None:
    """Return the body of a request, ``None`` if it is too large.

    Raises:
        Gone: If the client leaves before it is complete.
    """
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > settings.MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


async def until_gone(receive: Receive) -> None:
    """Wait until the client leaves, and drop whatever else it sends."""
    while not (await receive())["type"].endswith(".disconnect"):
        pass
