"""Who asks, as the provider may know it: the same digest for the same person.

With it OpenAI can act against one person who abuses a model, instead of the project.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agents import (
    Agent,
    FunctionTool,
    Handoff,
    ModelSettings,
    OpenAIResponsesModel,
    RunConfig,
)
from django.utils.crypto import salted_hmac

from ..agents.providers import model_of, provider_of
from ..failures import Failure, Reason
from ..queries.inputs import Provider

logger = logging.getLogger(__name__)
NAME = "safety_identifier"
# The providers that do not take it, as this process knows.
_refusing: set[Provider] = set()


def identifier_of(scope: str) -> str:
    """Return a digest of a person and a tenant, which takes ``SECRET_KEY`` to make."""
    salt = "chatkit_images.safety_identifier"
    return salted_hmac(salt, scope, algorithm="sha256").hexdigest()


def identified(
    config: RunConfig | None, agent: Agent[Any], identifier: str
) -> RunConfig | None:
    """Return the settings of a run that sends an identifier, ``None`` if none may go.

    It goes to OpenAI's Responses API as the Agents SDK calls it, for this agent and all
    that it may hand over to or use as tools. If one of them has another model, none is
    sent, as other providers may refuse what they do not know. What a project sets
    itself stays.
    """
    config = config or RunConfig()
    settings = config.model_settings or ModelSettings()
    if _is_set(settings):
        return None
    try:
        if _refusing and provider_of(agent, config) in _refusing:
            return None
        for each in _within(agent, []):
            if _is_set(each.model_settings) or not isinstance(
                model_of(each, config), OpenAIResponsesModel
            ):
                return None
    except Exception as error:
        # Without a key, say. What happens then is told by the run.
        logger.debug("No safety identifier is sent: %r", error)
        return None
    own = ModelSettings(extra_args={NAME: identifier})
    return dataclasses.replace(config, model_settings=settings.resolve(own))


def is_refused(failure: Failure, provider: Callable[[], Provider]) -> bool:
    """Whether a provider has refused the identifier, which is news.

    A gateway may speak OpenAI's Responses API and not know all of it. From now on it
    gets none from this process.
    """
    if failure.reason is not Reason.BAD_REQUEST:
        return False
    if NAME not in f"{failure.param} {failure.message}":
        return False
    known = len(_refusing)
    _refusing.add(provider())
    return len(_refusing) > known


def _within(agent: Any, seen: list[Any]) -> Iterator[Agent[Any]]:
    """Yield an agent and those that it may call, each once."""
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


def _is_set(settings: ModelSettings) -> bool:
    parts = (settings.extra_args, settings.extra_body)
    return any(isinstance(part, Mapping) and NAME in part for part in parts)
