"""An upgrade: the rows of an earlier revision, migrated, with its files and logs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from chatkit_images.testing import LoopbackAPI
from tests.client import ChatClient

from . import migrating, old
from .sides import Sides

Person = Callable[[str], ChatClient]


@dataclass(frozen=True)
class Upgrade:
    """Rows before and after the migrations since the revision.

    Attributes:
        before: As the revision's own models read them.
        after: As today's models read them.
    """

    before: migrating.Rows
    after: migrating.Rows


@pytest.fixture(scope="session")
def upgrade(django_db_setup: None, django_db_blocker: Any) -> Iterator[Upgrade]:
    """Migrate the rows once; the tables are empty and today's when it is done."""
    with django_db_blocker.unblock():
        migrating.drop()
        try:
            migrating.migrate(old.HEAD)
            registry = migrating.models_at(old.HEAD)
            migrating.save(old.ROWS, registry)
            before = migrating.dump(registry)
            migrating.migrate()
            after = migrating.dump()
        finally:
            call_command("flush", interactive=False, verbosity=0)
            migrating.migrate()
    yield Upgrade(before, after)


@pytest.fixture
def upgraded(
    transactional_db: None,
    upgrade: Upgrade,
    own_media: None,
    sides: Sides,
    settings: Any,
) -> Upgrade:
    """A site just after the upgrade, in this process: rows and files are there."""
    sides.close()
    settings.CHATKIT_IMAGES |= {"ALLOW_ANONYMOUS": True}
    migrating.save(migrating.moved(upgrade.after))
    old.put_files(Path(settings.MEDIA_ROOT), settings.CHATKIT_IMAGES["SPOOL_DIR"])
    return upgrade


@pytest.fixture
def person(upgraded: Upgrade, model: LoopbackAPI) -> Person:
    """Return a function that returns somebody's browser, still logged in."""

    def browser(name: str) -> ChatClient:
        client = ChatClient()
        client.cookies["sessionid"] = old.MANIFEST["sessions"][name]
        return client

    return browser


@pytest.fixture
def owner(person: Person, key: str) -> ChatClient:
    """The browser of the owner of a thread."""
    return person(old.OWNERS[key])


# Servers of both versions


@pytest.fixture(scope="session")
def sides(
    loopback: tuple[LoopbackAPI, str],
    django_db_setup: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sides]:
    """The servers of a site; each is started by the first test that needs it."""
    with Sides(tmp_path_factory.mktemp("sides"), loopback[1]) as found:
        yield found


# The table at the end


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "upgraded(filled, done): what was there, and what is done with it"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("upgraded"):
            # Properties travel with the report, from a worker of pytest-xdist too.
            item.user_properties.append(("upgraded", mark.args))


@pytest.fixture
def counted(record_property: Any) -> Callable[[int], None]:
    """Return a function that says of how many things a test is, if not of one."""

    def count(number: int) -> None:
        record_property("number", number)

    return count


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what was filled, and how much of it was well after what was done."""
    wells: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            known = dict(report.user_properties)
            if "upgraded" in known and (report.when == "call" or report.failed):
                counts = wells[tuple(known["upgraded"])]
                number = known.get("number", 1)
                counts[0] += number if report.passed else 0
                counts[1] += number
    if not wells:
        return
    terminalreporter.section(f"upgraded from {old.REVISION[:7]}")
    for name, table in old.ROWS.items():
        terminalreporter.line(f"  {name:30} {len(table):4} rows")
    terminalreporter.line(f"  {'files':30} {len(old.MANIFEST['files']):4}")
    terminalreporter.line(f"  {'logs in Redis':30} {len(old.LOGS):4} keys")
    for (filled, done), (well, count) in sorted(wells.items()):
        terminalreporter.line(f"  {filled:18} {done:46} {well:4} of {count}")
    good, total = (sum(column) for column in zip(*wells.values(), strict=True))
    terminalreporter.line(f"after the upgrade: {good} of {total}")
