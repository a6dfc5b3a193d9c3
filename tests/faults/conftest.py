"""Fixtures of the fault suite."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from chatkit_images.storage import lanes
from chatkit_images.testing import LoopbackAPI
from tests.services import absent

from .databases import Database
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


def make_worlds(
    kind: str, forks: ForkServer, factory: Any, url: str
) -> Iterator[Worlds]:
    worlds = Worlds(kind, forks, factory.mktemp(kind or "sqlite"), url)
    yield worlds
    worlds.close()


@pytest.fixture(scope="session")
def worlds(
    forks: ForkServer,
    tmp_path_factory: pytest.TempPathFactory,
    loopback: tuple[LoopbackAPI, str],
) -> Iterator[Worlds]:
    """Worlds on the database that ``TEST_DATABASE`` names, SQLite by default."""
    kind = os.environ.get("TEST_DATABASE", "")
    yield from make_worlds(kind, forks, tmp_path_factory, loopback[1])


@pytest.fixture
def world(worlds: Worlds, tmp_path: Path) -> Iterator[World]:
    world = worlds.make(tmp_path / f"world-{tmp_path.name}")
    yield world
    worlds.databases.drop(world.database)
