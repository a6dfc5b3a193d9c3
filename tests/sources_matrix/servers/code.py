"""OpenAI's code interpreter."""

from __future__ import annotations

from typing import Any

from agents import Agent, CodeInterpreterTool, ModelSettings
from chatkit import types

from chatkit_images.context import RequestContext
from tests.chat import TestServer

TOOL = CodeInterpreterTool({"type": "code_interpreter", "container": {"type": "auto"}})
ASKED = ModelSettings(response_include=["code_interpreter_call.outputs"])


class Server(TestServer):
    """Its agent runs code."""

    keeps_tool_images = True

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any]:
        base: Agent[Any] = super().get_agent(thread, context)
        return base.clone(
            tools=[TOOL], model_settings=ASKED, tool_use_behavior="run_llm_again"
        )
