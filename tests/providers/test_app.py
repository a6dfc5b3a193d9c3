"""Failures that no provider tells of: the way to it, and the project's own code."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from chatkit_images.models import Run
from chatkit_images.testing import Text, Wait
from tests.chat import TestServer
from tests.ports import free_port

from .case import Case, later
from .person import CANARY, JSON
from .test_failures import (
    PAUSE,
    Expected,
    Record,
    ended,
    image,
    report,
    retried,
    told,
)
from .test_habits import FIRST, SAID


async def fails(
    case: Case, record: Record, name: str, expected: Expected
) -> list[JSON]:
    """Ask once, and check how it failed; return the items of the answer."""
    await case.person.say("draw")
    answer = later(await case.settled())
    await told(case, expected, answer)
    await ended(case, expected)
    await report(case, record, name)
    return answer


@pytest.mark.parametrize(
    ("error", "reason", "retry"),
    [
        (ImproperlyConfigured(f"No key {CANARY}"), "installation", False),
        (RuntimeError(f"Something {CANARY}"), "installation", False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_the_project_has_a_fault(
    case: Case,
    record_property: Record,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
    retry: bool,
) -> None:
    def get_agent(*args: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(TestServer, "get_agent", get_agent)
        name = f"the project's {type(error).__name__}"
        await fails(case, record_property, name, Expected(reason, retry))
    case.check("requests to the model", len(case.model.requests), 0)
    await retried(case)
    case.whole()


async def test_nobody_answers(
    case: Case, record_property: Record, settings: Any
) -> None:
    url = settings.LOOPBACK_URL
    settings.LOOPBACK_URL = f"http://127.0.0.1:{free_port()}/v1"
    expected = Expected("broken_off", True)
    await fails(case, record_property, "nobody answers", expected)
    settings.LOOPBACK_URL = url
    await retried(case)
    case.whole()


async def test_the_model_takes_too_long(
    case: Case, record_property: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = TestServer.get_openai_client

    def impatient(self: TestServer) -> Any:
        return client(self).with_options(timeout=10 * PAUSE)

    case.speak()
    slow = (Text(SAID), image(FIRST), Wait(60))
    case.model.respond_with(*slow)
    with monkeypatch.context() as patch:
        patch.setattr(TestServer, "get_openai_client", impatient)
        expected = Expected("timeout", True)
        answer = await fails(case, record_property, "no more events", expected)
    await case.images(answer, FIRST)
    await retried(case)
    case.whole()


async def test_a_run_that_ends_well_has_no_reason(case: Case) -> None:
    case.model.respond_with(image(FIRST), Text(SAID))
    await case.person.say("draw")
    await case.images(later(await case.settled()), FIRST)
    run = await Run.objects.aget()
    case.check("run", (run.status, run.reason, run.error), ("completed", "", ""))
    case.check("failure", run.failure or {}, {})
    case.whole()
