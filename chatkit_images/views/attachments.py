"""Uploads: in one step with a login, to the signed URL of an announced file, or past
the app to the storage, which then has to be finished.
"""

from __future__ import annotations

from functools import partial
from typing import IO, cast

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from chatkit.server import ChatKitServer
from chatkit.types import Attachment
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from .. import storage, visitors
from ..attachment_store import DjangoAttachmentStore, having_room
from ..cleaning import clean_name
from ..conf import settings
from ..context import RequestContext
from ..contexts import carried, task_of
from ..exceptions import RequestRefused
from ..protocol import encoding
from ..queries import preflight
from ..queries.limits import look_upload
from ..server import get_server
from . import errors, signed_urls
from .admission import JsonView, admit, respond
from .files import CROSS_ORIGIN_HEADERS

# Room for the multipart headers around a file of the largest size.
OVERHEAD = 64 * 1024


class UploadView(JsonView):
    """ChatKit's ``direct`` strategy: a multipart field ``file``."""

    async def post(self, request: HttpRequest) -> HttpResponseBase:
        """Store the file and return its attachment."""
        try:
            check_length(request)
            # Its connection stays open for what comes next; Django closes it.
            context = await sync_to_async(admit)(request)
            if isinstance(context, HttpResponseBase):
                return context
            async with task_of(context):
                response = await receive(request, context)
                visitors.begin(request.session, context.owner)
                return response
        except Exception as exception:
            return errors.from_exception(exception)


class FinishUploadView(JsonView):
    """Looks at what a client has written to the storage itself."""

    async def post(self, request: HttpRequest, attachment_id: str) -> HttpResponseBase:
        """Return the attachment, or why its file is not accepted."""
        return await respond(request, self.answer, attachment_id)

    async def answer(
        self, context: RequestContext, attachment_id: str
    ) -> HttpResponseBase:
        """Finish the upload of the owner's attachment."""
        preflight.check_ids([attachment_id])
        store = attachment_store(get_server())
        return told(await store.finish(attachment_id, context))


class AnnouncedUploadView(JsonView):
    """ChatKit's ``two_phase`` strategy: multipart or the bare bytes.

    The signed URL is the authority: the upload may come from a frame of another
    site, without a cookie.
    """

    async def post(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """Store the bytes of an announced file and return its attachment."""
        try:
            check_length(request)
            find = database_sync_to_async(signed_urls.attachment_of)
            row, _, context, _ = await find(request, token, "upload")
            async with task_of(context):
                response = await receive(request, context, row.pk)
        except Exception as exception:
            response = errors.from_exception(exception)
        return _with_cors(response)

    async def put(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """Do the same for a client that sends a PUT."""
        return await self.post(request, token)

    async def options(  # type: ignore[override]
        self, request: HttpRequest, token: str
    ) -> HttpResponseBase:
        """Answer the preflight request of a browser on another site."""
        response = HttpResponse(status=204)
        response["Access-Control-Allow-Methods"] = "POST, PUT, OPTIONS"
        response["Access-Control-Allow-Headers"] = "Content-Type"
        return _with_cors(response)


async def receive(
    request: HttpRequest, context: RequestContext, key: str | None = None
) -> HttpResponse:
    """Store the file of a request through the server's attachment store."""
    store = attachment_store(get_server())
    with having_room(context, declared_length(request), only_look=True):
        # Whoever finds no room, or has sent too many, is told so before the form is
        # read.
        limits = await store.limits_of(context)
        look = carried(partial(look_upload, context, limits), context)
        await sync_to_async(look)()
        file = await read_file(request)
    attachment = await store.upload(file, context, key)
    return told(attachment)


def told(attachment: Attachment) -> HttpResponse:
    """Return an attachment in JSON."""
    return HttpResponse(encoding.dump(attachment), content_type="application/json")


def attachment_store(
    server: ChatKitServer[RequestContext],
) -> DjangoAttachmentStore:
    """Return the server's attachment store, if it is this app's."""
    store = server.attachment_store
    if not isinstance(store, DjangoAttachmentStore):
        raise NotImplementedError(
            f"{type(server).__name__} has an attachment store of its own, which "
            "must take its uploads itself."
        )
    return store


async def read_file(request: HttpRequest) -> UploadedFile[bytes]:
    """Return the file of a request.

    Raises:
        RequestRefused: If it has no file, or one that is too large.
    """
    if request.content_type == "multipart/form-data":
        files = await storage.call("forms", lambda: request.FILES)
        file = files.get("file")
        if file is None:
            raise RequestRefused(
                "no_file", _("Send the file in the field “file”."), status=400
            )
        return file
    name = clean_name(request.headers.get("X-File-Name", ""))
    kind, length = request.content_type or "", declared_length(request)
    if length:
        # It is read when it is its turn.
        return UploadedFile(cast("IO[bytes]", request), name, kind, length)
    most = settings.MAX_ATTACHMENT_BYTES + 1
    data = await storage.call("forms", request.read, most)
    return SimpleUploadedFile(name, data, kind)


def declared_length(request: HttpRequest) -> int:
    """Return how many bytes a request says to have, 0 if it does not say."""
    length = request.headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def check_length(request: HttpRequest) -> None:
    """Refuse a body before it is parsed if its declared length is too large."""
    if declared_length(request) > settings.MAX_ATTACHMENT_BYTES + OVERHEAD:
        raise RequestRefused("too_large", _("The file is too large."), status=413)


def _with_cors(response: HttpResponse) -> HttpResponse:
    for header, value in CROSS_ORIGIN_HEADERS.items():
        response[header] = value
    return response
