"""Who answers an agent, as far as the agent says it."""

from __future__ import annotations

from typing import Any

import pytest
from agents import Agent, Model, OpenAIResponsesModel, RunConfig
from openai import AsyncOpenAI

from chatkit_images.agents.providers import provider_of

BASE_URL = "https://ann:secret@llm.example:8443/v1"


def test_who_answers_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal counts for the host and the model that have refused."""
    client = AsyncOpenAI(api_key="key", base_url=BASE_URL)
    own = OpenAIResponsesModel("o9", client)
    found = [
        provider_of(Agent(name="a", model=own)),
        # The settings of a run go before those of its agent.
        provider_of(Agent(name="a", model="gpt-4.1"), RunConfig(model=own)),
        # Other packages have classes of their own.
        provider_of(Agent(name="a", model=Foreign())),
    ]
    assert found == [
        ("llm.example:8443", "o9"),
        ("llm.example:8443", "o9"),
        ("other.example", "fox-1"),
    ]
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    usual = [provider_of(Agent(name="a", model=name)) for name in ("gpt-4.1", None)]
    assert [each.host for each in usual] == ["api.openai.com"] * 2
    assert usual[0].model == "gpt-4.1" and usual[1].model
    # Whatever is wrong is told by the run.
    assert provider_of(Agent(name="a", model="nobody/fox-1")) == ("", "nobody/fox-1")


class Foreign(Model):
    """A model of another package."""

    model = "fox-1"
    base_url = "https://other.example/v1"

    async def get_response(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError
