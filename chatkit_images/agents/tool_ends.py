"""The results of tools as each of them ends.

If a model calls several tools at once, the Agents SDK tells of their results when the
last one has ended, and of none if the run is cancelled before. It has no public way to
them that tells a run from those that are nested in it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from agents import RunContextWrapper, RunItem
from agents.run_internal import tool_planning

# The module exports it to nobody.
_planning: Any = tool_planning
_ended: WeakKeyDictionary[RunContextWrapper[Any], list[RunItem]] = WeakKeyDictionary()


def watch(context: RunContextWrapper[Any] | None) -> list[RunItem]:
    """Return a list to which the results of a run's tools come as each one ends.

    Args:
        context: The context of the run, not that of a tool.
    """
    return _ended.setdefault(context, []) if context is not None else []


def install() -> None:
    """Have the SDK tell of each tool that has ended."""
    execute = _planning.execute_function_tool_calls

    @wraps(execute)
    async def execute_function_tool_calls(
        *,
        context_wrapper: RunContextWrapper[Any],
        tool_output_committer: Callable[[RunItem], None] | None = None,
        **others: Any,
    ) -> Any:
        ended = _ended.get(context_wrapper)

        def commit(item: RunItem) -> None:
            if ended is not None:
                ended.append(item)
            if tool_output_committer is not None:
                tool_output_committer(item)

        return await execute(
            context_wrapper=context_wrapper, tool_output_committer=commit, **others
        )

    _planning.execute_function_tool_calls = execute_function_tool_calls


install()
