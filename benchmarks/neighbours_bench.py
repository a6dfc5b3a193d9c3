"""One measurement with neighbours: a server, a person, and an attack beside them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neighbours_person import Person
from neighbours_server import SPOOLED
from stream_bench import Server
from stream_databases import Databases
from stream_processes import line_of, spawn


@dataclass(frozen=True)
class Row:
    """What is measured: which attacks, by how many visitors, on which server."""

    name: str
    attacks: list[str]
    visitors: int
    door: str
    server: str
    database: str


@dataclass(frozen=True)
class Side:
    """What was seen beside the app under attack, or beside the empty view.

    Attributes:
        times: The person's seconds, by metric.
        failed: The person's requests that failed, by reason.
        memory: MB by which the server grew at most; ``None`` if it has died.
        spooled: Files that went to the spool, by whose they were.
        statuses: What the attackers got.
    """

    times: dict[str, list[float]]
    failed: dict[str, int]
    memory: float | None
    spooled: dict[str, int]
    statuses: dict[str, int]


@dataclass(frozen=True)
class Settings:
    """What all measurements have in common.

    Attributes:
        seconds: How long each side lasts.
        renew: After so many requests a visitor begins a new session; 0 for never.
        traffic: Whether attackers ``repeat`` the attack as fast as the empty view
            answers, or send it the ``same`` traffic that the app got.
        memory: Bytes of address space that the server gets.
        app: Settings of the app that are other than its defaults.
    """

    seconds: float = 60
    renew: int = 0
    traffic: str = "repeat"
    memory: int = 10 * 2**30
    app: dict[str, Any] | None = None


class Cores:
    """Which cores the attackers, the server and all others have.

    With one core for all there is nothing to measure, but it runs.
    """

    def __init__(self) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self.attackers = cores[:1]
        self.server = cores[1:2] or cores
        self.others = [core for core in cores if core not in self.server] or cores


class Attackers:
    """The process of the attackers; see ``neighbours_attackers.py``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        line_of(process)

    def begin(self, port: int, empty: bool) -> None:
        """Begin to attack."""
        self._tell(json.dumps({"port": port, "empty": empty}))

    def end(self) -> dict[str, int]:
        """End the attack, and return what the attackers got."""
        self._tell("")
        got: dict[str, int] = json.loads(line_of(self._process))
        return got

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


class Neighbours:
    """Measures rows, each side in a fresh server with a fresh database."""

    def __init__(
        self,
        databases: Databases,
        url: str,
        photo: bytes,
        settings: Settings,
        cores: Cores | None = None,
    ) -> None:
        self._databases = databases
        self._url = url
        self._photo = photo
        self._settings = settings
        self._cores = cores or Cores()

    def measure(self, row: Row) -> tuple[Side, Side]:
        """Return what was seen beside the app under attack, and the empty view."""
        cell = {
            "attacks": row.attacks,
            "visitors": row.visitors,
            "renew": self._settings.renew,
            "traffic": self._settings.traffic,
            "cores": self._cores.attackers,
        }
        with spawn("neighbours_attackers.py", json.dumps(cell)) as process:
            attackers = Attackers(process)
            app = self._side(row, attackers, empty=False)
            return app, self._side(row, attackers, empty=True)

    def _side(self, row: Row, attackers: Attackers, empty: bool) -> Side:
        with self._server(row) as (process, server):
            person = Person(server.port, server.database.session, self._photo)
            asyncio.run(person.warm())
            server.rest()
            base = server.memory()
            # The most memory begins anew: exact, however short it is.
            Path(f"/proc/{server.pid}/clear_refs").write_text("5")
            attackers.begin(server.port, empty)
            asyncio.run(person.live(self._settings.seconds))
            statuses = attackers.end()
            died = process.poll() is not None
            return Side(
                times=person.times,
                failed=dict(person.failed),
                memory=None if died else (server.most_memory() - base) / 1024,
                spooled=spooled(server.database.cell["folder"]),
                statuses=statuses,
            )

    @contextmanager
    def _server(self, row: Row) -> Iterator[tuple[subprocess.Popen[str], Server]]:
        with self._databases.new(row.database) as database:
            cell = database.cell | {
                "door": row.door,
                "server": row.server,
                "url": self._url,
                "cores": self._cores.server,
                "memory": self._settings.memory,
                "settings": self._settings.app or {},
            }
            with spawn("neighbours_server.py", json.dumps(cell)) as process:
                port = int(line_of(process))
                yield process, Server(process.pid, port, database)


def spooled(folder: str) -> dict[str, int]:
    """Return whose files went to the spool; see ``neighbours_server.py``."""
    path = Path(folder, SPOOLED)
    return Counter(path.read_text().split()) if path.exists() else {}
