"""The data of processes: files and a database of their own, kept and restored."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.faults.world import ForkServer
from tests.settings import DATABASES

DATABASE: dict[str, Any] = DATABASES["default"]
VENDOR = DATABASE["ENGINE"].rpartition(".")[2]


class Home:
    """A directory, and the database that ``TEST_DATABASE`` says.

    Args:
        folder: Where the directory and copies of it go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.path = folder, folder / "home"
        self._name = f"drift_{os.getpid()}"
        self._kept: set[str] = set()
        self.env = {"DRIFT_HOME": str(self.path)}
        self.path.mkdir()
        self._parent = ForkServer(folder, "tests.drift.process")
        if VENDOR != "sqlite3":
            self.env["DRIFT_DATABASE"] = self._name
            self._make(self._name)

    def process(
        self, function: str, *args: str, may_die: bool = False, **env: str
    ) -> Any:
        """Return what a function of ``process`` returns; ``None`` if it was killed."""
        result, log = self._folder / "result.json", self._folder / "process.log"
        result.unlink(missing_ok=True)
        environment = {"DJANGO_SETTINGS_MODULE": "tests.drift.settings"}
        environment |= self.env | env
        pid = self._parent.spawn(function, environment, log, result, args=args)
        ended = self._parent.wait(pid, 300)
        if may_die and ended == -signal.SIGKILL:
            return None
        assert ended == 0, (ended, log.read_text())
        return json.loads(result.read_text())

    def keep(self, moment: str) -> None:
        """Keep what there is."""
        shutil.copytree(self.path, self._folder / moment)
        if VENDOR == "postgresql":
            kept = f"{self._name}_{moment}"
            _sql(f"CREATE DATABASE {kept} TEMPLATE {self._name}")
        elif VENDOR == "mysql":
            with (self._folder / f"{moment}.sql").open("wb") as file:
                _client("mariadb-dump", self._name, stdout=file)
        self._kept.add(moment)

    def restore(self, moment: str) -> None:
        """Have all as it was when it was kept."""
        shutil.rmtree(self.path)
        shutil.copytree(self._folder / moment, self.path)
        if VENDOR != "sqlite3":
            self._drop(self._name)
        if VENDOR == "postgresql":
            kept = f"{self._name}_{moment}"
            _sql(f"CREATE DATABASE {self._name} TEMPLATE {kept}")
        elif VENDOR == "mysql":
            self._make(self._name)
            with (self._folder / f"{moment}.sql").open("rb") as file:
                _client("mariadb", self._name, stdin=file)

    def forget(self, moment: str) -> None:
        """Keep a moment no longer."""
        shutil.rmtree(self._folder / moment)
        self._kept.discard(moment)
        if VENDOR == "postgresql":
            self._drop(f"{self._name}_{moment}")

    def close(self) -> None:
        """End all processes, and drop all databases."""
        self._parent.close()
        for moment in list(self._kept):
            self.forget(moment)
        if VENDOR != "sqlite3":
            self._drop(self._name)

    def _make(self, name: str) -> None:
        more = " CHARACTER SET utf8mb4" if VENDOR == "mysql" else ""
        _sql(f"CREATE DATABASE {name}{more}")

    def _drop(self, name: str) -> None:
        # A process that was killed may be connected for a moment.
        force = " WITH (FORCE)" if VENDOR == "postgresql" else ""
        _sql(f"DROP DATABASE IF EXISTS {name}{force}")


def _sql(statement: str) -> None:
    if VENDOR == "postgresql":
        import psycopg

        with psycopg.connect(
            host=DATABASE["HOST"],
            port=DATABASE["PORT"],
            user=DATABASE["USER"],
            password=DATABASE["PASSWORD"],
            dbname=DATABASE["NAME"],
            autocommit=True,
        ) as connection:
            connection.execute(statement)
    else:
        _client("mariadb", "-e", statement)


def _client(program: str, *args: str, **files: Any) -> None:
    options = [f"--{name}={DATABASE[name.upper()]}" for name in ("host", "port")]
    login = [f"--user={DATABASE['USER']}"]
    env = os.environ | {"MYSQL_PWD": DATABASE["PASSWORD"]}
    subprocess.run([program, *options, *login, *args], env=env, check=True, **files)
