"""The agents that an answer may come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agents import Agent, FunctionTool, Handoff

from ..agents import recall_image


def agents_within(agent: Agent[Any]) -> Iterator[Agent[Any]]:
    """Yield an agent and those that it may hand over to or use as tools, each once."""
    yield from _within(agent, [])


def may_recall(agent: Agent[Any]) -> bool:
    """Whether one of the agents can look at earlier images again."""
    tools = (tool for each in agents_within(agent) for tool in each.tools)
    return any(tool.name == recall_image.name for tool in tools)


def _within(agent: Any, seen: list[Any]) -> Iterator[Agent[Any]]:
    if agent is None or any(agent is each for each in seen):
        return
    seen.append(agent)
    yield agent
    for handoff in agent.handoffs:
        if isinstance(handoff, Handoff):
            reference = handoff._agent_ref
            handoff = reference() if reference is not None else None
        yield from _within(handoff, seen)
    for tool in agent.tools:
        if isinstance(tool, FunctionTool):
            yield from _within(tool._agent_instance, seen)
