"""Images from URLs that a model, a tool or a provider has named.

Whoever names a URL has this server open it, so it must not lead into the project's own
network (server-side request forgery).
"""

from __future__ import annotations

from .fetch import MOST_REDIRECTS, fetch_image

__all__ = ["MOST_REDIRECTS", "fetch_image"]
