"""The kinds of projects: what each needs beside its files, and how it differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from . import services

Environment = dict[str, str]


def nothing() -> AbstractContextManager[Environment]:
    """Return an environment without services."""
    return nullcontext({})


@dataclass(frozen=True)
class Kind:
    """A kind of project.

    Attributes:
        name: Of its folder in ``kinds``.
        services: What makes the services, and the environment that tells of them.
        prefix: Path of the chat endpoint, as the project's server sees it.
        script: What a proxy takes off before it.
        aliases: The databases that are checked.
        migrations: Arguments of the commands that make the tables.
        warnings: Ids of what ``check`` says, which is true and cannot be helped.
        page: Origin of the page, if it is another one than Django's.
        tenants: Whether work goes on in several schemas.
        redis: Whether the processes share the logs of runs.
        late: What brings to staff what was written meanwhile.
    """

    name: str
    services: Callable[[], AbstractContextManager[Environment]] = nothing
    prefix: str = "/chatkit/"
    script: str = ""
    aliases: tuple[str, ...] = ()
    migrations: tuple[tuple[str, ...], ...] = (("migrate",),)
    warnings: frozenset[str] = frozenset()
    page: str = ""
    tenants: bool = False
    redis: bool = False
    late: Callable[[Environment], Any] = field(default=lambda environment: None)

    def __str__(self) -> str:
        return self.name


def one_database() -> AbstractContextManager[Environment]:
    """Return a context with a PostgreSQL database."""
    return services.postgres("DATABASE")


KINDS = (
    Kind(
        "tenants",
        one_database,
        migrations=(("migrate_schemas",),),
        tenants=True,
        redis=True,
    ),
    Kind(
        "replica",
        lambda: services.postgres("DATABASE", "REPLICA"),
        redis=True,
        late=lambda names: services.copy_rows(names["DATABASE"], names["REPLICA"]),
    ),
    Kind("custom_user", redis=True),
    Kind("non_english"),
    Kind("prefix", prefix="/api/v2/chat/", script="/shop", redis=True),
    Kind(
        "second_database",
        one_database,
        aliases=("default", "second"),
        migrations=(("migrate", "--database", "second"),),
        redis=True,
    ),
    Kind(
        "empty_default",
        one_database,
        aliases=("main",),
        migrations=(("migrate", "--database", "main"),),
    ),
    Kind(
        "mariadb",
        lambda: services.mariadb("DATABASE"),
        aliases=("default",),
        # MariaDB has no conditional constraints.
        warnings=frozenset(["models.W036"]),
        redis=True,
    ),
    Kind("pgbouncer", lambda: services.pgbouncer("DATABASE")),
    Kind("naive_times"),
    Kind("drf_tokens", redis=True),
    Kind("oauth_toolkit"),
    Kind("origins", page="https://app.example", redis=True),
    Kind("cors_headers", page="https://app.example"),
    Kind("teams"),
)


def headers_of(said: str) -> dict[str, dict[str, str]]:
    """Return the headers of each person, as ``manage.py people`` says them."""
    found: dict[str, dict[str, str]] = json.loads(said.strip().splitlines()[-1])
    return found
