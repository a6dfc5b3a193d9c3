"""The ChatKit server of a project that has neighbours."""

from __future__ import annotations

from typing import Any

from agents import Agent
from chatkit import types
from neighbours_server import MODELS
from stream_apps import agent
from variants import AppServer

from chatkit_images.context import RequestContext


class NeighbourServer(AppServer):
    """Answers with what the first word of a message names: an image, or silence.

    All else is answered with a line of text.
    """

    def __init__(self) -> None:
        super().__init__(agent("line"))

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any]:
        """Return the agent that the message asks for."""
        content = context.message.content if context.message else []
        word = content[0].text.partition(" ")[0] if content else ""
        return agent(MODELS.get(word, "line"))
