"""Kinds of projects times the steps of their lives, counted and printed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from .environment import interpreter
from .processes import Processes, processes
from .steps import STEPS


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """What starts processes in the interpreter that has the app from its wheel."""
    scratch = tmp_path_factory.getbasetemp()
    # Each worker has a directory of its own in that of all.
    if "PYTEST_XDIST_WORKER" in os.environ:
        scratch = scratch.parent
    with processes(interpreter(scratch)) as found:
        yield found


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print which steps went well with which kind, and each that fell short."""
    found: dict[str, dict[str, str]] = {}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            if kind := dict(getattr(report, "user_properties", ())).get("project"):
                found[kind[0]] = kind[1]
    if not found:
        return
    line = terminalreporter.line
    terminalreporter.section("projects")
    table = [["kind", *STEPS]]
    for name, cells in sorted(found.items()):
        marks = ["ok" if cells.get(step) == "" else "short" for step in STEPS]
        table.append([name, *marks])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells_of = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        line(" ".join(cells_of).rstrip())
    short = [
        (name, step, cells.get(step, "not reached"))
        for name, cells in sorted(found.items())
        for step in STEPS
        if cells.get(step) != ""
    ]
    for name, step, words in short:
        line(f"fell short: {name}, {step}: {' '.join(words.split())[:400]}")
    of = len(found) * len(STEPS)
    line(f"projects: {of - len(short)} of {of}")
