"""Who answers an agent: the host and the model."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from agents import Agent, RunConfig
from openai import AsyncOpenAI

from ..breaker import Question, Service, asking
from ..context import RequestContext
from ..queries.inputs import Provider

logger = logging.getLogger(__name__)
# The length of columns.
MOST = 255


def provider_of(agent: Agent[Any], config: RunConfig | None = None) -> Provider:
    """Return who answers an agent, as far as it can be told.

    Args:
        agent: The agent.
        config: The settings of its run, whose model goes before the agent's.
    """
    model, name = _asked(agent, config or RunConfig())
    host = urlsplit(_url(model)).netloc if model is not None else ""
    return Provider(host[:MOST], name[:MOST])


def service_of(agent: Agent[Any], config: RunConfig | None = None) -> Service:
    """Return which service an agent asks, as ``breaker`` tells them apart.

    Args:
        agent: The agent.
        config: The settings of its run, whose model goes before the agent's.
    """
    model, name = _asked(agent, config or RunConfig())
    if model is None:
        return Service("", name)
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    return Service(_url(model) or kind, name)


def asking_provider(
    who: Agent[Any] | str,
    context: RequestContext,
    *,
    model: str = "",
    config: RunConfig | None = None,
) -> AbstractContextManager[Question]:
    """Ask a provider within, unless it is away for everybody: see ``breaker``.

    ``stream_answer()`` does so itself. Call ``answered()`` of the question with the
    first part of an answer; the end of the block counts as one.

    Args:
        who: An agent, or the URL of an API.
        context: For whom.
        model: The model, if ``who`` is a URL.
        config: The settings of the agent's run.

    Raises:
        ProviderAway: When the block begins, if the provider is left alone.
    """
    if isinstance(who, str):
        return asking(Service(who, model), context)
    return asking(service_of(who, config), context)


def _asked(agent: Agent[Any], config: RunConfig) -> tuple[Any, str]:
    """Return the model that an agent asks, or ``None``, and the name of it."""
    try:
        model = model_of(agent, config)
    except Exception as error:
        # Without a key, say. What happens then is told by the run.
        logger.debug("The agent %s has no model: %r", agent.name, error)
        return None, str(config.model or agent.model or "")
    return model, str(getattr(model, "model", "") or "")


def client_of(agent: Agent[Any] | None, config: RunConfig) -> AsyncOpenAI | None:
    """Return the client with which an agent asks OpenAI, if it has one."""
    if agent is None:
        return None
    model, _ = _asked(agent, config)
    client = getattr(model, "_client", None)
    return client if isinstance(client, AsyncOpenAI) else None


def _url(model: Any) -> str:
    """Return the URL that a model asks, without a user name and a password."""
    # The SDK's models have a client, others the URL itself.
    client = getattr(model, "_client", None)
    url = getattr(client, "base_url", None) or getattr(model, "base_url", None) or ""
    parts = urlsplit(str(url))
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))


def model_of(agent: Agent[Any], config: RunConfig) -> Any:
    """Return the model that an agent asks, whose class may be a project's own.

    Raises:
        Exception: If there is none of that name, or no key for it.
    """
    model: Any = config.model or agent.model
    if model is None or isinstance(model, str):
        return config.model_provider.get_model(model)
    return model
