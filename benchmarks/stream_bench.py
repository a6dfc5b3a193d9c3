"""A measured server with what the tables ask of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from message import BODY
from stream_databases import Database, Databases
from stream_processes import Clients, Observed, run_clients, run_server

TOKEN = "a" * 32


class Server(Observed):
    """A server that is running, and who asks it."""

    def __init__(self, pid: int, port: int, database: Database) -> None:
        super().__init__(pid, database.connections)
        self.port = port
        self.database = database

    def request(self, path: str = "", **headers: str) -> str:
        """Return a request: a new thread, or what is at a path."""
        cookies = f"sessionid={self.database.session}; csrftoken={TOKEN}"
        headers = {
            "Host": f"127.0.0.1:{self.port}",
            "Connection": "close",
            "Cookie": cookies,
            "X-CSRFToken": TOKEN,
        } | headers
        body = "" if path else BODY.decode()
        if body:
            headers["Content-Type"] = "application/json"
            headers["Content-Length"] = str(len(body))
        lines = [f"{'GET' if path else 'POST'} /chatkit/{path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", body])

    def clients(
        self, streams: int, path: str = "", **cell: Any
    ) -> AbstractContextManager[Clients]:
        """Run clients that ask for a new thread each, or for what is at a path."""
        headers = cell.pop("headers", {})
        request = self.request(path, **headers)
        return run_clients(port=self.port, streams=streams, request=request, **cell)

    def converse(self, streams: int = 1) -> dict[str, Any]:
        """Hold conversations that start together, and return what was seen."""
        with self.clients(streams) as clients:
            return clients.seen()

    @contextmanager
    def held_run(self) -> Iterator[str]:
        """Begin a run that is held, and yield the path of its events."""
        headers = {"ChatKit-Resume": "1"}
        with self.clients(1, hold=True, headers=headers) as clients:
            found = re.search(r"(?i)chatkit-run: (\S+)", clients.opened["head"])
            assert found is not None, clients.opened
            yield f"runs/{found[1]}/events/"


class Bench:
    """Runs servers, each in a fresh process with a fresh database."""

    def __init__(self, databases: Databases, url: str, quick: bool) -> None:
        self._databases = databases
        self._url = url
        self.quick = quick

    @contextmanager
    def server(
        self, door: str, engine: str = "PostgreSQL", **cell: Any
    ) -> Iterator[Server]:
        """Run a server for a while."""
        with self._databases.new(engine) as database:
            cell |= {"door": door, "url": self._url} | database.cell
            with run_server(cell) as (pid, port):
                yield Server(pid, int(port), database)
