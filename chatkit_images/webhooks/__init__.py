"""Posts to the webhook of the project, signed as Standard Webhooks says.

They are made in a thread of their own, so many at once. Nobody waits for them.
"""

from __future__ import annotations

from .poster import Post, drain, posting, put, room
from .sending import Answer, send
from .signing import headers_of, key_of

__all__ = [
    "Answer",
    "Post",
    "drain",
    "headers_of",
    "key_of",
    "posting",
    "put",
    "room",
    "send",
]
