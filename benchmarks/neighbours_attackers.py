"""The attackers: a process of its own, held to one core and behind all others there.

It prints a line when it is ready. Each line of its input, a JSON object, begins an
attack on the server at a port; the next line ends it, and it prints what came back.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from contextlib import suppress
from typing import Any

from neighbours_attacks import ATTACKS, prepare
from neighbours_traffic import Traffic, Visitor

NICE = 10


async def main() -> None:
    """Attack as often as the input says, then end."""
    cell = json.loads(sys.argv[1])
    os.sched_setaffinity(0, cell["cores"])
    # Only what is left of the core: the person's clock is there.
    os.nice(NICE)
    before: Traffic | None = None
    prepare(cell["attacks"])
    report({"ready": True})
    while line := await next_line():
        asked = json.loads(line)
        traffic = Traffic(asked["port"], asked["empty"])
        if asked["empty"] and before and cell["traffic"] == "same":
            work = traffic.again(before)
        else:
            work = attack(cell, traffic)
        task = asyncio.create_task(work)
        await next_line()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        before = traffic
        report(dict(+traffic.statuses))


async def attack(cell: dict[str, Any], traffic: Traffic) -> None:
    """Let each visitor begin with another attack of the cell's."""
    async with asyncio.TaskGroup() as group:
        for number in range(cell["visitors"]):
            names = cell["attacks"]
            turn = number % len(names)
            visitor = Visitor(traffic, number, cell["renew"])
            group.create_task(rage(visitor, names[turn:] + names[:turn]))


async def rage(visitor: Visitor, names: list[str]) -> None:
    """Attack until the end."""
    await visitor.arrive()
    for name in itertools.cycle(names):
        await ATTACKS[name](visitor)


async def next_line() -> str:
    """Return the next line of the input; it is empty when nobody writes any more."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, sys.stdin.readline)


def report(values: dict[str, Any]) -> None:
    """Print a line."""
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
