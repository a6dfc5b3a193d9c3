"""Rows of the fault table: which test is of which row, and how many were survived."""

from __future__ import annotations

import os
import random
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest

# Rows on generated images: content (C), data (D), streams and runs (S). What a row is
# about stands in the docstrings and names of its tests.
IMAGE_ROWS = frozenset(
    re.findall(
        r"\w+",
        """
        C01 C02 C03 C04 C05 C06 C07 C08 C09 C11 C12 C14 C15 C17 C18 C19
        D03 D07 D08 D09 D10 D11 D12 D14 D19 D20
        S01 S02 S03 S12 S13 S15 S16 S18 S19 S20 S21 S27 S28 S30
        """,
    )
)

# The other rows on streams and runs: readers, races, and what a run waits for.
RUN_ROWS = frozenset(
    re.findall(
        r"\w+",
        """
        S04 S05 S06 S07 S08 S09 S10 S11 S14 S17 S22 S23 S24 S25 S26 S29
        """,
    )
)

# Rows on requests (P), and on what a server lives with (O).
PROTOCOL_ROWS = frozenset(f"P{number:02}" for number in range(1, 15))
OPERATION_ROWS = frozenset(f"O{number:02}" for number in range(1, 19))
ROWS = IMAGE_ROWS | RUN_ROWS | PROTOCOL_ROWS | OPERATION_ROWS


SEED = "FAULTS_SEED"
T = TypeVar("T")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "row(id): the row of the fault table it tests")
    config.addinivalue_line(
        "markers", f"sweep(count): so many of its cases a run takes, by {SEED}"
    )
    # The workers of pytest-xdist inherit it, and so take the same cases.
    os.environ.setdefault(SEED, str(random.randrange(10**6)))


def pytest_report_header() -> str:
    return f"{SEED}={os.environ[SEED]} (of sweeps; all: every case)"


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    sample(config, items)
    for item in items:
        for mark in item.iter_markers("row"):
            # Properties travel with the report, from a worker of pytest-xdist too.
            item.user_properties.append(("row", (item.path.stem, mark.args[0])))


def sample(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave some cases of each sweep, other ones in each run.

    A case that a command line names is taken, whatever the seed.
    """
    if os.environ[SEED] == "all" or any("[" in arg for arg in config.args):
        return
    sweeps: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sweep"):
            sweeps[item.nodeid.partition("[")[0]].append(item)
    left: set[pytest.Item] = set()
    for name, cases in sweeps.items():
        mark = cases[0].get_closest_marker("sweep")
        assert mark is not None
        # Each sweep has dice of its own: what else is collected makes no difference.
        dice = random.Random(f"{os.environ[SEED]} {name}")
        left |= set(cases) - set(dice.sample(cases, min(mark.args[0], len(cases))))
    if left:
        config.hook.pytest_deselected(items=[item for item in items if item in left])
        items[:] = [item for item in items if item not in left]


def some(name: str, cases: Sequence[T], count: int) -> list[T]:
    """Return some of the cases of a sweep that one test goes through, in their order.

    Other ones in each run, and each case where all are asked for.
    """
    if os.environ[SEED] == "all":
        return list(cases)
    dice = random.Random(f"{os.environ[SEED]} {name}")
    taken = {*dice.sample(range(len(cases)), min(count, len(cases)))}
    return [case for number, case in enumerate(cases) if number in taken]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print how many faults were survived: by file, and by row."""
    survived: dict[str, bool] = {}
    places: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for outcome in ("passed", "failed", "error", ""):
        for report in terminalreporter.stats.get(outcome, []):
            # A module that cannot be imported has a report of another kind.
            for name, value in getattr(report, "user_properties", ()):
                if name == "row":
                    places[report.nodeid].add(tuple(value))
                    well = report.passed and survived.get(report.nodeid, True)
                    survived[report.nodeid] = well
    if not survived:
        return
    tables: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for nodeid, found in places.items():
        for file, row in found:
            tables["rows"][row].append(survived[nodeid])
            tables["files"][file].append(survived[nodeid])
    terminalreporter.section("faults survived")
    if config.getoption("-m") == "row":
        for title, counts in tables.items():
            terminalreporter.line(f"{title}:")
            for name, wells in sorted(counts.items()):
                terminalreporter.line(f"  {name:24} {sum(wells):4} of {len(wells)}")
    total = list(survived.values())
    terminalreporter.line(f"faults survived: {sum(total)} of {len(total)}")
    if not all(total):
        terminalreporter.line(f"The same again: {SEED}={os.environ[SEED]}")
