"""Cases at both doors, counted and printed."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from chatkit_images.testing import LoopbackAPI

from .case import Case
from .person import Person

PLAIN_CLIENT = "openai.DefaultAsyncHttpxClient"


@pytest.fixture(params=["view", "consumer"])
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def case(
    request: pytest.FixtureRequest,
    door: str,
    model: LoopbackAPI,
    settings: Any,
    transactional_db: None,
) -> Case:
    """A person who talks with the model; what falls short is noted for the report."""
    settings.HTTP_CLIENT = PLAIN_CLIENT
    person = Person(door)
    person.client.force_login(User.objects.create_user("ann"))
    case = Case(person, model)
    # It is filled until the report is made.
    request.node.user_properties.append(("missing", case.missing))
    return case


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if __package__.replace(".", "/") in item.nodeid:
            item.user_properties.append(("provider", True))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many held, each that fell short, and the table of endings."""
    held, short, endings = 0, [], []
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            said = dict(getattr(report, "user_properties", ()))
            if "provider" not in said or (
                outcome == "error" and report.when != "setup"
            ):
                continue
            endings += said.get("endings", [])
            if outcome == "passed":
                held += 1
                continue
            crash = getattr(report.longrepr, "reprcrash", None)
            words = said.get("missing") or [str(getattr(crash, "message", "error"))]
            short.append((report.nodeid.partition("::")[2], "; ".join(words)))
    if not held and not short:
        return
    line = terminalreporter.line
    if endings:
        terminalreporter.section("endings")
        widths = [max(len(row[n]) for row in endings) for n in range(len(endings[0]))]
        for row in sorted(endings):
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            line(" | ".join(cells).rstrip())
    terminalreporter.section("providers")
    for name, words in sorted(short):
        line(f"fell short: {name}: {' '.join(words.split())[:400]}")
    line(f"providers: {held} of {held + len(short)}")
