"""The results of tools as each of them ends.

If a model calls several tools at once, the Agents SDK tells of their results when the
last one has ended, and of none if the run is cancelled before. Its hooks would tell
earlier, but belong to whoever starts the run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary, WeakMethod

from agents import RunContextWrapper, RunItem
from agents.run_internal import tool_planning

# The module exports it to nobody.
_planning: Any = tool_planning
Take = Callable[[RunItem], None]
# Weak in both directions: what takes the results has the run, and that its context.
_takers: WeakKeyDictionary[RunContextWrapper[Any], WeakMethod[Take]] = (
    WeakKeyDictionary()
)


def watch(context: RunContextWrapper[Any] | None, take: Take) -> None:
    """Have the results of a run's tools taken as each one ends.

    Args:
        context: The context of the run, not that of a tool.
        take: A method. It is called in the event loop, as long as its object is there.
    """
    if context is not None:
        _takers[context] = WeakMethod(take)


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
        taker = _takers.get(context_wrapper)

        def commit(item: RunItem) -> None:
            if taker is not None and (take := taker()) is not None:
                take(item)
            if tool_output_committer is not None:
                tool_output_committer(item)

        return await execute(
            context_wrapper=context_wrapper, tool_output_committer=commit, **others
        )

    _planning.execute_function_tool_calls = execute_function_tool_calls


install()
