"""Measure what an ordinary person has of their neighbours' attacks."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from itertools import product
from math import ceil
from pathlib import Path
from statistics import median

import neighbours_files
from neighbours_attacks import ATTACKS
from neighbours_bench import Cores, Neighbours, Row, Settings, Side
from neighbours_person import METRICS
from stream_databases import Databases
from stream_processes import line_of, spawn
from tables import print_table

# What is permitted: so many times what the empty view costs, or so many seconds more,
# and so many MB.
TIMES, SECONDS, MEMORY = 2, 0.15, 256
ROWS = ["none", *ATTACKS, "fleet"]
HEADER = ["attack", "door", "server", "database"]
HEADER += [f"{metric} x" for metric in METRICS]
HEADER += ["MB", "spool", "failed", "verdict"]
HEADER += [f"{metric} ms" for metric in METRICS]
HEADER += ["attackers got"]
DESCRIPTION = """\
An ordinary person (chat with an image and previews, upload of a photo, loading images,
lists) beside visitors who attack this app. The same is measured beside the same attack
on an empty Django view in the same server.
"""
EPILOG = f"""\
x        the person's time beside the attack on the app, divided by that beside the
         empty view: medians / 95th percentiles
MB       by how much the server grew at most: app (empty view)
spool    the person's files that went to the spool
failed   the person's requests that failed, by reason: app (empty view)
ms       the person's times, median / 95th percentile: app (empty view)
verdict  "ok", or what was missed: a time above {TIMES} x the empty view's and more than
         {SECONDS * 1000:.0f} ms above it; more than {MEMORY} MB; a file in the spool;
         more failures than beside the empty view

"none" is the person alone, which shows the noise. In "fleet" each visitor begins with
another attack and goes through all of them.
"""


def main() -> None:
    """Measure and print."""
    options = arguments()
    settings = Settings(
        seconds=options.seconds,
        renew=options.sessions,
        traffic=options.traffic,
        memory=int(options.memory * 2**30),
        app=options.settings,
    )
    # Looked at before this process, and with it its children, is held to some of them.
    cores = Cores()
    os.sched_setaffinity(0, cores.others)
    with tempfile.TemporaryDirectory(prefix="chatkit-images-benchmark-") as folder:
        databases = Databases(Path(folder), options.postgres)
        try:
            with spawn("neighbours_model.py", "2MB") as model:
                photo = neighbours_files.photo()
                url = line_of(model)
                bench = Neighbours(databases, url, photo, settings, cores)
                print_table(HEADER, table(bench, options))
        finally:
            databases.close()


def table(bench: Neighbours, options: argparse.Namespace) -> Iterator[list[str]]:
    """Yield a row for each attack, door, server and database."""
    for database, server, door, name in product(
        options.databases, options.servers, options.doors, options.attacks
    ):
        attacks, visitors = [name], options.attackers
        if name == "fleet":
            attacks, visitors = list(ATTACKS), options.fleet
        elif name == "none":
            visitors = 0
        row = Row(name, attacks, visitors, door, server, database)
        yield cells(row, *bench.measure(row))


def cells(row: Row, app: Side, empty: Side) -> list[str]:
    """Return the cells of a row."""
    pairs = [(app.times[metric], empty.times[metric]) for metric in METRICS]
    missed = misses(app, empty)
    return [
        *(row.name, row.door, row.server, row.database),
        *(" / ".join(f"{of(a) / of(e):.1f}" for of in FIGURES) for a, e in pairs),
        f"{megabytes(app)} ({megabytes(empty)})",
        str(app.spooled.get("person", 0) + app.spooled.get("unknown", 0)),
        f"{counted(app.failed)} ({counted(empty.failed)})",
        f"MISSED: {', '.join(missed)}" if missed else "ok",
        *(f"{milliseconds(a)} ({milliseconds(e)})" for a, e in pairs),
        f"{counted(app.statuses)} ({counted(empty.statuses)})",
    ]


def misses(app: Side, empty: Side) -> list[str]:
    """Return what is more than permitted."""
    missed = [
        metric
        for metric in METRICS
        if any(
            of(app.times[metric])
            > max(TIMES * of(empty.times[metric]), SECONDS + of(empty.times[metric]))
            for of in FIGURES
        )
    ]
    if app.memory is None or app.memory > MEMORY:
        missed.append("memory")
    if app.spooled.get("person", 0) + app.spooled.get("unknown", 0):
        missed.append("spool")
    if sum(app.failed.values()) > sum(empty.failed.values()):
        missed.append("failed")
    return missed


def most(times: list[float]) -> float:
    """Return the 95th percentile."""
    return sorted(times)[ceil(len(times) * 0.95) - 1]


FIGURES = (median, most)


def milliseconds(times: list[float]) -> str:
    """Return median and 95th percentile."""
    return " / ".join(f"{of(times) * 1000:.0f}" for of in FIGURES)


def megabytes(side: Side) -> str:
    """Return by how much a server grew."""
    return "died" if side.memory is None else f"{side.memory:.0f}"


def counted(numbers: dict[str, int]) -> str:
    """Return how often there was what."""
    return " ".join(f"{name}:{count}" for name, count in sorted(numbers.items())) or "0"


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, choices in (
        ("doors", ["view", "consumer"]),
        ("servers", ["uvicorn", "daphne"]),
        ("databases", ["SQLite", "PostgreSQL"]),
        ("attacks", ROWS),
    ):
        help = f"of {', '.join(choices)} (default: all)"
        parser.add_argument(
            f"--{name}",
            nargs="+",
            choices=choices,
            default=choices,
            metavar="NAME",
            help=help,
        )
    for name, kind, default, text in (
        ("seconds", float, 60, "how long each side of a row lasts"),
        ("attackers", int, 1, "visitors who attack together in a row"),
        ("fleet", int, 6, "visitors of the fleet"),
        ("sessions", int, 0, "requests of a session, then a new one; 0: it is kept"),
        ("memory", float, 10, "GB of address space that the server gets"),
        ("settings", json.loads, {}, "settings of the app, as JSON"),
    ):
        help = f"{text} (default: {default})"
        parser.add_argument(f"--{name}", type=kind, default=default, help=help)
    parser.add_argument(
        "--traffic",
        choices=["repeat", "same"],
        default="repeat",
        help="what the empty view gets: the attack repeated as fast as the view "
        "answers (default), or just what the app got, at the same times",
    )
    parser.add_argument(
        "--postgres",
        default="host=127.0.0.1 user=postgres dbname=postgres",
        help="a superuser's connection; the databases are made and dropped",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
