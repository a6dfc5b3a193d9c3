"""What only decorates the model's input. If it fails, the turn goes on without it."""

from __future__ import annotations

import logging

from agents import TResponseInputItem
from chatkit import types
from chatkit.agents import ThreadItemConverter
from chatkit.errors import CustomStreamError, StreamError

logger = logging.getLogger(__name__)
# Items that say how an answer was made or shown. What was said is whole without them.
DECORATIONS = (
    types.WorkflowItem,
    types.TaskItem,
    types.WidgetItem,
    types.GeneratedImageItem,
)
# With these a project ends the turn on purpose.
ON_PURPOSE = (CustomStreamError, StreamError, NotImplementedError)


class DecorationConverter(ThreadItemConverter):
    """Leaves out what a project's method cannot convert, if the turn can do without.

    For example, the lookup of a mention may fail. What the person and the model have
    said is never left out.
    """

    async def user_message_to_input(
        self, item: types.UserMessageItem, is_last_message: bool = True
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Return a message; if need be with mentions as text, or without its files."""
        plain = item.model_copy(update={"content": list(map(_as_text, item.content))})
        bare = plain.model_copy(update={"attachments": []})
        for reading in (item, plain):
            try:
                return await super().user_message_to_input(reading, is_last_message)
            except ON_PURPOSE:
                raise
            except Exception:
                logger.warning("A part of %s is left out", item.id, exc_info=True)
        return await super().user_message_to_input(bare, is_last_message)

    async def _thread_item_to_input_item(
        self, item: types.ThreadItem, is_last_message: bool = True
    ) -> list[TResponseInputItem]:
        try:
            return await super()._thread_item_to_input_item(item, is_last_message)
        except ON_PURPOSE:
            raise
        except Exception:
            if not isinstance(item, DECORATIONS):
                raise
            logger.warning("Item %s is left out", item.id, exc_info=True)
            return []


def _as_text(part: types.UserMessageContent) -> types.UserMessageContent:
    if isinstance(part, types.UserMessageTagContent):
        return types.UserMessageTextContent(text=f"@{part.text}")
    return part
