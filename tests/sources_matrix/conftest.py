"""Fixtures of the matrix, and its table."""

from __future__ import annotations

from typing import Any

from tests.faults.conftest import database, forks, world, worlds

from .cells import EVENTS, SOURCES

__all__ = ["database", "forks", "world", "worlds"]
MARKS = {"passed": "yes", "failed": "NO", "error": "NO"}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print a row for each source that was tried, and N of N."""
    found: dict[tuple[str, str], str] = {}
    for outcome, mark in MARKS.items():
        for report in terminalreporter.stats.get(outcome, []):
            cell = dict(getattr(report, "user_properties", ())).get("cell")
            if cell is not None:
                found[tuple(cell)] = mark
    if not found:
        return
    line = terminalreporter.line
    terminalreporter.section("sources")
    width = max(map(len, SOURCES))
    line(" | ".join([" " * width, *EVENTS]))
    left = []
    for name, source in SOURCES.items():
        cells = []
        for event in EVENTS:
            mark = found.get((name, event), "")
            if event in source.absent:
                mark = "-"
                left.append(f"-: {name}, {event}: {source.absent[event]}")
            cells.append(mark.ljust(len(event)))
        line(" | ".join([name.ljust(width), *cells]).rstrip())
    for words in left:
        line(words)
    held = list(found.values()).count("yes")
    line(f"sources: {held} of {len(found)}, and {len(left)} that do not apply")
