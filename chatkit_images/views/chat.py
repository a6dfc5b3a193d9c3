"""The chat endpoint: every request of ChatKit.js."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from chatkit import types
from chatkit.server import ChatKitServer, NonStreamingResult
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from .. import database, runs, visitors
from ..attachment_store import DjangoAttachmentStore
from ..conf import Limits, settings
from ..context import RequestContext
from ..exceptions import RequestRefused, UnexpectedResult
from ..protocol import REQUEST, ProtocolServer
from ..protocol.limits import limits_for
from ..queries import limits, sizes
from ..server import get_server
from . import errors
from .admission import JsonView, respond
from .streams import check_streams, last_seen, stream_response, wants_resume

# What changes nothing may have any key.
READS = (
    types.ThreadsGetByIdReq,
    types.ThreadsListReq,
    types.ItemsListReq,
    types.InputTranscribeReq,
)

# What a visitor may begin with; all else is about something that they have.
BEGINS = (
    types.ThreadsCreateReq,
    types.AttachmentsCreateReq,
    types.InputTranscribeReq,
)


class ChatKitView(JsonView):
    """Answers ChatKit.js, with JSON or with a stream.

    Errors before the stream are JSON with a status; after its first event they
    are an ``error`` event, and the stream ends.
    """

    async def post(self, request: HttpRequest) -> HttpResponseBase:
        """Handle one request."""
        try:
            body = read_body(request)
        except Exception as exception:
            return errors.from_exception(exception)
        return await respond(request, self.answer, request, body)

    async def answer(
        self, context: RequestContext, request: HttpRequest, body: bytes
    ) -> HttpResponseBase:
        """Return the response to a request body."""
        # Django keeps a request for as long as its stream lasts.
        vars(request).pop("_body", None)
        # ``process`` gets the body as it came, because a project may override it.
        sizes.check_body(body)
        parsed = REQUEST.validate_json(body)
        if types.is_streaming_req(parsed):
            response = await self.stream(context, request, parsed, body)
        else:
            response = await self.json(context, request, parsed, body)
        if isinstance(parsed, BEGINS):
            visitors.begin(request.session, context.owner)
        return response

    async def json(
        self,
        context: RequestContext,
        request: HttpRequest,
        parsed: types.NonStreamingReq,
        body: bytes,
    ) -> HttpResponseBase:
        """Return the answer to a request that has no stream."""
        server = get_server()
        key = idempotency_key(request)
        if key is not None and not isinstance(parsed, READS):
            # It begins no run, so the key of a run is not its own.
            await database.call(runs.check_repetition, parsed, context, key)
        if isinstance(server, ProtocolServer):
            await server.check_request(parsed, context)
        if not isinstance(parsed, READS):
            await database.call(runs.check_changeable, parsed, context)
        if (count := counting(server, parsed)) is not None:
            await database.call(count, context, await limits_for(server, context))
        result = await server.process(body, context)
        if not isinstance(result, NonStreamingResult):
            raise UnexpectedResult(server, parsed.type, NonStreamingResult, result)
        response = HttpResponse(result.json, content_type="application/json")
        response["Cache-Control"] = "no-store"
        return response

    async def stream(
        self,
        context: RequestContext,
        request: HttpRequest,
        parsed: types.StreamingReq,
        body: bytes,
    ) -> HttpResponseBase:
        """Start a run, or join the one that answers the same request already.

        A client that repeats its request with ``Last-Event-ID`` gets what follows.
        """
        check_server_of(request)
        patient, idle = wants_resume(request), settings.HEARTBEAT_SECONDS
        key, after = idempotency_key(request), last_seen(request)
        server = get_server()
        try:
            if after and key is None:
                check = partial(runs.check_repetition, seen=True)
                await database.call(check, parsed, context, key)
            run = await self.start(server, parsed, body, context, key)
        except runs.Repeated as repeated:
            await check_streams(context)
            before = repeated.run
            events = runs.follow(before, context, after, patient=patient, idle=idle)
            return await stream_response(before.pk, events, patient)
        events = run.events(patient=patient, idle=idle)
        return await stream_response(run.id, events, patient)

    async def start(
        self,
        server: ChatKitServer[RequestContext],
        parsed: types.StreamingReq,
        body: bytes,
        context: RequestContext,
        key: str | None,
    ) -> runs.LiveRun:
        """Start a run.

        Raises:
            Repeated: If a run answers the same request already, even if the request
                would be refused by now.
            Exception: Why the request cannot be answered.
        """
        try:
            if isinstance(server, ProtocolServer):
                # The request has already waited for its admission.
                with database.ahead():
                    await server.check_request(parsed, context)
            return await runs.start(server, parsed, body, context, key)
        except runs.Repeated:
            raise
        except Exception:
            if key is not None or hasattr(parsed.params, "thread_id"):
                await database.call(runs.check_repetition, parsed, context, key)
            raise


def counting(
    server: ChatKitServer[RequestContext], request: types.NonStreamingReq
) -> Callable[[RequestContext, Limits], None] | None:
    """Return what counts a request that no other code does, if it counts."""
    if isinstance(request, types.InputTranscribeReq):
        return limits.count_dictation
    own = isinstance(server.attachment_store, DjangoAttachmentStore)
    if isinstance(request, types.AttachmentsCreateReq) and not own:
        return limits.count_foreign
    return None


def check_server_of(request: HttpRequest) -> None:
    """Check that this process has an event loop that outlives the request.

    A run ends with its loop, and under WSGI Django makes a loop for each request. What
    a test makes, or a test client, names no server.

    Raises:
        ImproperlyConfigured: If the request came by WSGI.
    """
    if isinstance(request, WSGIRequest) and "SERVER_SOFTWARE" in request.environ:
        raise ImproperlyConfigured(
            "The project is served by WSGI, and a chat needs ASGI."
        )


def idempotency_key(request: HttpRequest) -> str | None:
    """Return the key under which a client may send the same request again.

    Raises:
        RequestRefused: If it is too long.
    """
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > 255 or not key.isprintable():
        raise RequestRefused(
            "bad_idempotency_key",
            _("An idempotency key has at most 255 printable characters."),
            status=400,
        )
    return key or None


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
    # A project's context may read it again, whatever DATA_UPLOAD_MAX_MEMORY_SIZE is.
    request._body = body
    return body
