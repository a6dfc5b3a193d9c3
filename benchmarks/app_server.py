"""The server of a project on this app, as the benchmarks have it."""

from __future__ import annotations

from typing import Any

from agents import Agent, RunConfig
from chatkit import types

from chatkit_images.context import RequestContext
from chatkit_images.server import DjangoChatKitServer

QUIET = RunConfig(tracing_disabled=True)


class AppServer(DjangoChatKitServer):
    """What a project writes."""

    def __init__(self, agent: Agent[Any]) -> None:
        super().__init__()
        self._agent = agent

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any]:
        """Return the agent."""
        return self._agent

    def get_run_config(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> RunConfig:
        """Trace nothing: there is nobody to send it to."""
        return QUIET
