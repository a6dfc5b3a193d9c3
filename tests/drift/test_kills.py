"""A doctor that is killed in the middle of its work, and one that comes after it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("DRIFT_KILLS", "6"))


def process(home: Path, *args: str, dies: bool = False) -> Any:
    """Run a process, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.drift.process", *args],
        cwd=ROOT,
        env=os.environ | {"DRIFT_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if dies:
        assert done.returncode == -signal.SIGKILL, done.stderr
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else None


def to_the_end(home: Path) -> Any:
    """Mend day after day until nothing is found, and return what there is then.

    What is young stays, so each day begins with all files old.
    """
    for _ in range(5):
        process(home, "age")
        report = process(home, "mend")["left"]
        if not any(each["found"] for each in report["classes"].values()):
            return process(home, "tell")
    pytest.fail(f"There is always something: {report}")


@pytest.mark.parametrize("seed", range(500, 500 + KILLS))
def test_whoever_comes_after_a_kill_has_the_same_end(seed: int, tmp_path: Path) -> None:
    planted, killed = tmp_path / "planted", tmp_path / "killed"
    planted.mkdir()
    process(planted, "plant", str(seed))
    shutil.copytree(planted, killed)
    steps = process(planted, "mend")["steps"]
    expected = to_the_end(planted)

    chance = random.Random(seed)
    for _ in range(3):
        process(killed, "mend", str(chance.randint(1, steps // 4)), dies=True)
    assert to_the_end(killed) == expected
