"""Answers of images alone, which the Agents SDK takes for unfinished ones.

The SDK asks the model again after a response without a message in which a tool was
used, and each request costs another image. It has no option against that. So in the
runs of this app the image tool does not count as used in such a response.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import wraps
from typing import Any

from agents import Agent, ModelResponse
from agents.run_internal import turn_resolution
from openai.types.responses.response_output_item import ImageGenerationCall

from ..run_state import current_state
from . import finals
from .finals import Mark

# Items that a provider adds by itself before an image. None of them needs an answer.
BESIDE = {
    "reasoning",
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "mcp_list_tools",
    "mcp_call",
}
IMAGE = "image_generation_call"


def is_complete(kinds: Iterable[str]) -> bool:
    """Whether a response with items of these types is images and nothing else."""
    return set(kinds) - BESIDE == {IMAGE}


def take() -> list[tuple[str, Mark]]:
    """Return, once, what tells the images of the run apart, each with its agent."""
    state = current_state.get()
    if state is None:
        return []
    found, state.generated = state.generated, []
    return found


def install() -> None:
    """Have the SDK take answers of images alone for complete ones."""
    process = turn_resolution.process_model_response

    @wraps(process)
    def process_model_response(
        *args: Any, agent: Agent[Any], response: ModelResponse, **kwargs: Any
    ) -> Any:
        processed = process(*args, agent=agent, response=response, **kwargs)
        if (state := current_state.get()) is None:
            return processed
        for item in response.output:
            if isinstance(item, ImageGenerationCall) and (
                mark := finals.final_of(item).mark
            ):
                state.generated.append((agent.name, mark))
        if is_complete(item.type for item in response.output):
            processed.tools_used[:] = []
        return processed

    turn_resolution.process_model_response = process_model_response


install()
