"""What an agent's tools say about the images to come."""

from __future__ import annotations

from typing import Any

from agents import Agent, ImageGenerationTool
from openai.types.responses import Response


def expected_previews(agent: Agent[Any]) -> int | None:
    """Return how many partial images an agent's image tool requests, if it says so."""
    for tool in agent.tools:
        if isinstance(tool, ImageGenerationTool):
            count = tool.tool_config.get("partial_images")
            return int(count) if count else None
    return None


def expected_previews_of(response: Response) -> int | None:
    """Return how many partial images a response was asked for, if it repeats that.

    After a handoff the tools are another agent's.
    """
    for tool in response.tools or ():  # Some providers leave them out.
        if tool.type == "image_generation":
            count = getattr(tool, "partial_images", None)
            return count if type(count) is int and count > 0 else None
    return None
