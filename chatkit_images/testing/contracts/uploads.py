"""Attachment stores."""

from __future__ import annotations

from typing import Any

import pytest
from chatkit import types
from chatkit.store import AttachmentStore, NotFoundError, Store

from .base import ID


@pytest.mark.asyncio
class AttachmentStoreContract:
    """The contract of ``chatkit.store.AttachmentStore`` for two-phase uploads.

    A subclass gives the fixtures ``attachment_store``, ``store`` (which holds the
    metadata), ``context`` and ``other_context``.
    """

    PARAMS = types.AttachmentCreateParams(
        name="notes.txt", size=5, mime_type="text/plain"
    )

    async def test_ids_are_random_and_of_128_bits(
        self, attachment_store: AttachmentStore[Any], context: Any
    ) -> None:
        ids = {
            attachment_store.generate_attachment_id("image/png", context)
            for _ in range(1000)
        }
        assert len(ids) == 1000
        assert [key for key in ids if not ID.fullmatch(key)] == []

    async def test_an_announced_file_says_where_its_bytes_go(
        self, attachment_store: AttachmentStore[Any], store: Store[Any], context: Any
    ) -> None:
        made = await attachment_store.create_attachment(self.PARAMS, context)
        assert (made.name, made.mime_type) == ("notes.txt", "text/plain")
        assert made.upload_descriptor is not None
        assert made.upload_descriptor.url.scheme in ("http", "https")
        # The SDK saves it next.
        await store.save_attachment(made, context=context)
        loaded = await store.load_attachment(made.id, context)
        assert (loaded.id, loaded.name) == (made.id, "notes.txt")

    async def test_only_the_owner_may_delete(
        self,
        attachment_store: AttachmentStore[Any],
        store: Store[Any],
        context: Any,
        other_context: Any,
    ) -> None:
        made = await attachment_store.create_attachment(self.PARAMS, context)
        await store.save_attachment(made, context=context)
        with pytest.raises(NotFoundError):
            await attachment_store.delete_attachment(made.id, context=other_context)
        with pytest.raises(NotFoundError):
            await attachment_store.delete_attachment("missing", context=context)
        assert (await store.load_attachment(made.id, context)).id == made.id
        await attachment_store.delete_attachment(made.id, context=context)
        await store.delete_attachment(made.id, context=context)
        with pytest.raises(NotFoundError):
            await store.load_attachment(made.id, context)
