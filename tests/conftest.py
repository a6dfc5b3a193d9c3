from __future__ import annotations

import fcntl
import gc
import io
import itertools
import os
import shutil
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.management import create_contenttypes
from django.contrib.contenttypes.models import ContentType
from django.db import connection, connections
from django.db.models.signals import post_migrate
from PIL import Image

from chatkit_images import breaker, database, storage
from chatkit_images.context import RequestContext
from chatkit_images.models import installations
from chatkit_images.run_state import current_context
from chatkit_images.testing import LoopbackAPI, serve
from tests.client import ChatClient
from tests.routing import elsewhere

pytest_plugins = ["tests.rows"]
# What Django fills its tables with, in the order of its keys.
INITIAL = (ContentType, Permission)
TESTS = Path(__file__).resolve().parent
# No test trusts the certificates of the world, and each client that a page makes would
# read them all. There is no such folder, so there are none.
os.environ.setdefault("SSL_CERT_DIR", str(TESTS / "certificates"))
# What starts processes by the hundred, or is about other packages than the suite needs,
# is collected only if a command line names it.
ON_REQUEST = (
    "base",
    "benchmarks",
    "browser",
    "drift",
    "faults",
    "pages",
    "processes",
    "projects",
    "providers",
    "servers",
    "sources_matrix",
    "upgrade",
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path.parent != TESTS or collection_path.name not in ON_REQUEST:
        return None
    named = [
        Path(config.invocation_params.dir, arg.partition("::")[0]).resolve()
        for arg in config.args
    ]
    return None if any(p.is_relative_to(collection_path) for p in named) else True


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    # Modules and tests stay until the end: to look for garbage among them, again and
    # again, takes longer than many a test.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.enable()
        # Most that a test makes ends with it, and what has to go at once is collected
        # by the test that says so.
        gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    # What a test left to the background needs its database and its directories.
    storage.drain()
    # asgiref brings what an asynchronous view has set back to a synchronous client.
    current_context.set(None)
    # Asynchronous queries of a test itself leave their connection open in asgiref's
    # thread, and PostgreSQL drops no database that somebody is connected to.
    SyncToAsync.single_thread_executor.submit(forget_connections).result()
    # A thread of the runs keeps its connection for a moment.
    workers = [t for t in threading.enumerate() if "database-runs" in t.name]
    everybody = threading.Barrier(len(workers) or 1)
    closed: list[Future[None]] = [Future() for _ in workers]
    for future in closed:
        database.jobs("runs").put((future, lambda: close_all(everybody)))
    for future in closed:
        future.result(60)


def close_all(everybody: threading.Barrier) -> None:
    forget_connections()
    everybody.wait(60)


def forget_connections() -> None:
    """Close what this thread has open, with what it knows of the settings.

    Django tells only the thread of a test that USE_TZ or TIME_ZONE is another one.
    """
    connections.close_all()
    for each in connections.all(initialized_only=True):
        for name in ("timezone", "timezone_name"):
            vars(each).pop(name, None)


@pytest.fixture(scope="session")
def migrated(
    django_db_modify_db_settings: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, ExitStack] | None]:
    """Have a copy of the migrated database, or its place, and the lock on it.

    The first worker of pytest-xdist migrates, which takes seconds, and the others copy.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ or connection.vendor != "sqlite":
        yield None
        return
    copy = tmp_path_factory.getbasetemp().parent / "migrated.sqlite3"
    with ExitStack() as stack:
        lock = stack.enter_context(copy.with_suffix(".lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield copy, stack


@pytest.fixture(scope="session")
def django_db_keepdb(migrated: tuple[Path, ExitStack] | None) -> bool:
    """Whether the database of the tests is there, without any migration."""
    if migrated is None or not migrated[0].exists():
        return False
    test = connection.settings_dict["TEST"]
    shutil.copyfile(migrated[0], test["NAME"])
    test["MIGRATE"] = False
    return True


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None,
    django_db_blocker: Any,
    django_db_keepdb: bool,
    migrated: tuple[Path, ExitStack] | None,
) -> Iterator[None]:
    """Make the database, with a short way back to what it holds at first.

    A test that commits ends with empty tables, and Django fills those of content types
    and permissions again; to find out with what takes longer than many a test.
    """
    if migrated is not None:
        copy, lock = migrated
        if not copy.exists():
            with django_db_blocker.unblock(), connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [str(copy)])
        lock.close()
    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(
        dispatch_uid="django.contrib.auth.management.create_permissions"
    )
    quote = connection.ops.quote_name
    tables = [quote(model._meta.db_table) for model in INITIAL]
    copies = [(table, quote(f"first_{n}")) for n, table in enumerate(tables)]
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table, copy in copies:
            cursor.execute(f"CREATE TABLE {copy} AS SELECT * FROM {table}")

    def fill(using: str, **kwargs: Any) -> None:
        with connections[using].cursor() as cursor:
            for table, copy in copies:
                cursor.execute(
                    f"INSERT INTO {table} SELECT * FROM {copy}"
                    f" WHERE id NOT IN (SELECT id FROM {table})"
                )

    auth = apps.get_app_config("auth")
    post_migrate.connect(fill, sender=auth, weak=False)
    if connection.vendor == "postgresql":
        connection.ops.sql_flush = deletions
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock():
            wait_until_alone()
    if django_db_keepdb:
        with django_db_blocker.unblock():
            connection.close()
            Path(connection.settings_dict["NAME"]).unlink()


def deletions(style: Any, tables: Any, **options: Any) -> list[str]:
    """Return what empties tables in a moment, if few rows are in them.

    To truncate a table PostgreSQL makes a file for it and for each of its indexes.
    """
    return [f"DELETE FROM {connection.ops.quote_name(table)};" for table in tables]


def wait_until_alone() -> None:
    """Wait until no server of a test is connected to the database any more.

    PostgreSQL drops no database that has other sessions, and notices late, on a busy
    machine, that the process of one has ended.
    """
    others = (
        "SELECT state, backend_start, client_port, query FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 30
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(others)
            if not (sessions := cursor.fetchall()):
                return
            time.sleep(0.05)
    pytest.fail(f"Still connected, most likely a thread of a test: {sessions}")


@pytest.fixture(scope="session")
def loopback() -> Iterator[tuple[LoopbackAPI, str]]:
    api = LoopbackAPI(max_side=128)
    with serve(api) as url:
        yield api, url


@pytest.fixture
def model(loopback: tuple[LoopbackAPI, str], settings: Any) -> LoopbackAPI:
    """The loopback model: script it with ``respond_with``, look at ``requests``."""
    api, url = loopback
    api.reset()
    settings.LOOPBACK_URL = url
    return api


@pytest.fixture(autouse=True)
def no_provider_is_away() -> Iterator[None]:
    yield
    breaker.forget()


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield folders for files; ``tmp_path`` takes longer, and few tests look at it."""
    base = tmp_path_factory.mktemp("files")
    return (base / str(number) for number in itertools.count())


