"""Databases of which each fault gets a copy."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.services import answers


def forced() -> str:
    """Return the kind of database that ``TEST_DATABASE`` names, for every test."""
    return os.environ.get("TEST_DATABASE", "")


def on(*kinds: str) -> pytest.MarkDecorator:
    """Return the mark of tests whose world is on some kinds of database.

    Without a mark it is on SQLite: which one does not matter to most faults.
    """
    chosen = [forced()] if forced() else kinds
    return pytest.mark.parametrize("database", chosen, indirect=True)


def postgres_answers() -> bool:
    """Whether PostgreSQL is where the tests look for it."""
    host = os.environ.get("PGHOST", "127.0.0.1")
    return answers(host, int(os.environ.get("PGPORT", "5432")))


class Database:
    """Copies of one migrated database, of the kind ``"sqlite"`` or ``"postgres"``."""

    def __init__(self, kind: str, scratch: Path, loopback: str) -> None:
        self.kind = kind
        self.loopback = loopback
        self._stem = f"chatkit_faults_{os.getpid()}"
        self._count = 0
        self._scratch = scratch
        self.template = str(scratch / "template.sqlite3")
        if kind == "postgres":
            self.template = f"{self._stem}_template"
            self.execute(f"CREATE DATABASE {self.template}")

    def copy(self) -> str:
        """Return the name of a new copy of the template."""
        self._count += 1
        if self.kind == "postgres":
            name = f"{self._stem}_{self._count}"
            self.execute(f"CREATE DATABASE {name} TEMPLATE {self.template}")
            return name
        name = str(self._scratch / f"{self._count}.sqlite3")
        shutil.copyfile(self.template, name)
        return name

    def drop(self, name: str) -> None:
        """Delete a database, whoever is connected to it."""
        if self.kind == "postgres":
            self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        else:
            for path in Path(name).parent.glob(f"{Path(name).name}*"):
                path.unlink(missing_ok=True)

    def held(self, name: str) -> bool:
        """Whether a transaction in a database stays open."""
        if self.kind != "postgres":
            with closing(sqlite3.connect(name, 1, isolation_level=None)) as connection:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    return True
                return False
        deadline = time.monotonic() + 1
        sql = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name}' AND xact_start"
        while self.execute(f"{sql} IS NOT NULL"):
            if time.monotonic() > deadline:
                return True
            time.sleep(0.01)
        return False

    def execute(self, sql: str) -> list[Any]:
        """Execute a statement in PostgreSQL's own database."""
        import psycopg

        with psycopg.connect(
            host=os.environ.get("PGHOST", "127.0.0.1"),
            port=os.environ.get("PGPORT", "5432"),
            user=os.environ.get("PGUSER", "postgres"),
            dbname="postgres",
            autocommit=True,
        ) as connection:
            # Names of our own: nothing of this comes from outside.
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []
