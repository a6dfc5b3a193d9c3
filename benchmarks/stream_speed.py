"""How fast streams are: their events, and conversations by the thousand."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from statistics import median
from typing import Any

from stream_bench import Bench, Server

Table = tuple[list[str], Iterator[list[str]]]
SDK = ("SDK", "memory")
# Each with who stands at the same door.
ROWS = {
    SDK: SDK,
    ("consumer", "SQLite"): SDK,
    ("consumer", "PostgreSQL"): SDK,
    ("SDK view", "SQLite"): ("SDK view", "SQLite"),
    ("view", "SQLite"): ("SDK view", "SQLite"),
    ("SDK view", "PostgreSQL"): ("SDK view", "PostgreSQL"),
    ("view", "PostgreSQL"): ("SDK view", "PostgreSQL"),
}
# Connections that PostgreSQL gives to a thousand conversations.
LIMIT = 20


def speed(bench: Bench) -> Table:
    """Return header and rows of the table of events a second."""
    header = ["streams", "door", "database", "ratio", "first ratio", "at the door"]
    header += ["CPU ratio", "events/s", "first event ms", "first text ms"]
    header += ["CPU us/event"]

    def rows() -> Iterator[list[str]]:
        variants = list(ROWS)[:-2] if bench.quick else list(ROWS)
        for streams in (1, 50):
            taken: dict[tuple[str, str], list[dict[str, float]]]
            taken = {row: [] for row in variants}
            # The variants take turns, so that a noisy minute of the machine meets all.
            for _ in range(1 if bench.quick else 3):
                for row in variants:
                    with bench.server(*row, model="text") as server:
                        taken[row].append(conversations(server, streams))
            for row, own in taken.items():
                yield [
                    str(streams),
                    *row,
                    f"{compared(own, taken[SDK], 'speed'):.2f}",
                    f"{compared(taken[SDK], own, 'first'):.2f}",
                    f"{compared(taken[ROWS[row]], own, 'first'):.2f}",
                    f"{compared(taken[SDK], own, 'cost'):.2f}",
                    f"{median(one['speed'] for one in own):.0f}",
                    f"{median(one['first'] for one in own) * 1000:.0f}",
                    f"{median(one['delta'] for one in own) * 1000:.0f}",
                    f"{median(one['cost'] for one in own) * 1e6:.0f}",
                ]

    return header, rows()


def conversations(server: Server, streams: int) -> dict[str, float]:
    """Return the figures of some conversations that start together."""
    # The first ones of a process import, compile and connect; they are not measured.
    server.converse(2)
    server.converse(streams)
    taken = []
    # One stream alone is over soon: it is measured some times.
    for _ in range(max(1, 10 // streams)):
        server.rest()
        busy = server.busy()
        seen = server.converse(streams)
        busy = server.busy() - busy
        taken.append(
            {
                "speed": seen["events"] / seen["seconds"],
                "first": median(seen["first"]),
                "delta": median(seen["delta"]),
                "cost": busy / seen["events"],
            }
        )
    return {name: median(one[name] for one in taken) for name in taken[0]}


def compared(
    some: list[dict[str, float]], others: list[dict[str, float]], name: str
) -> float:
    """Return the median of the rounds' ratios."""
    pairs = zip(*([one[name] for one in side] for side in (some, others)), strict=True)
    return median(operator.truediv(*pair) for pair in pairs)


def generations(bench: Bench) -> Table:
    """Return header and rows of the table of many conversations with images."""
    header = ["conv.", "image", "completed", "images", "wall s", "first event s"]
    header += [f"connections of {LIMIT}", "threads", "KB/conv."]

    def rows() -> Iterator[list[str]]:
        if bench.quick:
            yield generation_row(bench, 250, 5)
        else:
            # Longer than it takes until all of them have begun.
            yield generation_row(bench, 1000, 40)

    return header, rows()


def generation_row(bench: Bench, streams: int, seconds: int) -> list[str]:
    """Return the row of some conversations whose images take some seconds."""
    with bench.server("consumer", model=f"image@{seconds}") as server:
        server.database.limit(LIMIT)
        server.converse()
        memory = server.settled()
        before = server.database.statuses()["completed"]
        with server.watching() as peak:
            seen: dict[str, Any] = server.converse(streams)
        server.database.limit(-1)
        return [
            str(streams),
            f"{seconds} s",
            str(server.database.statuses()["completed"] - before),
            str(seen["images"]),
            f"{seen['seconds']:.1f}",
            f"{median(seen['first']):.1f}",
            str(peak["connections"]),
            str(peak["threads"]),
            f"{(peak['memory'] - memory) / streams:.0f}",
        ]
