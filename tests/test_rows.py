"""No row of the fault table that the app answers for is without a test."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.rows import ROWS

MARK = re.compile(r"mark\.row\(\s*\"([A-Z]\d\d)\"")
# The rows of cases that are marked one by one.
FIELD = re.compile(r"^\s+\"(S1[89]|S20)\",$|End\(\s*\"([A-Z]\d\d)\"", re.M)


def test_every_row_has_a_test() -> None:
    tested: set[str] = set()
    for path in Path(__file__).parent.rglob("test_*.py"):
        text = path.read_text()
        tested |= set(MARK.findall(text))
        tested |= {row for found in FIELD.findall(text) for row in found if row}
    assert sorted(ROWS - tested) == []


def test_the_fault_suite_can_be_collected() -> None:
    """It runs apart and late: half an hour of CI for the want of an import."""
    pytest.importorskip("boto3")
    pytest.importorskip("redis")
    for path in sorted((Path(__file__).parent / "faults").glob("test_*.py")):
        importlib.import_module(f"tests.faults.{path.stem}")
