"""ChatKit's two converters, for images that live in the project's storage."""

from __future__ import annotations

from .responses import DjangoResponseStreamConverter
from .thread_items import DjangoThreadItemConverter

__all__ = ["DjangoResponseStreamConverter", "DjangoThreadItemConverter"]
