"""Fixtures of the fault suite."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from botocore import loaders

from chatkit_images.storage import lanes
from chatkit_images.testing import LoopbackAPI
from tests.services import absent

from .databases import Database, forced, postgres_answers
from .proxy import Network, network
from .storages import rclone
from .world import ForkServer, World


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the processes of a world said if its test fails."""
    report = yield
    world = getattr(item, "funcargs", {}).get("world")
    if report.failed and world is not None:
        report.sections.append(("processes", world.logs()))
    return report


@pytest.fixture(scope="session", autouse=True)
def one_loader() -> Iterator[None]:
    """Read the definitions of Amazon's services once.

    Each storage has clients of its own, and each of them reads megabytes of JSON.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaders, "create_loader", cache(loaders.create_loader))
        yield


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """Nothing that hung in a test's storage gets to the storage of the next."""
    yield
    for lane in get_args(lanes.Lane):
        lanes.executor(lane).shutdown(wait=True)
    lanes.executor.cache_clear()


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    server = ForkServer(tmp_path_factory.mktemp("forks"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """An S3 server on a folder: its port, and the folder."""
    root = tmp_path_factory.mktemp("s3")
    try:
        with rclone(root) as port:
            yield port, root
    except FileNotFoundError as error:
        absent(str(error))


@pytest.fixture(scope="session")
def proxy(bucket: tuple[int, Path]) -> Iterator[Network]:
    with network(bucket[0]) as net:
        yield net


@pytest.fixture
def net(proxy: Network) -> Iterator[Network]:
    """The network before the S3 server, without trouble at first and at last."""
    proxy.proxy.requests.clear()
    yield proxy
    proxy.heal()


class Worlds:
    """Makes worlds on one kind of database."""

    def __init__(
        self, kind: str, forks: ForkServer, scratch: Path, loopback: str
    ) -> None:
        self.forks = forks
        self.databases = Database(kind, scratch, loopback)
        self.scratch = scratch
        template = self._world(scratch / "template", self.databases.template, {})
        _, self.cookies = template.run("prepare")

    def _world(self, folder: Path, name: str, cookies: dict[str, str]) -> World:
        folder.mkdir(parents=True)
        return World(folder, self.forks, self.databases, name, cookies)

    def make(self, folder: Path) -> World:
        """Return a new world."""
        return self._world(folder, self.databases.copy(), self.cookies)

    def close(self) -> None:
        """Drop the databases."""
        self.databases.drop(self.databases.template)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The kind of database of a test's world; SQLite, unless the database matters."""
    return str(getattr(request, "param", "") or forced() or "sqlite")


@pytest.fixture(scope="session")
def worlds(
    forks: ForkServer,
    tmp_path_factory: pytest.TempPathFactory,
    loopback: tuple[LoopbackAPI, str],
) -> Iterator[Callable[[str], Worlds]]:
    """A function that returns what makes worlds on a kind of database."""
    made: dict[str, Worlds] = {}

    def worlds_on(kind: str) -> Worlds:
        if kind not in made:
            if kind == "postgres" and not postgres_answers():
                absent("PostgreSQL")
            scratch = tmp_path_factory.mktemp(kind)
            made[kind] = Worlds(kind, forks, scratch, loopback[1])
        return made[kind]

    yield worlds_on
    for each in made.values():
        each.close()


@pytest.fixture
def world(
    database: str, worlds: Callable[[str], Worlds], tmp_path: Path
) -> Iterator[World]:
    on = worlds(database)
    world = on.make(tmp_path / f"world-{tmp_path.name}")
    yield world
    on.databases.drop(world.database)
