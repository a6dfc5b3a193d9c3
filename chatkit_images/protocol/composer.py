"""What the composer of ChatKit.js may send, as its own options say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from mimetypes import MimeTypes
from typing import Any

from chatkit.server import ChatKitServer

from ..awaiting import awaited
from ..conf import Limits, settings
from ..context import RequestContext
from ..imaging import EXTENSIONS
from ..queries.preflight import MAX_ATTACHMENTS
from .choices import ChoiceMixin, Option
from .limits import limits_for

# ChatKit.js wants an icon for each tool.
ICON = "settings-slider"


async def composer_options(
    server: ChatKitServer[RequestContext], context: RequestContext
) -> dict[str, Any]:
    """Return ChatKit.js's ``composer``: files, models and tools as the server has them.

    Args:
        server: The project's server, of whatever class.
        context: Who asks.
    """
    limits = await limits_for(server, context)
    options: dict[str, Any] = {"attachments": attachment_options(server, limits)}
    if isinstance(server, ChoiceMixin):
        models = await awaited(server.get_models(context))
        if models is not None:
            options["models"] = [_labelled(each) for each in models]
        tools = await awaited(server.get_tools(context))
        if tools is not None:
            options["tools"] = [{"icon": ICON, **_labelled(each)} for each in tools]
    return options


def attachment_options(
    server: ChatKitServer[RequestContext], limits: Limits
) -> dict[str, Any]:
    """Return ChatKit.js's ``composer.attachments``."""
    if server.attachment_store is None or not settings.ATTACHMENT_TYPES:
        return {"enabled": False}
    sizes = (settings.MAX_ATTACHMENT_BYTES, limits.get("BYTES_STORED"))
    parts = limits.get("MESSAGE_PARTS")
    counts = (
        MAX_ATTACHMENTS,
        limits.get("ATTACHMENTS_WAITING"),
        # One part is the text.
        None if parts is None else parts - 1,
    )
    return {
        "enabled": True,
        "maxSize": _least(sizes),
        "maxCount": _least(counts),
        "accept": {mime: extensions(mime) for mime in settings.ATTACHMENT_TYPES},
    }


@cache
def extensions(mime: str) -> list[str]:
    """Return the endings of a type's names, each with its dot."""
    first = [f".{EXTENSIONS[mime]}"] if mime in EXTENSIONS else []
    # Python's own table: what the files of a host say differs from host to host.
    return list(dict.fromkeys(first + MimeTypes().guess_all_extensions(mime)))


def _labelled(option: Option) -> dict[str, Any]:
    """Return an option as ChatKit.js wants it; an id alone is its own label."""
    return (
        dict(option) if isinstance(option, Mapping) else {"id": option, "label": option}
    )


def _least(limits: Iterable[int | None]) -> int:
    return max(0, min(each for each in limits if each is not None))
