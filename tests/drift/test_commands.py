"""Commands that are killed in the middle of their work, and run again.

``DRIFT_KILLS`` says how often each begins anew, to be killed again and again.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.drift.homes import Home
from tests.faults.storages import rclone
from tests.services import absent

ROUNDS = int(os.environ.get("DRIFT_KILLS", "2"))
# Kills in one round, at most.
MOST = 4
SWEEP = "chatkit_images_sweep"
MOVE = "chatkit_images_move_storage"


@dataclass(frozen=True)
class Case:
    """A command, and what it finds.

    Attributes:
        finds: A function of ``tests.drift.furnishing``.
        command: Its name and arguments.
        code: Its exit code.
        storages: Where new files go when they are planted, and when it runs.
    """

    finds: str
    command: tuple[str, ...]
    code: int = 0
    storages: tuple[str, str] = ("default", "default")

    @property
    def needs_s3(self) -> bool:
        return "s3" in self.storages


def move(source: str, target: str) -> Case:
    command = (MOVE, source, target, "--threads=3", "--json")
    return Case("people", command, storages=(source, target))


CASES = {
    "sweep": Case("drift", (SWEEP,)),
    "flush": Case("drift", ("chatkit_images_flush_spool",)),
    "retention": Case("aged", ("chatkit_images_retention", "--json")),
    # A thread of hers is held.
    "erase": Case("people", ("chatkit_images_erase", "--user=ann", "--json"), code=3),
    "move": move("default", "second"),
    "move-back": move("second", "default"),
    "move-to-s3": move("default", "s3"),
    "move-from-s3": move("s3", "default"),
}


@contextmanager
def storages(home: Home, case: Case, alias: str) -> Iterator[dict[str, str]]:
    """Have an S3 server, if it is needed; yield the environment of processes."""
    with ExitStack() as stack:
        env = {"DRIFT_STORAGE": alias}
        if case.needs_s3:
            # A new one for each: it remembers what is in its folder.
            port = stack.enter_context(rclone(home.path / "s3"))
            env["DRIFT_S3"] = f"http://127.0.0.1:{port}"
        yield env


def settled(home: Home, case: Case) -> tuple[Any, Any]:
    """Return what there is behind a command, and when sweeps of later days are done."""
    with storages(home, case, case.storages[1]) as env:
        behind = home.process("look", **env)
        home.process("age", **env)
    # What the first one finds in a spool is in a storage behind it, and young.
    for _ in range(2):
        with storages(home, case, case.storages[1]) as env:
            done = home.process("command", "0", SWEEP, **env)
            assert done["code"] == 0, done
            later = home.process("look", **env)
            home.process("age", **env)
    return behind, later


@pytest.mark.parametrize("name", CASES)
def test_a_command_that_is_killed_and_run_again_has_the_same_end(
    home: Home, name: str, request: pytest.FixtureRequest
) -> None:
    case = CASES[name]
    if case.needs_s3 and shutil.which("rclone") is None:
        absent("rclone")
    kills = 0
    for number in range(ROUNDS):
        kills += killed(home, case, seed=700 + number)
    request.node.user_properties.append(("kills", kills))


def killed(home: Home, case: Case, seed: int) -> int:
    """Compare the end of a command that was killed with that of one that was not."""
    home.restore("empty")
    with storages(home, case, case.storages[0]) as env:
        home.process("furnish", case.finds, str(seed), **env)
    home.keep("furnished")
    with storages(home, case, case.storages[1]) as env:
        whole = home.process("command", "0", *case.command, **env)
    assert whole["code"] == case.code, whole
    expected, expected_later = settled(home, case)

    home.restore("furnished")
    home.forget("furnished")
    chance, kills, done = random.Random(seed), 0, None
    last = whole["steps"]
    with storages(home, case, case.storages[1]) as env:
        while kills < MOST and last > 0:
            step = chance.randint(1, last)
            last -= step
            done = home.process(
                "command", str(step), *case.command, may_die=True, **env
            )
            if done is not None:
                break
            kills += 1
        if done is None:
            done = home.process("command", "0", *case.command, **env)
    assert done["unreadable"] == []
    assert done["code"] == case.code, done
    behind, later = settled(home, case)
    assert differences(behind["rows"], expected["rows"]) == {}
    assert differences(later["rows"], expected_later["rows"]) == {}
    assert differences(later["files"], expected_later["files"]) == {}
    assert later["left over"] == later["unreadable"] == []
    return kills


def differences(found: Any, expected: Any) -> dict[str, Any]:
    """Return what there is too much and too little, by what it is."""
    assert found.keys() == expected.keys()
    counts = {name: (Counter(found[name]), Counter(expected[name])) for name in found}
    return {
        name: {"more": dict(mine - other), "less": dict(other - mine)}
        for name, (mine, other) in counts.items()
        if mine != other
    }
