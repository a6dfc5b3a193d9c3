"""A provider that is away is not waited for by one run after the other."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx2
import openai
import pytest
from agents import (
    Agent,
    OpenAIResponsesModel,
    RunConfig,
    RunContextWrapper,
    Runner,
    function_tool,
)
from asgiref.sync import sync_to_async
from chatkit import types
from chatkit.agents import AgentContext
from django.contrib.auth.models import User

from chatkit_images import breaker, failures
from chatkit_images.agents import asking_provider, nested
from chatkit_images.agents.providers import service_of
from chatkit_images.breaker import Service, circuit
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import ProviderAway
from chatkit_images.models import Run, UseEntry
from chatkit_images.run_state import current_run
from chatkit_images.testing import Drop, HTTPError, LoopbackAPI, Text, ToolCall
from tests.chat import TestServer
from tests.client import ChatClient, done_items, of_type

URL = "https://llm.example/v1/"
# Nobody listens there.
DEAD = "http://127.0.0.1:9/v1/"
SERVICE = Service(URL, "m")
REQUEST = httpx2.Request("POST", f"{URL}responses")
people = itertools.count()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Return the time in seconds, which a test may change."""
    now = [0.0]
    monkeypatch.setattr("chatkit_images.breaker.questions.monotonic", lambda: now[0])
    yield now
    breaker.forget()


def status(code: int, **headers: str) -> openai.APIStatusError:
    response = httpx2.Response(code, request=REQUEST, headers=headers)
    return openai.APIStatusError("No.", response=response, body=None)


def refused(url: str = URL) -> openai.APIConnectionError:
    error = openai.APIConnectionError(request=httpx2.Request("POST", f"{url}responses"))
    error.__cause__ = httpx2.ConnectError("refused")
    return error


SLOW = openai.APITimeoutError(request=REQUEST)


def ask(error: BaseException | None = None, person: int | None = None) -> bool:
    """Ask the service; whether that was allowed."""
    owner = f"user:{next(people) if person is None else person}"
    try:
        with breaker.asking(SERVICE, RequestContext.for_owner(owner)):
            if error is not None:
                raise error
    except ProviderAway:
        return False
    except BaseException as raised:
        assert raised is error
    return True


def fail(error: BaseException, times: int = circuit.RUNS, **options: Any) -> None:
    for _ in range(times):
        ask(error, **options)


@pytest.mark.parametrize("error", [status(500), status(503), SLOW, refused()])
def test_after_some_runs_in_a_row_it_is_left_alone_and_then_probed(
    error: Exception, clock: list[float]
) -> None:
    fail(error, circuit.RUNS - 1)
    assert ask(error)
    with pytest.raises(ProviderAway) as away:
        breaker.check(SERVICE)
    failure = failures.of(away.value)
    assert failure is not None
    assert (failure.reason, failure.code) == ("overloaded", "provider_away")
    assert failure.retry_after == away.value.retry_after == 5
    assert not ask()
    # Another model of the provider is another matter.
    breaker.check(Service(URL, "other"))
    for pause in (5, 10, 20, 40, 60, 60):
        clock[0] += pause - 0.1
        assert not ask()
        clock[0] += 0.1
        assert ask(error)
        assert not ask()
    clock[0] += 60
    assert ask()
    assert all(ask() for _ in range(9))


@pytest.mark.parametrize("code", [400, 401, 403, 404, 408, 409, 413, 429])
def test_a_refusal_is_an_answer(code: int) -> None:
    fail(status(code), 20)
    assert ask()
    # It begins the count again, too.
    fail(status(500), circuit.RUNS - 1)
    ask(status(code))
    fail(status(500), circuit.RUNS - 1)
    assert ask()


@pytest.mark.parametrize(
    "error",
    [
        ValueError("The project's own."),
        asyncio.CancelledError(),
        refused("https://guardrail.example/v1/"),
        httpx2.PoolTimeout("No connection is left in the pool.", request=REQUEST),
    ],
)
def test_what_is_not_the_providers_counts_for_nothing(error: BaseException) -> None:
    fail(error, 20)
    assert ask()
    fail(refused(), circuit.RUNS - 1)
    ask(error)
    assert ask(refused())
    assert not ask()


def test_one_person_whose_requests_fail_stops_nobody(clock: list[float]) -> None:
    for error in (status(500), SLOW):
        fail(error, 50, person=-1)
        ask(error, person=-2)
        assert ask()
    # But if no connection can be made, no request is the reason.
    fail(refused(), person=-1)
    assert not ask(person=-1)


def test_one_run_that_asks_often_is_one() -> None:
    token = current_run.set(uuid.uuid4())
    try:
        fail(refused(), 50)
        assert ask()
    finally:
        current_run.reset(token)


def test_failures_of_long_ago_count_for_nothing(clock: list[float]) -> None:
    fail(refused(), circuit.RUNS - 1)
    clock[0] += circuit.WINDOW + 1
    ask(refused())
    assert ask()


def test_a_request_of_before_the_newest_answer_counts_for_nothing() -> None:
    context = RequestContext.for_owner("user:1")
    old = [breaker.Question(SERVICE, context) for _ in range(circuit.RUNS)]
    assert ask()
    for question in old:
        question.failed(refused())
    assert ask()


def test_an_answer_to_a_request_of_before_ends_the_pause() -> None:
    question = breaker.Question(SERVICE, RequestContext.for_owner("user:1"))
    fail(refused())
    assert not ask()
    question.answered()
    assert ask()


