"""What an item says, in words, whatever is in its payload."""

from __future__ import annotations

import json
import re
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..queries import references

NAMES = {
    "user_message": gettext_lazy("You"),
    "assistant_message": gettext_lazy("Assistant"),
    "generated_image": gettext_lazy("Image"),
    "client_tool_call": gettext_lazy("Tool"),
    "structured_input": gettext_lazy("Questions"),
    "widget": gettext_lazy("Widget"),
    "workflow": gettext_lazy("Steps"),
    "task": gettext_lazy("Step"),
    "end_of_turn": gettext_lazy("End of turn"),
}
SPOKEN = ("user_message", "assistant_message", "generated_image")
# An image or a link of Markdown, of which the words that stand for it are enough.
MARKDOWN = re.compile(
    r"!?\[[^\[\]]{0,1000}\]\((chatkit-(?:image|attachment):[\w~-]{1,64})\)"
)
# Characters of what is shown as data; the whole of it is in the lines.
MOST_DATA = 20_000


def name_of(item_type: str) -> str:
    """Return what a kind of item is called."""
    return str(NAMES.get(item_type, item_type))


def words_of(payload: Any) -> str:
    """Return the words of a message, with words in the place of references."""
    return _readable("\n".join(_texts(payload)))


def quoted_in(payload: Any) -> str:
    """Return what a message quotes."""
    quoted = payload.get("quoted_text") if isinstance(payload, dict) else None
    return _readable(quoted) if isinstance(quoted, str) else ""


def data_of(payload: Any) -> str:
    """Return what an item holds that is no message, as text."""
    text = json.dumps(payload, ensure_ascii=False, indent=2)
    if len(text) > MOST_DATA:
        text = text[:MOST_DATA] + " …"
    return _readable(text)


def attachments_in(payload: Any) -> list[str]:
    """Return the ids of a message's attachments."""
    keys = payload.get("attachments") if isinstance(payload, dict) else None
    return [str(key) for key in keys] if isinstance(keys, list) else []


def image_in(payload: Any) -> str:
    """Return the key of the image of an item in hexadecimal, empty if it has none."""
    said = payload.get("image") if isinstance(payload, dict) else None
    key = said.get("key") if isinstance(said, dict) else None
    return key if isinstance(key, str) else ""


def references_in(payload: Any) -> tuple[list[str], list[str]]:
    """Return what the words of a message refer to, each once.

    Returns:
        The keys of images in hexadecimal, and the ids of attachments.
    """
    words = "\n".join(_texts(payload))
    images = (key.replace("-", "") for key in references.REFERENCE.findall(words))
    files = references.FILE_REFERENCE.findall(words)
    return list(dict.fromkeys(images)), list(dict.fromkeys(files))


def _texts(payload: Any) -> list[str]:
    content = payload.get("content") if isinstance(payload, dict) else None
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return [text for text in texts if isinstance(text, str)]


def _readable(text: str) -> str:
    text = MARKDOWN.sub(r"\1", text)
    return references.readable(text, _("[image]"), _("[file]"))
