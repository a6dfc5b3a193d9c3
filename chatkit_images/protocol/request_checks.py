"""Requests that are refused before anything is written."""

from __future__ import annotations

from chatkit import types

from .. import database
from ..attachment_store import DjangoAttachmentStore
from ..context import RequestContext
from ..queries import preflight, sizes
from .choices import ChoiceMixin
from .entities import EntityMixin
from .limits import LimitMixin


class RequestCheckMixin(ChoiceMixin, LimitMixin, EntityMixin):
    """Checks a request before it writes, and answers where nothing may be generated."""

    async def check_request(
        self, request: types.ChatKitReq, context: RequestContext
    ) -> None:
        """Refuse a request before anything is written. Override it to refuse more.

        Raises:
            NotFoundError: If the request names something that its sender does not have.
            RequestRefused: If a thread, an item or a file is not in a state for it, if
                it is larger than anybody needs, or if it chooses a model or a tool that
                ``get_models()`` or ``get_tools()`` does not offer.
        """
        sizes.check(request)
        if preflight.needs_database(request):
            written = await database.call(preflight.check, request, context)
            await self._finish_uploads(written, context)
        else:
            preflight.check(request, context)
        await self.chosen(request, context)

    async def _finish_uploads(self, ids: list[str], context: RequestContext) -> None:
        """Look at files that went past the app, if their client has not asked for it.

        Raises:
            RequestRefused: If one of them is not accepted.
        """
        store = self.attachment_store
        if isinstance(store, DjangoAttachmentStore):
            for key in ids:
                await store.finish(key, context)

    async def refusal(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> types.AssistantMessageItem | None:
        """Return the answer that replaces the model's if nothing may be generated."""
        return None
