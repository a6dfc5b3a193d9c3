"""Databases for the measured processes: each gets a new one."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from stream_processes import run_server

COUNT = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
FINISHED = "SELECT status, count(*) FROM chatkit_images_run GROUP BY status"


@dataclass
class Database:
    """A database with one user and their session.

    Attributes:
        session: The key of the session.
        cell: What the measured process has to know of it.
        role: Name of its PostgreSQL role, and of nothing else; empty for SQLite.
    """

    session: str
    cell: dict[str, Any]
    role: str = ""
    admin: str = field(default="", repr=False)

    def connections(self) -> int:
        """Return how many connections the measured process has, none to SQLite."""
        if not self.role:
            return 0
        with psycopg.connect(self.admin, autocommit=True) as connection:
            return int(connection.execute(COUNT, [self.role]).fetchone()[0])  # type: ignore[index]

    def limit(self, connections: int) -> None:
        """Let PostgreSQL refuse more connections than that; -1 for no limit."""
        statement = f"ALTER ROLE {self.role} CONNECTION LIMIT {connections}"
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def statuses(self) -> dict[str, int]:
        """Return how many runs have which status. Of PostgreSQL only."""
        with psycopg.connect(self.admin, dbname=self.cell["postgres"]["NAME"]) as one:
            return dict(one.execute(FINISHED).fetchall())


class Databases:
    """Makes databases as copies of one that was migrated."""

    def __init__(self, folder: Path, admin: str) -> None:
        self._folder = folder
        self._admin = admin
        self._name = f"chatkit_images_benchmark_{os.getpid()}"
        self._numbers = itertools.count(1)
        self._sessions: dict[str, str] = {}

    @contextmanager
    def new(self, engine: str) -> Iterator[Database]:
        """Yield a database of its own, which is gone afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            if engine == "PostgreSQL":
                with self._postgres(folder) as database:
                    yield database
            else:
                yield self._sqlite(folder)
        finally:
            shutil.rmtree(folder)

    def close(self) -> None:
        """Drop what the copies were made from."""
        if "PostgreSQL" in self._sessions:
            self._execute(f"DROP DATABASE {self._name}", f"DROP ROLE {self._name}")

    def _sqlite(self, folder: Path) -> Database:
        template = self._folder / "template"
        if "SQLite" not in self._sessions:
            template.mkdir()
            self._sessions["SQLite"] = prepare({"folder": str(template)})
        shutil.copy(template / "db.sqlite3", folder)
        return Database(self._sessions["SQLite"], {"folder": str(folder)})

    @contextmanager
    def _postgres(self, folder: Path) -> Iterator[Database]:
        if "PostgreSQL" not in self._sessions:
            self._execute(
                f"CREATE ROLE {self._name} LOGIN",
                f"CREATE DATABASE {self._name} OWNER {self._name}",
            )
            cell = {"folder": str(folder), "postgres": self._settings(self._name)}
            self._sessions["PostgreSQL"] = prepare(cell)
        name = f"{self._name}_{next(self._numbers)}"
        self._execute(
            f"CREATE DATABASE {name} OWNER {self._name} TEMPLATE {self._name}"
        )
        cell = {"folder": str(folder), "postgres": self._settings(name)}
        session = self._sessions["PostgreSQL"]
        try:
            yield Database(session, cell, self._name, self._admin)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _settings(self, name: str) -> dict[str, Any]:
        with psycopg.connect(self._admin) as connection:
            info = connection.info
            settings = {"HOST": info.host, "PORT": info.port}
            # As the documentation says.
            pool = {"pool": {"min_size": 2, "max_size": 20}}
            return settings | {"NAME": name, "USER": self._name, "OPTIONS": pool}

    def _execute(self, *statements: str) -> None:
        with psycopg.connect(self._admin, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]


def prepare(cell: dict[str, Any]) -> str:
    """Migrate a new database and return the key of a session in it."""
    with run_server(cell | {"door": "none"}) as (_, session):
        return session
