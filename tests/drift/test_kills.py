"""A doctor that is killed in the middle of its work, and one that comes after it."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from tests.drift.homes import Home

KILLS = int(os.environ.get("DRIFT_KILLS", "6"))


def to_the_end(home: Home) -> Any:
    """Mend day after day until nothing is found, and return what there is then.

    What is young stays, so each day begins with all files old.
    """
    for _ in range(5):
        home.process("age")
        report = home.process("mend")["left"]
        if not any(each["found"] for each in report["classes"].values()):
            return home.process("tell")
    pytest.fail(f"There is always something: {report}")


@pytest.mark.parametrize("seed", range(500, 500 + KILLS))
def test_whoever_comes_after_a_kill_has_the_same_end(seed: int, home: Home) -> None:
    home.restore("empty")
    home.process("plant", str(seed))
    home.keep("planted")
    steps = home.process("mend")["steps"]
    expected = to_the_end(home)

    home.restore("planted")
    home.forget("planted")
    chance = random.Random(seed)
    for _ in range(3):
        step = str(chance.randint(1, steps // 4))
        assert home.process("mend", step, may_die=True) is None
    assert to_the_end(home) == expected
