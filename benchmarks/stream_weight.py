"""What streams take while they are silent, and while their client is."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median, quantiles

from stream_bench import Bench, Server
from stream_speed import Table

AT_ONCE = 20
HELD = "held@3600"
# Through the view each takes a thread and a connection, and PostgreSQL has a hundred.
FEW = 50
# Longer than any of this takes, so that nothing but the streams is measured.
SILENT = {"TUNING": {"HEARTBEAT_SECONDS": 3600}}
FLOODED = {"SERVER": "stream_apps.FloodServer", "TUNING": {"RUN_LOG_SECONDS": 1}}
# The smallest that Linux gives, and seconds within which a flood is over.
BUFFER, PATIENCE = 2048, 120


def idle(bench: Bench) -> Table:
    """Return header and rows of the table of silent streams."""
    header = ["door", "what", "streams", "KB/stream", "less bare", "threads"]
    header += ["connections"]
    many = 1000 if bench.quick else 4000

    def rows() -> Iterator[list[str]]:
        bare = 0.0
        for door, what, engine, streams in (
            ("bare", "nothing", "memory", many),
            ("consumer", "readers", "PostgreSQL", many),
            ("view", "readers", "PostgreSQL", FEW),
            ("SDK", "runs", "memory", many),
            ("consumer", "runs", "PostgreSQL", many),
        ):
            with bench.server(door, engine, model=HELD, settings=SILENT) as server:
                if what == "readers":
                    with server.held_run() as path:
                        weight = weighed(server, streams, path)
                else:
                    weight = weighed(server, streams)
            bare = bare or weight.memory
            yield [
                door,
                what,
                str(streams),
                f"{weight.memory:.1f}",
                f"{weight.memory - bare:.1f}",
                "{} -> {}".format(*weight.threads),
                "{} -> {}".format(*weight.connections),
            ]

    return header, rows()


@dataclass
class Weight:
    """What some streams have taken.

    Attributes:
        memory: KB of each.
        threads: How many there were before, and the most since.
        connections: The same of those to the database.
    """

    memory: float
    threads: tuple[int, int]
    connections: tuple[int, int]


def weighed(server: Server, streams: int, path: str = "") -> Weight:
    """Return what some streams take that are opened and held."""
    # The first ones import, and fill what the allocator has.
    with server.clients(FEW, path, hold=True, at_once=AT_ONCE) as clients:
        clients.close()
    before, threads = server.settled(), server.threads()
    connections = server.connections()
    with (
        server.watching() as peak,
        server.clients(streams, path, hold=True, at_once=AT_ONCE),
    ):
        memory = (server.settled() - before) / streams
    return Weight(
        memory,
        (threads, peak["threads"]),
        (connections, peak["connections"]),
    )


def heartbeats(bench: Bench) -> Table:
    """Return header and rows of the table of the comments of silent streams."""
    header = ["door", "streams", "late ms, median", "p99", "most", "CPU %"]

    def rows() -> Iterator[list[str]]:
        for door, streams in (("bare", 1000), ("consumer", 1000), ("view", FEW)):
            settings = {"TUNING": {"HEARTBEAT_SECONDS": 1}}
            with (
                bench.server(door, model=HELD, settings=settings) as server,
                nullcontext("") if door == "bare" else server.held_run() as path,
                server.clients(streams, path, hold=True, at_once=AT_ONCE) as clients,
            ):
                opened, busy, began = time.perf_counter(), server.busy(), time.time()
                time.sleep(10 if bench.quick else 30)
                share = (server.busy() - busy) / (time.time() - began)
                # All clocks of a machine that count from its start agree.
                beats = [
                    [beat for beat in stream if beat > opened]
                    for stream in clients.close()["beats"]
                ]
            late = [
                later - earlier - 1
                for stream in beats
                for earlier, later in itertools.pairwise(stream)
            ]
            yield [
                door,
                str(sum(map(bool, beats))),
                f"{median(late) * 1000:.1f}",
                f"{quantiles(late, n=100)[-1] * 1000:.1f}",
                f"{max(late) * 1000:.1f}",
                f"{share * 100:.0f}",
            ]

    return header, rows()


def unread(bench: Bench) -> Table:
    """Return header and rows of the table of a client that does not read."""
    header = ["server", "door", "growth MB", "if it reads MB", "run ended"]

    def rows() -> Iterator[list[str]]:
        for name, door in itertools.product(
            ("uvicorn", "daphne"),
            ("consumer",) if bench.quick else ("consumer", "view"),
        ):
            with bench.server(door, server=name, settings=FLOODED) as server:
                flood(server, reads=True)
                read, _ = flood(server, reads=True)
                growth, ended = flood(server, reads=False)
            verdict = "yes" if ended else "no"
            yield [name, door, f"{growth:.1f}", f"{read:.1f}", verdict]

    return header, rows()


def flood(server: Server, reads: bool) -> tuple[float, bool]:
    """Return by how many MB a flood makes a server grow, and whether it ended."""
    # The log of the flood before is gone by then.
    time.sleep(2)
    before, ended = server.settled(), server.database.statuses().get("completed", 0)
    with server.watching() as peak:
        if reads:
            server.converse()
        else:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
                client.connect(("127.0.0.1", server.port))
                client.sendall(server.request().encode())
                until = time.monotonic() + PATIENCE
                while time.monotonic() < until:
                    time.sleep(0.5)
                    if server.database.statuses().get("completed", 0) > ended:
                        break
                time.sleep(1)
    growth = (peak["memory"] - before) / 1024
    return growth, server.database.statuses().get("completed", 0) > ended
