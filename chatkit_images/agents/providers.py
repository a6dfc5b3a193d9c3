"""Who answers an agent: the host and the model."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

from agents import Agent, RunConfig

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
    config = config or RunConfig()
    try:
        model = model_of(agent, config)
    except Exception as error:
        name = config.model or agent.model
        # Without a key, say. What happens then is told by the run.
        logger.debug("The model %s has no provider: %r", name, error)
        return Provider("", str(name or "")[:MOST])
    # The SDK's models have a client, others the URL itself.
    client = getattr(model, "_client", None)
    url = getattr(client, "base_url", None) or getattr(model, "base_url", None) or ""
    name = str(getattr(model, "model", "") or "")
    # Without a user name and a password.
    host = urlsplit(str(url)).netloc.rpartition("@")[2]
    return Provider(host[:MOST], name[:MOST])


def model_of(agent: Agent[Any], config: RunConfig) -> Any:
    """Return the model that an agent asks, whose class may be a project's own.

    Raises:
        Exception: If there is none of that name, or no key for it.
    """
    model: Any = config.model or agent.model
    if model is None or isinstance(model, str):
        return config.model_provider.get_model(model)
    return model