@pytest.fixture(autouse=True, scope="session")
def no_power_cut() -> Iterator[None]:
    """Wait for no disk: what a test has written is read before the power is cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def own_media(settings: Any, folders: Iterator[Path]) -> None:
    # Each test has a database of its own.
    installations._before.clear()
    folder = next(folders)
    folder.mkdir()
    settings.MEDIA_ROOT = folder / "media"
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"SPOOL_DIR": folder / "spool"}


@pytest.fixture
def ann(transactional_db: None) -> User:
    return User.objects.create_user("ann", password="ann")


@pytest.fixture
def bob(transactional_db: None) -> User:
    return User.objects.create_user("bob", password="bob")


@pytest.fixture
def context(ann: User) -> RequestContext:
    return RequestContext.for_user(ann, base_url="https://shop.example")


@pytest.fixture
def foreign(bob: User) -> RequestContext:
    return RequestContext.for_user(bob, base_url="https://shop.example")


@pytest.fixture
def chat(ann: User, model: LoopbackAPI) -> ChatClient:
    """A browser of Ann's, talking to the ASGI application in this process."""
    client = ChatClient()
    client.force_login(ann)
    return client


@pytest.fixture
def stranger(bob: User) -> ChatClient:
    client = ChatClient()
    client.force_login(bob)
    return client


@pytest.fixture(scope="session")
def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "orange").save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def routers(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Iterator[None]:
    """Have the app's rows elsewhere than in ``default``; see ``tests.routing``."""
    with elsewhere(monkeypatch, settings):
        yield


@pytest.fixture(autouse=os.environ.get("TEST_ROUTERS") == "1")
def routers_everywhere(request: pytest.FixtureRequest) -> None:
    """Have them in each test whose rows are committed.

    Some look at what Django does on ``default``: they count its queries, for example.
    """
    looks = "django_assert_num_queries" in request.fixturenames
    if looks or request.path.stem == "test_database":
        return
    mark = request.node.get_closest_marker("django_db")
    committed = mark is not None and mark.kwargs.get("transaction")
    if committed or "transactional_db" in request.fixturenames:
        request.getfixturevalue("routers")
