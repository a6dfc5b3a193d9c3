"""ChatKit's two converters, for pictures that live in the project's storage."""

from __future__ import annotations

from .responses import DjangoResponseStreamConverter
from .thread_items import DjangoThreadItemConverter

__all__ = ["DjangoResponseStreamConverter", "DjangoThreadItemConverter"]
