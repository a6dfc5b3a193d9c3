"""What a client may ask and see: the requests of ChatKit, and the bytes that leave."""

from __future__ import annotations

from .dispatch import REQUEST, ProtocolServer

__all__ = ["REQUEST", "ProtocolServer"]
