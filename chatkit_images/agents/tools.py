"""What an agent's tools say about the images to come."""

from __future__ import annotations

from typing import Any

from agents import Agent, ImageGenerationTool


def expected_previews(agent: Agent[Any]) -> int | None:
    """Return how many partial images an agent's image tool requests, if it says so."""
    for tool in agent.tools:
        if isinstance(tool, ImageGenerationTool):
            count = tool.tool_config.get("partial_images")
            return int(count) if count else None
    return None
