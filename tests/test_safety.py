"""The provider learns which requests come from the same person, and not from whom."""

from __future__ import annotations

from typing import Any

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIProvider,
    RunConfig,
    handoff,
)
from django.contrib.auth.models import Group, User

from chatkit_images.models import Run
from chatkit_images.server import extra_arguments, safety
from chatkit_images.testing import HTTPError, LoopbackAPI, Text, ToolCall
from tests.chat import TestServer
from tests.client import ChatClient, done_items, message, of_type, thread_id

NAME = "safety_identifier"


def sent(model: LoopbackAPI) -> list[str | None]:
    return [request.get(NAME) for request in model.requests]


def change_agent(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    get_agent = TestServer.get_agent
    monkeypatch.setattr(
        TestServer, "get_agent", lambda *args: change(get_agent(*args), args[0])
    )


def painter(server: TestServer, **options: Any) -> Agent[Any]:
    plain = DESIGNER(server, None, None)  # type: ignore[arg-type]
    return plain.clone(name="painter", tools=[], **options)


DESIGNER = TestServer.get_agent


async def test_each_person_has_one_identifier_that_says_nothing_else(
    chat: ChatClient, model: LoopbackAPI, bob: User
) -> None:
    model.respond_with(Text("One."))
    events = await chat.say("hello")
    model.respond_with(Text("Two."))
    await chat.say("again", thread_id(events))
    other = ChatClient()
    await other.aforce_login(bob)
    model.respond_with(Text("Three."))
    await other.say("hello")

    first, second, third = sent(model)
    assert first == second != third
    assert first is not None
    assert len(first) == 64
    assert set(first) <= set("0123456789abcdef")
    kept = [run.safety_identifier async for run in Run.objects.order_by("created_at")]
    assert kept == [first, second, third]


async def test_people_of_two_tenants_have_two_identifiers(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES |= {"CONTEXT": "tests.tenancy.TenantContext"}
    for name in ("acme", "beta"):
        model.respond_with(Text("Hello."))
        sent_by = {"headers": {"X-Tenant": name}}
        response = await chat.request_op(
            "threads.create", {"input": message("hello")}, **sent_by
        )
        assert [part async for part in response.streaming_content]
    first, second = sent(model)
    # Both are user 1, say, each of their own tenant.
    assert None is not first != second is not None


async def test_members_of_a_team_have_an_identifier_each(
    chat: ChatClient, stranger: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES |= {"CONTEXT": "tests.teams.TeamContext"}
    team = await Group.objects.acreate(name="team")
    async for user in User.objects.all():
        await user.groups.aadd(team)
    for member in (chat, stranger):
        model.respond_with(Text("Hello."))
        await member.say("hello")
    first, second = sent(model)
    assert None is not first != second is not None


def test_the_identifier_depends_on_the_secret(settings: Any) -> None:
    before = safety.identifier_of("user:1")
    settings.SECRET_KEY = "another"
    assert safety.identifier_of("user:1") != before


async def test_it_is_kept_if_the_provider_refuses(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(HTTPError(403, "policy_violation", "No."))
    assert of_type(await chat.say("hello"), "error")
    (identifier,) = set(sent(model))
    assert (await Run.objects.aget()).safety_identifier == identifier


async def test_it_can_be_switched_off(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES |= {"SAFETY_IDENTIFIER": False}
    model.respond_with(Text("Done."))
    await chat.say("hello")
    assert sent(model) == [None]
    assert (await Run.objects.aget()).safety_identifier == ""


@pytest.mark.parametrize(
    "own",
    [
        ModelSettings(extra_args={NAME: "mine"}),
        ModelSettings(extra_body={NAME: "mine"}),
    ],
)
@pytest.mark.parametrize("place", ["agent", "run"])
async def test_what_a_project_sets_stays(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    own: ModelSettings,
    place: str,
) -> None:
    if place == "agent":
        change_agent(monkeypatch, lambda agent, _: agent.clone(model_settings=own))
    else:
        config = RunConfig(tracing_disabled=True, model_settings=own)
        monkeypatch.setattr(TestServer, "get_run_config", lambda *args: config)
    model.respond_with(Text("Done."))
    await chat.say("hello")
    assert sent(model) == ["mine"]
    assert (await Run.objects.aget()).safety_identifier == ""


async def test_other_settings_of_the_run_and_the_agent_go_along(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ModelSettings(temperature=0.5, extra_args={"user": "shop"})
    change_agent(monkeypatch, lambda agent, _: agent.clone(model_settings=settings))
    more = ModelSettings(extra_args={"service_tier": "flex"})
    config = RunConfig(tracing_disabled=True, model_settings=more)
    monkeypatch.setattr(TestServer, "get_run_config", lambda *args: config)
    model.respond_with(Text("Done."))
    await chat.say("hello")
    (request,) = model.requests
    assert request[NAME]
    assert (request["temperature"], request["user"]) == (0.5, "shop")
    assert request["service_tier"] == "flex"
    assert config.model_settings is more


@pytest.mark.parametrize("how", ["handoff", "handoff object", "tool"])
async def test_agents_within_send_it_too(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def change(agent: Agent[Any], server: TestServer) -> Agent[Any]:
        inner = painter(server)
        if how == "tool":
            tool = inner.as_tool("transfer_to_painter", "Paints.")
            return agent.clone(tools=[tool], tool_use_behavior="run_llm_again")
        other = handoff(inner) if how == "handoff object" else inner
        inner.handoffs.append(agent)
        return agent.clone(handoffs=[other])

    change_agent(monkeypatch, change)
    arguments = {"input": "a fox"} if how == "tool" else {}
    model.respond_with(ToolCall("transfer_to_painter", arguments))
    model.respond_with(Text("Painted."))
    model.respond_with(Text("Done."))
    assert done_items(await chat.say("hello"), "assistant_message")
    assert len(sent(model)) == (3 if how == "tool" else 2)
    assert len(set(sent(model))) == 1
    assert None not in sent(model)


@pytest.mark.parametrize("how", ["own", "handoff", "tool"])
async def test_a_run_with_another_kind_of_model_sends_none(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def change(agent: Agent[Any], server: TestServer) -> Agent[Any]:
        client = server.get_openai_client()
        other = OpenAIChatCompletionsModel(model="gpt-4.1", openai_client=client)
        inner = painter(server, model=other)
        if how == "own":
            return inner
        if how == "tool":
            return agent.clone(tools=[inner.as_tool("paint", "Paints.")])
        return agent.clone(handoffs=[inner])

    change_agent(monkeypatch, change)
    model.respond_with(Text("Done."))
    await chat.say("hello")
    # The loopback model has only the Responses API.
    assert sent(model) == ([] if how == "own" else [None])
    assert (await Run.objects.aget()).safety_identifier == ""


async def test_a_model_that_is_named_counts_as_its_provider_has_it(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_agent(monkeypatch, lambda agent, _: agent.clone(model="gpt-4.1"))

    def config(server: TestServer, *args: Any) -> RunConfig:
        client = server.get_openai_client()
        models = OpenAIProvider(openai_client=client, use_responses=True)
        return RunConfig(tracing_disabled=True, model_provider=models)

    monkeypatch.setattr(TestServer, "get_run_config", config)
    model.respond_with(Text("Done."))
    await chat.say("hello")
    assert len(sent(model)[0] or "") == 64


def test_without_a_model_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    agent = Agent(name="a", model="none/b")
    assert extra_arguments.added(None, agent, {NAME: "c"}) == (None, {})


async def test_a_gateway_that_does_not_know_it_gets_none_from_then_on(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extra_arguments, "_refused", set())
    said = f"Unknown parameter: '{NAME}'."
    model.respond_with(HTTPError(400, "unknown_parameter", said))
    model.respond_with(Text("One."))
    events = await chat.say("hello")
    model.respond_with(Text("Two."))
    await chat.say("again", thread_id(events))

    assert of_type(events, "error") == []
    first, *others = sent(model)
    assert first is not None and others == [None, None]
    runs = [run.safety_identifier async for run in Run.objects.all()]
    assert runs == ["", ""]