def test_one_probe_at_a_time_and_no_silent_one_holds_up_all(clock: list[float]) -> None:
    fail(SLOW)
    clock[0] += 5
    first = breaker.Question(SERVICE, RequestContext.for_owner("user:1"))
    assert not ask()
    clock[0] += circuit.PROBE_SECONDS
    second = breaker.Question(SERVICE, RequestContext.for_owner("user:2"))
    assert not ask()
    # The first one has lost its place: its end says nothing of the second.
    first.failed(SLOW)
    assert not ask()
    # Whoever asked leaves: another one may be the probe at once.
    second.left()
    assert ask()


def test_the_pause_is_as_long_as_the_provider_has_asked(clock: list[float]) -> None:
    fail(status(503, **{"retry-after": "30"}))
    clock[0] += 29
    assert not ask()
    clock[0] += 1
    assert ask()


def test_a_project_may_let_each_run_find_out(settings: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "TUNING": {"PROVIDER_PAUSE_SECONDS": 0}
    }
    fail(refused(), 20)
    assert ask(refused())


def test_no_more_services_are_remembered_than_a_process_can_keep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatkit_images.breaker.questions.MOST_SERVICES", 2)
    fail(refused())
    context = RequestContext.for_owner("user:1")
    for number in range(5):
        with suppress(ValueError), breaker.asking(Service(f"{number}"), context):
            raise ValueError
    assert ask()


def test_a_service_is_a_url_and_a_model_without_a_password() -> None:
    client = openai.AsyncOpenAI(
        base_url="https://me:secret@llm.example/eu/v1", api_key="x"
    )
    model = OpenAIResponsesModel(model="m", openai_client=client)
    agent: Agent[Any] = Agent(name="a", model=model)
    assert service_of(agent) == Service("https://llm.example/eu/v1/", "m")
    config = RunConfig(model=OpenAIResponsesModel(model="n", openai_client=client))
    assert service_of(agent, config).model == "n"


def people_who_chat(count: int) -> list[ChatClient]:
    clients = []
    for number in range(count):
        client = ChatClient()
        client.force_login(User.objects.create_user(f"p{number}"))
        clients.append(client)
    return clients


async def say(client: ChatClient) -> list[dict[str, Any]]:
    return await client.say("Draw a fox.")


async def test_the_sixth_run_does_not_ask_a_provider_that_is_away(
    transactional_db: None, model: LoopbackAPI, clock: list[float]
) -> None:
    for _ in range(12):
        model.respond_with(HTTPError(503))
    crowd = await sync_to_async(people_who_chat)(10)
    for client in crowd[:5]:
        await say(client)
    asked = len(model.requests)
    events = await say(crowd[5])
    assert len(model.requests) == asked
    words = "The service cannot answer at the moment. Try again in 5 seconds."
    (error,) = of_type(events, "error")
    told = {"code": "custom", "message": words, "allow_retry": True}
    assert error == {"type": "error", **told}
    # The message is kept, with a note behind it.
    assert words in repr(done_items(events, "assistant_message")[-1])
    run = await Run.objects.order_by("-created_at").afirst()
    assert run is not None
    assert (run.status, run.reason, run.error_code) == (
        "failed",
        "overloaded",
        "provider_away",
    )
    # What was reserved is given back.
    amounts = UseEntry.objects.filter(run_id=run.pk, kind="image")
    assert sum([entry.amount async for entry in amounts]) == 0
    # It answers again: the next one finds out, for all.
    model.reset()
    clock[0] += 5
    assert "cannot answer" not in repr(await say(crowd[6]))
    assert "cannot answer" not in repr(await say(crowd[7]))


class Manager(TestServer):
    """A manager whose painter asks another provider, which is away."""

    asked = 0

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any]:
        base: Agent[Any] = super().get_agent(thread, context)
        client = openai.AsyncOpenAI(base_url=DEAD, api_key="x", max_retries=0)
        model = OpenAIResponsesModel(model="m", openai_client=client)
        painter: Agent[Any] = Agent(name="painter", model=model)

        @function_tool(failure_error_function=None)
        async def paint(wrapper: RunContextWrapper[AgentContext[Any]]) -> str:
            """Paint."""
            with asking_provider(painter, wrapper.context.request_context):
                Manager.asked += 1
                result = await Runner.run(painter, "A fox.", hooks=nested().hooks)
            return str(result.final_output)

        return base.clone(tools=[paint])


async def test_a_nested_run_is_of_its_own_provider(
    transactional_db: None, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "SERVER": f"{__name__}.{Manager.__name__}"
    }
    for number, client in enumerate(await sync_to_async(people_who_chat)(7)):
        model.respond_with(ToolCall("paint", {}))
        (error,) = of_type(await say(client), "error")
        away = number >= circuit.RUNS
        assert ("cannot answer" in error["message"]) == away
    # The painter's provider is left alone, and the manager's is not.
    assert (Manager.asked, len(model.requests)) == (circuit.RUNS, 7)


async def test_what_breaks_off_after_the_first_event_counts_for_nothing(
    transactional_db: None, model: LoopbackAPI
) -> None:
    for client in await sync_to_async(people_who_chat)(6):
        model.respond_with(Text("Once upon"), Drop())
        assert "Once upon" in repr(await say(client))
    assert len(model.requests) == 6


def test_code_of_a_project_asks_with_its_url() -> None:
    context = RequestContext.for_owner("user:1")
    for _ in range(circuit.RUNS):
        with suppress(openai.APIError), asking_provider(URL, context, model="m"):
            raise refused()
    with pytest.raises(ProviderAway), asking_provider(URL, context, model="m"):
        pass
