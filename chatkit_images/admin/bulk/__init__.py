"""What staff do to many images at once: to a selection, or to all that match."""

from __future__ import annotations

from .actions import BulkActions

__all__ = ["BulkActions"]
