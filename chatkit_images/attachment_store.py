"""The bytes of attachments in the project's storage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from chatkit.store import AttachmentStore
from chatkit.types import (
    Attachment,
    AttachmentCreateParams,
    AttachmentUploadDescriptor,
)
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from pydantic import AnyUrl

from . import database, presigned_uploads, storage
from .conf import Limits, settings
from .context import RequestContext
from .contexts import given_to
from .converters import prepared_forms
from .exceptions import RequestRefused
from .queries import attachments, bucket_files, file_types, uploaded_files, uploads
from .queries import limits as limit_checks
from .store import generate_id


async def limits_by_settings(context: RequestContext) -> Limits:
    """Return what a person may use, as the setting ``LIMITS`` says."""
    return limit_checks.by_settings(context)


class DjangoAttachmentStore(AttachmentStore[RequestContext]):
    """ChatKit's ``AttachmentStore`` on Django's storages.

    A file comes in one step (``upload``) or in two (``create_attachment``, then
    ``upload`` with its id, or ``finish`` if it went past the app). Its type is read
    from its bytes. It counts for the limits before its first byte is stored.

    Attributes:
        limits_of: Returns what a person may use. Default: what the settings say; a
            ``DjangoChatKitServer`` has its ``get_limits()`` asked.
    """

    limits_of: Callable[[RequestContext], Awaitable[Limits]] = staticmethod(
        limits_by_settings
    )

    def generate_attachment_id(self, mime_type: str, context: RequestContext) -> str:
        """Return a new attachment id."""
        return generate_id("attachment")

    async def create_attachment(
        self, input: AttachmentCreateParams, context: RequestContext
    ) -> Attachment:
        """Announce a file and return where its bytes are to be sent.

        With ``ATTACHMENT_UPLOADS`` at ``"storage"`` that is the storage itself.

        Raises:
            ImproperlyConfigured: If ``SERVER`` is not set, or the storage takes no
                uploads of clients.
            RequestRefused: If its size or declared type is not accepted.
        """
        context = self._given(context)
        uploaded_files.check_size(input.size)
        if input.mime_type.partition(";")[0].strip() not in settings.ATTACHMENT_TYPES:
            raise file_types.refused_mime(input.mime_type)
        key = self.generate_attachment_id(input.mime_type, context)
        limits = await self.limits_of(context)
        if settings.ATTACHMENT_UPLOADS == "app":
            row = await database.call(uploads.announce, key, input, context, limits)
            return attachments.to_attachment(row, context)
        signed = await presigned_uploads.sign(input)
        announce = partial(uploads.announce, begun=True, upload=signed.name)
        row = await database.call(announce, key, input, context, limits)
        attachment = attachments.to_attachment(row, context)
        attachment.upload_descriptor = AttachmentUploadDescriptor(
            url=AnyUrl(signed.url), method="PUT", headers=signed.headers
        )
        return attachment

    async def finish(self, attachment_id: str, context: RequestContext) -> Attachment:
        """Look at what a client has written to the storage itself; then it counts.

        A message with the file does the same if nobody has. It may be repeated.

        Raises:
            NotFoundError: If the owner has announced no such file.
            RequestRefused: If its bytes are not there, or not accepted, or not what was
                announced. What is there is deleted then.
            StorageUnavailable: If the storage does not answer.
        """
        context = self._given(context)
        row = await database.call(uploads.begun, attachment_id, context)
        if not row.awaits_upload:
            return attachments.to_attachment(row, context)
        file = bucket_files.WrittenFile.of(row)
        try:
            with having_room(context, file.bytes_to_read):
                stored = await presigned_uploads.look(file)
        except RequestRefused as refused:
            # Somebody else may have finished it, and what was there is gone.
            row = await database.call(attachments.get, row.pk, context)
            if not row.awaits_upload:
                return attachments.to_attachment(row, context)
            if not refused.allow_retry:
                await database.call(uploads.refuse, row.pk, file.name, context)
            raise
        receive = partial(uploads.receive, upload=file.name)
        try:
            row = await database.call(receive, row.pk, stored, context)
        except RequestRefused:
            # Somebody else has just finished it.
            row = await database.call(attachments.get, row.pk, context)
        else:
            prepared_forms.prepare(row)
        return attachments.to_attachment(row, context)

    async def upload(
        self,
        file: UploadedFile[bytes],
        context: RequestContext,
        attachment_id: str | None = None,
    ) -> Attachment:
        """Store a file's bytes and return its attachment.

        Args:
            file: The uploaded file.
            context: Whose file it is.
            attachment_id: Of an announced file; ``None`` makes a new attachment.

        Raises:
            ImproperlyConfigured: If ``SERVER`` is not set.
            NotFoundError: If the owner has announced no such file.
            RequestRefused: If its bytes are not accepted, or are there already, or if
                too many uploads are in the works.
            StorageUnavailable: If neither storage nor spool took them.
        """
        context = self._given(context)
        size = file.size or 0
        uploaded_files.check_size(size)
        with having_room(context, size):
            return await self._upload(file, size, context, attachment_id)

    def _given(self, context: RequestContext) -> RequestContext:
        """Return the context of a new file, if somebody will know of the file later.

        The store of another project knows nothing of its row: its URL would expire, and
        the sweep would delete it as one that nobody has sent.
        """
        if settings.SERVER is None:
            raise ImproperlyConfigured(
                f"{type(self).__name__} needs CHATKIT_IMAGES['SERVER'], the dotted "
                "path of the ChatKitServer whose files these are, with a DjangoStore "
                "as its store. With a store of your own, use an AttachmentStore of "
                "your own."
            )
        return given_to(self, context)

    async def _upload(
        self,
        file: UploadedFile[bytes],
        size: int,
        context: RequestContext,
        attachment_id: str | None,
    ) -> Attachment:
        limits = await self.limits_of(context)
        key = attachment_id or ""
        if attachment_id is not None:
            await database.call(uploads.begin, key, size, context, limits)
        else:
            mime = file.content_type or ""
            key = self.generate_attachment_id(mime, context)
            said = AttachmentCreateParams(
                name=file.name or "file", size=size, mime_type=mime
            )
            await database.call(
                uploads.announce, key, said, context, limits, begun=True
            )
        try:
            arrival = await storage.call("uploads", uploaded_files.take_file, file)
            for write in arrival.writes:
                await write.done()
        except BaseException:
            if attachment_id is None:
                # Also if the client has left.
                await asyncio.shield(database.call(uploads.give_up, key, context))
            raise
        row = await database.call(uploads.receive, key, arrival.stored, context)
        prepared_forms.prepare(row)
        return attachments.to_attachment(row, context)

    async def delete_attachment(
        self, attachment_id: str, context: RequestContext
    ) -> None:
        """Refuse to delete a file that a message shows.

        ChatKit deletes the row next, through its store, and the files go with the row.

        Raises:
            NotFoundError: If the owner has no such attachment.
            RequestRefused: If a message shows it.
        """
        row = await database.call(
            attachments.get, attachment_id, given_to(self, context)
        )
        if row.thread_id is not None:
            raise RequestRefused(
                "attachment_in_use", _("A message shows this file; it stays.")
            )


@contextmanager
def having_room(
    context: RequestContext, size: int, *, only_look: bool = False
) -> Iterator[None]:
    """Have room for an upload within, or look whether there is any.

    Raises:
        RequestRefused: If there is none. Its owner is told when to try again.
    """
    try:
        with ExitStack() as stack:
            if only_look:
                storage.room.look(context.scope, size)
            else:
                stack.enter_context(storage.room.have(context.scope, size))
            yield
    except storage.room.Full as full:
        raise RequestRefused(
            "too_many_uploads",
            _("Too many files are being uploaded. Try again in a moment."),
            status=503 if full.for_all else 429,
            allow_retry=True,
            retry_after=full.retry_after,
        ) from full
