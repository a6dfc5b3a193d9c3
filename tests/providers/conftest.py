"""Cases at both doors, counted and printed."""

from __future__ import annotations

from typing import Any

import pytest

from .endings import HEAD
from .fixtures import case, door

__all__ = ["case", "door"]


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
        table = [list(HEAD), *sorted(endings)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for row in table:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            line(" | ".join(cells).rstrip())
    terminalreporter.section("providers")
    for name, words in sorted(short):
        line(f"fell short: {name}: {' '.join(words.split())[:400]}")
    line(f"providers: {held} of {held + len(short)}")
