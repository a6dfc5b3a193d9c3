"""What a chat answers its owner, in a form that two versions can be compared by."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

FILE = re.compile(r"http://testserver(/chatkit/(?:images|attachments)/[\w.~-]+/)")
UPLOAD = re.compile(r"http://testserver/chatkit/uploads/[\w.~-]+/")
VARIANTS = ("full", "thumbnail", "partial-0", "partial-1")
# What is said at another time is said the same.
PASSING = {"created_at", "updated_at"}


async def file(client: Any, path: str) -> str:
    """Return status, type and digest of what is at a path."""
    response = await client.get(path)
    digest = hashlib.sha256(response.content).hexdigest()
    return f"{response.status_code} {response['Content-Type']} {digest}"


async def image(client: Any, key: object) -> dict[str, str]:
    """Return what the owner gets of each variant of an image, by its name."""
    return {
        variant: await file(client, f"/chatkit/images/{key}/{variant}/")
        for variant in VARIANTS
    }


async def comparable(client: Any, value: Any) -> Any:
    """Return JSON without times, and with digests of the bytes for URLs of files."""
    text = json.dumps(value)
    for path in set(FILE.findall(text)):
        text = text.replace(f"http://testserver{path}", await file(client, path))
    return _without_times(json.loads(UPLOAD.sub("upload", text)))


def _without_times(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_times(each) for each in value]
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in PASSING}
    return value


async def thread(client: Any, key: str) -> dict[str, Any]:
    """Return a thread with all of its items."""
    found = await client.call("threads.get_by_id", thread_id=key)
    page = await client.call("items.list", thread_id=key, order="asc", limit=100)
    items = page["data"]
    # A version before said nothing of the hosts of images if the project had not.
    if found.get("allowed_image_domains") == ["testserver"]:
        del found["allowed_image_domains"]
    assert not page["has_more"]
    answer: dict[str, Any] = await comparable(client, found | {"items": items})
    return answer


async def threads(client: Any) -> dict[str, Any]:
    """Return every thread of the client's, by id, the oldest first."""
    page = await client.call("threads.list", order="asc", limit=100)
    assert not page["has_more"]
    keys = [found["id"] for found in page["data"]]
    return {key: await thread(client, key) for key in keys}
