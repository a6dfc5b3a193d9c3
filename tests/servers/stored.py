"""Images whose files another process serves."""

from __future__ import annotations

import hashlib
from typing import Any

from chatkit_images import file_urls, models, storage
from chatkit_images.context import RequestContext


def path_of_image(
    thread: models.Thread, context: RequestContext, data: bytes, ext: str, **more: Any
) -> str:
    """Store a complete image, and return the path of its signed URL."""
    name = storage.new_name("images", ext)
    storage.store(name, data)
    digest = hashlib.sha256(data).hexdigest()
    facts = {"mime": "image/png", "bytes": len(data), "sha256": digest}
    facts |= {"status": "completed", "file": name, "prompt": "a fox"}
    image = models.GeneratedImage.objects.create(thread=thread, **facts | more)
    return file_urls.signed_url(image, context).removeprefix(context.base_url)
