"""The provider learns which requests are of one thread, as they begin alike."""

from __future__ import annotations

from typing import Any

import pytest
from agents import ModelSettings, RunConfig

from chatkit_images.failures import Failure, Reason
from chatkit_images.models import Run
from chatkit_images.queries.inputs import Provider
from chatkit_images.server import extra_arguments, prompt_cache, safety
from chatkit_images.testing import HTTPError, LoopbackAPI, Text
from tests.chat import TestServer
from tests.client import ChatClient, of_type, thread_id


def sent(model: LoopbackAPI, name: str = prompt_cache.NAME) -> list[str | None]:
    return [request.get(name) for request in model.requests]


async def test_each_thread_has_one_key_that_says_nothing_else(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    for _ in range(3):
        model.respond_with(Text("Hello."))
    key = thread_id(await chat.say("hello"))
    await chat.say("again", key)
    await chat.say("hello")
    first, second, third = sent(model)
    assert first == second != third
    assert first and len(first) == 32 and key.partition("_")[2] not in first
    before = prompt_cache.key_of("user:1", "thr_1")
    assert before != prompt_cache.key_of("user:2", "thr_1")
    settings.SECRET_KEY = "another"
    assert prompt_cache.key_of("user:1", "thr_1") != before


@pytest.mark.parametrize("how", ["setting", "extra_args", "extra_body"])
async def test_it_can_be_switched_off_or_be_the_projects_own(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    how: str,
) -> None:
    own = {prompt_cache.NAME: "mine"}
    if how == "setting":
        settings.CHATKIT_IMAGES |= {"PROMPT_CACHE_KEY": False}
    else:
        chosen = ModelSettings(**{how: own})  # type: ignore[arg-type]
        config = RunConfig(tracing_disabled=True, model_settings=chosen)
        monkeypatch.setattr(TestServer, "get_run_config", lambda *args: config)
    model.respond_with(Text("Hello."))
    await chat.say("hello")
    assert sent(model) == [None if how == "setting" else "mine"]
    # The other value goes along all the same.
    (identifier,) = sent(model, safety.NAME)
    assert identifier == (await Run.objects.aget()).safety_identifier != ""


# As OpenAI and as FastAPI say it.
UNKNOWN = f"Unknown parameter: '{prompt_cache.NAME}'."
EXTRA = {"loc": ["body", prompt_cache.NAME], "msg": "Extra inputs are not permitted"}


@pytest.mark.parametrize(
    "refusal",
    [
        HTTPError(400, "unknown_parameter", UNKNOWN),
        HTTPError(422, body={"detail": [{"type": "extra_forbidden", **EXTRA}]}),
    ],
)
async def test_a_gateway_that_refuses_it_still_gets_the_identifier(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    refusal: HTTPError,
) -> None:
    monkeypatch.setattr(extra_arguments, "_refused", set())
    model.respond_with(refusal)
    model.respond_with(Text("One."))
    model.respond_with(Text("Two."))
    events = await chat.say("hello")
    await chat.say("again", thread_id(events))
    assert of_type(events, "error") == []
    first, *others = sent(model)
    assert first and others == [None, None]
    assert None not in sent(model, safety.NAME)
    assert "takes no prompt_cache_key" in caplog.text


def test_runs_that_are_refused_at_once_all_go_again_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise the files of the second would count as what was refused."""
    monkeypatch.setattr(extra_arguments, "_refused", set())
    failure = Failure(Reason.BAD_REQUEST, param=prompt_cache.NAME)
    provider, known = Provider("api.example", "gpt"), extra_arguments.known()
    for _ in range(2):
        found = extra_arguments.refused(failure, lambda: provider, known)
        assert found == [prompt_cache.NAME]
    again = extra_arguments.known()
    assert extra_arguments.refused(failure, lambda: provider, again) == []
