"""What the app adds to the requests of a run, where their provider takes it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIResponsesModel,
    RunConfig,
)

from ..agents.providers import model_of, provider_of
from ..failures import Failure, Reason
from ..queries.inputs import Provider
from . import named_parameters, prompt_cache, safety
from .agents_within import agents_within

logger = logging.getLogger(__name__)
NAMES = (safety.NAME, prompt_cache.NAME)
# What providers do not take, as this process knows.
_refused: set[tuple[Provider, str]] = set()


def added(
    config: RunConfig | None, agent: Agent[Any], values: Mapping[str, str]
) -> tuple[RunConfig | None, Mapping[str, str]]:
    """Return the settings of a run that sends some values, and those that it sends.

    They go to OpenAI's Responses API as the Agents SDK calls it, for this agent and all
    that it may hand over to or use as tools. If one of them has another model, none is
    sent, as other providers may refuse what they do not know. What a project sets
    itself stays.
    """
    found = config or RunConfig()
    settings = found.model_settings or ModelSettings()
    left = {name: each for name, each in values.items() if not _is_set(settings, name)}
    try:
        if _refused:
            provider = provider_of(agent, found)
            left = {key: left[key] for key in left if (provider, key) not in _refused}
        for each in agents_within(agent):
            if not isinstance(model_of(each, found), OpenAIResponsesModel):
                return config, {}
            own = each.model_settings
            left = {key: left[key] for key in left if not _is_set(own, key)}
    except Exception as error:
        # Without a key, say. What happens then is told by the run.
        logger.debug("Nothing is added to the requests: %r", error)
        return config, {}
    if not left:
        return config, {}
    more = settings.resolve(ModelSettings(extra_args=left))
    return dataclasses.replace(found, model_settings=more), left


def known() -> frozenset[tuple[Provider, str]]:
    """Return what this process knows to be refused, by which a run is about to go."""
    return frozenset(_refused)


def refused(
    failure: Failure | None,
    provider: Callable[[], Provider],
    before: frozenset[tuple[Provider, str]],
) -> list[str]:
    """Return which of the values a provider has refused, as far as that was not known.

    A gateway may speak OpenAI's Responses API and not know all of it. From now on it
    gets none of these from this process, so what a person writes must not be able to
    bring that about.

    Args:
        failure: How the run has failed.
        provider: Who was asked.
        before: What was known when the run began. Another run may have learned of it
            meanwhile.
    """
    if failure is None or failure.reason is not Reason.BAD_REQUEST:
        return []
    wrong = named_parameters.of(failure)
    named = {(provider(), name) for name in NAMES if name in wrong}
    _refused.update(named)
    return sorted(name for _, name in named - before)


def _is_set(settings: ModelSettings, name: str) -> bool:
    parts = (settings.extra_args, settings.extra_body)
    return any(isinstance(part, Mapping) and name in part for part in parts)
