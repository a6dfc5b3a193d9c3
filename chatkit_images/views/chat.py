"""The chat endpoint: every request of ChatKit.js, and the person's stop."""

from __future__ import annotations

from channels.db import database_sync_to_async
from chatkit import types
from chatkit.server import NonStreamingResult
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from pydantic import TypeAdapter

from .. import runs, sse
from ..conf import settings
from ..context import RequestContext
from ..exceptions import RequestRefused
from ..protocol import ProtocolServer
from ..rows import preflight, threads
from ..server import get_server
from . import errors
from .doors import JsonView, admit

REQUEST: TypeAdapter[types.ChatKitReq] = TypeAdapter(types.ChatKitReq)


# admit() checks CSRF, with a refusal that a program can read.
@method_decorator(csrf_exempt, name="dispatch")
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class ChatKitView(JsonView):
    """Answers ChatKit.js, with JSON or with a stream.

    Errors before the stream are JSON with a status; after its first event they
    are an ``error`` event, and the stream ends.
    """

    async def post(self, request: HttpRequest) -> HttpResponseBase:
        """Handle one request."""
        try:
            body = read_body(request)
            context = await database_sync_to_async(admit)(request)
            if isinstance(context, HttpResponseBase):
                return context
            return await self.answer(body, context)
        except Exception as exception:
            return errors.from_exception(exception)

    async def answer(self, body: bytes, context: RequestContext) -> HttpResponseBase:
        """Return the response to a request body."""
        parsed = REQUEST.validate_json(body)
        server = get_server()
        if isinstance(server, ProtocolServer):
            await server.check_request(parsed, context)
        if types.is_streaming_req(parsed):
            run = await runs.start(server, parsed, body, context)
            return await stream_response(run)
        result = await server.process(body, context)
        assert isinstance(result, NonStreamingResult)
        response = HttpResponse(result.json, content_type="application/json")
        response["Cache-Control"] = "no-store"
        return response


@method_decorator(csrf_exempt, name="dispatch")
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class StopView(JsonView):
    """Ends the answer that is being written in a thread."""

    async def post(self, request: HttpRequest, thread_id: str) -> HttpResponseBase:
        """Stop the run; the stream then ends by itself."""
        try:
            context = await database_sync_to_async(admit)(request)
            if isinstance(context, HttpResponseBase):
                return context
            preflight.check_ids([thread_id])
            await database_sync_to_async(threads.get)(thread_id, context)
        except Exception as exception:
            return errors.from_exception(exception)
        return JsonResponse({"stopped": runs.stop(thread_id, context.owner)})


async def stream_response(run: runs.LiveRun) -> HttpResponseBase:
    """Return the stream of a run, its first event being there already.

    What fails before that still gets a status.
    """
    events = run.events()
    try:
        first = await anext(events, None)
    except BaseException:
        await events.aclose()
        raise

    async def body() -> sse.Chunks:
        if first is not None:
            yield first
        async for chunk in sse.with_heartbeats(events, settings.HEARTBEAT_SECONDS):
            yield chunk

    return StreamingHttpResponse(body(), headers=sse.HEADERS)


def read_body(request: HttpRequest) -> bytes:
    """Return the body of a JSON request.

    Raises:
        RequestRefused: If it is not JSON by its type, or too large.
    """
    if request.content_type != "application/json":
        raise RequestRefused(
            "unsupported_media_type", _("Send application/json."), status=415
        )
    limit = settings.MAX_BODY_BYTES
    body = request.read(limit + 1)
    if len(body) > limit:
        raise RequestRefused("too_large", _("The request is too large."), status=413)
    return body
