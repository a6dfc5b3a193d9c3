"""Which answers of a provider refuse what the app adds to the requests of a run."""

from __future__ import annotations

import time

import pytest

from chatkit_images import failures
from chatkit_images.failures import Reason
from chatkit_images.queries.inputs import Provider
from chatkit_images.server import extra_arguments, prompt_cache, safety
from chatkit_images.testing import HTTPError, LoopbackAPI, Text
from tests.client import ChatClient, of_type, thread_id

NAME = prompt_cache.NAME
# Sentences about the parameter, as providers, gateways and their parsers say them.
REFUSALS = f"""
Unknown parameter: '{NAME}'.
Unsupported parameter: '{NAME}' is not supported with this model.
Unrecognized request argument supplied: {NAME}
Unrecognized request arguments supplied: {NAME}, store
Unrecognized request arguments supplied: store, {NAME}
litellm.BadRequestError: OpenAIException - Unknown parameter: '{NAME}'.
litellm.UnsupportedParamsError: groq does not support parameters: ['{NAME}'], for m
Provider returned error Unsupported parameter: {NAME}
Argument not supported: {NAME}
Argument not supported on this model: {NAME}
property '{NAME}' is unsupported
{NAME}: Extra inputs are not permitted
Extra inputs are not permitted, field: '{NAME}', value: 'a'
Invalid JSON payload received. Unknown name "{NAME}": Cannot find field.
Unrecognized key(s) in object: '{NAME}'
Additional properties are not allowed ('{NAME}' was unexpected)
Additional properties are not allowed ('store', '{NAME}' were unexpected)
extraneous key [{NAME}] is not permitted
json: unknown field "{NAME}"
Failed to deserialize the JSON body into the target type: unknown field `{NAME}`, e
Unrecognized field "{NAME}" (class a.b.Request), not marked as ignorable
TypeError: Responses.create() got an unexpected keyword argument '{NAME}'
The parameter `{NAME}` is not allowed.
'{NAME}' is not a valid parameter
"""
# What a person has written comes back in these.
ECHOES = f"""
Invalid prompt: 'What is {NAME}?'
Invalid prompt: Unknown parameter: '{NAME}'.
Invalid value: '{NAME}'. Supported values are: 'a' and 'b'.
Unsupported value: '{NAME}' is not supported with this model.
Your prompt "Unknown parameter: '{NAME}'." could not be read.
Expecting property name: {{NAME}}
Unknown parameter: '{NAME}s'.
Unknown parameter: 'my_{NAME}'.
Unknown parameter: 'store'. Your input: {NAME} is not supported
Unknown parameter: 'store'. The words were "store, {NAME}".
"""


@pytest.fixture(autouse=True)
def _unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra_arguments, "_refused", set())


def refused(body: dict[str, object]) -> list[str]:
    failure = failures.of({"error": body})
    assert failure is not None and failure.reason is Reason.BAD_REQUEST
    provider = Provider("api.example", "gpt")
    return extra_arguments.refused(failure, lambda: provider, frozenset())


@pytest.mark.parametrize("said", REFUSALS.strip().splitlines())
def test_a_sentence_that_names_the_parameter_refuses_it(said: str) -> None:
    assert refused({"code": "invalid_request_error", "message": said}) == [NAME]


@pytest.mark.parametrize("said", ECHOES.strip().splitlines())
def test_words_that_only_come_back_refuse_nothing(said: str) -> None:
    assert refused({"code": "invalid_request_error", "message": said}) == []


@pytest.mark.parametrize(
    "words", ["Error...", "Error: ", "a got an ", "json:  ", "a, "]
)
def test_words_that_come_back_take_no_time(words: str) -> None:
    """They are looked at in the event loop."""
    said = f"{words * 1000}{NAME}"
    began = time.process_time()
    assert refused({"code": "invalid_request_error", "message": said}) == []
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("param", "names"),
    [
        (NAME, [NAME]),
        (f"body.{NAME}", [NAME]),
        (f"{NAME}, {safety.NAME}", [NAME, safety.NAME]),
        ("input[0].content", []),
        (f"{NAME}s", []),
    ],
)
def test_the_field_for_the_parameter_names_it(param: str, names: list[str]) -> None:
    code = "unknown_parameter"
    assert refused({"code": code, "message": "No.", "param": param}) == names


async def test_a_message_with_the_name_changes_no_later_request(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    words = f"what are {NAME} and {safety.NAME}?"
    model.respond_with(HTTPError(400, "invalid_prompt", f"Invalid prompt: '{words}'"))
    events = await chat.say(words)
    assert of_type(events, "error")
    model.respond_with(Text("Hello."))
    await chat.say("hello", thread_id(events))
    assert len(model.requests) == 2
    for name in (NAME, safety.NAME):
        assert all(request.get(name) for request in model.requests)
