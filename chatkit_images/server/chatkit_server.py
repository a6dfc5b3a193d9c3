"""``DjangoChatKitServer``: all parts of a project's server together."""

from __future__ import annotations

from functools import partial

from chatkit import types
from chatkit.store import AttachmentStore

from .. import database
from ..agents import asking_provider
from ..attachment_store import DjangoAttachmentStore
from ..awaiting import awaited
from ..conf import settings
from ..context import RequestContext
from ..protocol.limits import limits_for
from ..queries import feedback as feedback_rows
from ..store import DjangoStore
from .answering import AnsweringMixin
from .cut_offs import CutOffMixin
from .retention import RetentionMixin


class DjangoChatKitServer(AnsweringMixin, CutOffMixin, RetentionMixin):
    """A ``ChatKitServer`` wired to the project's database and storage.

    A project writes ``get_agent``. It may override every other method of ``hooks``,
    ``check_request``, ``get_models``, ``get_tools``, ``get_limits`` and
    ``get_retention``, and ``respond`` for a server that does not use the Agents SDK.
    """

    def __init__(
        self,
        store: DjangoStore | None = None,
        attachment_store: AttachmentStore[RequestContext] | None = None,
    ) -> None:
        if store is not None and not isinstance(store, DjangoStore):
            raise TypeError(
                f"The store of {type(self).__name__} must be a DjangoStore, got "
                f"{type(store).__name__}. With a store of your own, derive your server "
                "from chatkit.server.ChatKitServer and mount it at a view of your own."
            )
        super().__init__(
            store or DjangoStore(), attachment_store or DjangoAttachmentStore()
        )
        if isinstance(self.attachment_store, DjangoAttachmentStore):
            self.attachment_store.limits_of = partial(limits_for, self)

    async def add_feedback(
        self,
        thread_id: str,
        item_ids: list[str],
        feedback: types.FeedbackKind,
        context: RequestContext,
    ) -> None:
        """Save a thumb up or down for each item, for all of them or for none."""
        await database.call(feedback_rows.save, thread_id, item_ids, feedback, context)

    async def transcribe(
        self, audio_input: types.AudioInput, context: RequestContext
    ) -> types.TranscriptionResult:
        """Turn dictation into text with ``TRANSCRIPTION_MODEL``."""
        extension = audio_input.media_type.rpartition("/")[2] or "webm"
        client = await awaited(self.get_openai_client())
        url, model = str(client.base_url), settings.TRANSCRIPTION_MODEL
        with asking_provider(url, context, model=model):
            result = await client.audio.transcriptions.create(
                model=model,
                file=(f"audio.{extension}", audio_input.data, audio_input.media_type),
            )
        return types.TranscriptionResult(text=result.text)
