"""What every ``chatkit.store.Store`` must do, as tests to subclass.

It needs pytest and pytest-asyncio, but no Django. ``storages`` beside it has what a
Django storage must do::

    from chatkit_images.testing.contracts import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self): ...
        @pytest.fixture
        def context(self): ...
        @pytest.fixture
        def other_context(self): ...
"""

from __future__ import annotations

import pytest

# This comes before their import, so that a failure shows the values that differ.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{name}"
        for name in (
            "calls",
            "concurrency",
            "items",
            "pages",
            "storages",
            "threads",
            "uploads",
        )
    )
)

from .calls import CallsContract, OwnersContract  # noqa: E402
from .concurrency import ConcurrencyContract  # noqa: E402
from .items import ItemsContract  # noqa: E402
from .pages import PagesContract  # noqa: E402
from .samples import (  # noqa: E402
    SECOND,
    T0,
    make_attachment,
    make_attachments,
    make_message,
    make_thread,
    sample_items,
)
from .threads import ThreadsContract  # noqa: E402
from .uploads import AttachmentStoreContract  # noqa: E402

__all__ = [
    "SECOND",
    "T0",
    "AttachmentStoreContract",
    "StoreContract",
    "make_attachment",
    "make_attachments",
    "make_message",
    "make_thread",
    "sample_items",
]


class StoreContract(
    CallsContract,
    OwnersContract,
    ThreadsContract,
    ItemsContract,
    PagesContract,
    ConcurrencyContract,
):
    """The contract of ``chatkit.store.Store``.

    A subclass gives the fixtures ``store`` (empty), ``context`` and
    ``other_context``, of two owners. It may override ``make_image`` and
    ``concurrently``.
    """
