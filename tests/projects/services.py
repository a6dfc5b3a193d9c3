"""What the projects need beside themselves: databases, a pooler, an environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from tempfile import NamedTemporaryFile
from typing import Any

from tests.ports import free_port
from tests.servers.browsing import until
from tests.services import absent, answers

PG_HOST = os.environ.get("PGHOST", "127.0.0.1")
PG_PORT = os.environ.get("PGPORT", "5432")
PG_USER = os.environ.get("PGUSER", "postgres")
POSTGRES = {"PGHOST": PG_HOST, "PGPORT": PG_PORT, "PGUSER": PG_USER}
MYSQL = {
    "MYSQL_HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
    "MYSQL_TCP_PORT": os.environ.get("MYSQL_TCP_PORT", "3306"),
    "MYSQL_USER": os.environ.get("MYSQL_USER", "root"),
    "MYSQL_PWD": os.environ.get("MYSQL_PWD", ""),
}


def psql(database: str) -> Any:
    """Connect to a PostgreSQL database; each statement is a transaction."""
    import psycopg

    place = {"host": PG_HOST, "port": PG_PORT, "user": PG_USER}
    return psycopg.connect(dbname=database, autocommit=True, **place)


@contextmanager
def postgres(*names: str) -> Iterator[dict[str, str]]:
    """Make PostgreSQL databases, whose names stand in variables of these names."""
    if not answers(PG_HOST, int(PG_PORT)):
        absent("PostgreSQL")
    made = {name: f"chatkit_projects_{os.getpid()}_{name.lower()}" for name in names}
    with psql("postgres") as connection:
        for name in made.values():
            connection.execute(f"CREATE DATABASE {name}")
    try:
        yield made | POSTGRES
    finally:
        with psql("postgres") as connection:
            for name in made.values():
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def mariadb(name: str) -> Iterator[dict[str, str]]:
    """Make a database of MariaDB, whose name stands in a variable of this name."""
    if not answers(MYSQL["MYSQL_HOST"], int(MYSQL["MYSQL_TCP_PORT"])):
        absent("MariaDB")
    import MySQLdb

    def execute(statement: str) -> None:
        host, port, user, password = MYSQL.values()
        place = {"host": host, "port": int(port), "user": user, "password": password}
        with closing(MySQLdb.connect(**place)) as connection:
            connection.cursor().execute(statement)

    made = f"chatkit_projects_{os.getpid()}"
    execute(f"CREATE DATABASE {made} CHARACTER SET utf8mb4")
    try:
        yield MYSQL | {name: made}
    finally:
        execute(f"DROP DATABASE IF EXISTS {made}")


@contextmanager
def pgbouncer(name: str) -> Iterator[dict[str, str]]:
    """Make a PostgreSQL database behind a pgbouncer that pools by transaction."""
    if shutil.which("pgbouncer") is None:
        absent("pgbouncer")
    with postgres(name) as environment:
        port = str(free_port())
        options = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": 3,
            "max_client_conn": 100,
        }
        lines = [
            "[databases]",
            f"* = host={PG_HOST} port={PG_PORT} user={PG_USER}",
            "[pgbouncer]",
            *(f"{key} = {value}" for key, value in options.items()),
        ]
        with NamedTemporaryFile("w", suffix=".ini") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            command = ["pgbouncer", "--quiet", file.name]
            if os.getuid() == 0:
                # It refuses to work as root.
                command[1:1] = ["--user", "nobody"]
            child = subprocess.Popen(command)
            try:
                until(lambda: answers("127.0.0.1", int(port)), what="pgbouncer")
                yield environment | {"PGHOST": "127.0.0.1", "PGPORT": port}
            finally:
                child.terminate()
                child.wait(30)


def copy_rows(source: str, target: str) -> None:
    """Make a PostgreSQL database hold the rows of another one, as a replica does."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with psql(source) as here:
        names = [name for (name,) in here.execute(tables)]
    with psql(target) as there:
        empty = not list(there.execute(tables))
    if empty:
        # Nobody is connected to either yet.
        with psql("postgres") as connection:
            connection.execute(f"DROP DATABASE {target}")
            connection.execute(f"CREATE DATABASE {target} TEMPLATE {source}")
        return
    with psql(source) as here, psql(target) as there, there.transaction():
        # Not in the order of the foreign keys.
        there.execute("SET LOCAL session_replication_role = replica")
        for name in names:
            there.execute(f'DELETE FROM "{name}"')
            with (
                here.cursor().copy(f'COPY "{name}" TO STDOUT') as rows,
                there.cursor().copy(f'COPY "{name}" FROM STDIN') as copy,
            ):
                for data in rows:
                    copy.write(data)
