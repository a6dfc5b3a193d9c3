"""The demo for a network: no debug pages, its hosts only, no model for strangers."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.management import CommandError

from example_project import network, reports
from example_project.management.commands.demo import Command


@pytest.fixture
def command(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Command:
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = ["localhost"]
    settings.LOOPBACK = True
    for name in ("DEBUG", "ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    return Command()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_this_machine_alone_sees_debug_pages(
    command: Command, settings: Any, host: str
) -> None:
    command.prepare_for(host)
    assert (settings.DEBUG, settings.ALLOWED_HOSTS) == (True, ["localhost"])
    assert command.warning() == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "shop.example"])
def test_a_network_sees_none_and_its_hosts_are_allowed(
    command: Command, settings: Any, host: str
) -> None:
    command.prepare_for(host)
    assert settings.DEBUG is False
    assert len(settings.ALLOWED_HOSTS) > 1
    assert "*" not in settings.ALLOWED_HOSTS
    assert host in settings.ALLOWED_HOSTS or host in network.WILDCARDS
    assert "may chat" in command.warning()


def test_debug_for_a_network_is_refused(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUG", "1")
    with pytest.raises(CommandError, match="DEBUG shows settings"):
        command.prepare_for("0.0.0.0")


def test_files_of_the_demo_are_private(command: Command, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        (tmp_path / "spool").mkdir()
        (tmp_path / "db.sqlite3").touch()
        command.keep_private(tmp_path)
        (tmp_path / "later").touch()
    finally:
        os.umask(before)
    modes = {each.name: each.stat().st_mode for each in tmp_path.rglob("*")}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert {name: stat.S_IMODE(mode) for name, mode in modes.items()} == {
        "spool": 0o700,
        "db.sqlite3": 0o600,
        "later": 0o600,
    }


@pytest.mark.parametrize(
    ("client", "server", "status"),
    [
        (["127.0.0.1", 1], ["127.0.0.1", 8000], 200),
        (["192.0.2.7", 1], ["192.0.2.7", 8000], 200),
        (["192.0.2.8", 1], ["192.0.2.7", 8000], 404),
        (None, None, 404),
    ],
)
async def test_the_model_draws_for_this_machine_only(
    client: Any, server: Any, status: int
) -> None:
    async def model(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    scope = {"type": "http", "client": client, "server": server}
    asked = ApplicationCommunicator(network.for_this_machine(model), scope)
    assert (await asked.receive_output(5))["status"] == status
    await asked.wait(5)


def test_debug_pages_mask_passwords_in_urls() -> None:
    cleanse = reports.URLReporterFilter().cleanse_setting
    shown = cleanse("REDIS_URL", "redis://:s3cret@cache:6379/0")
    assert shown == "redis://:***@cache:6379/0"
    nested = cleanse("CHATKIT_IMAGES", {"RUN_LOG_URL": "rediss://u:s3cret@c/0"})
    assert "s3cret" not in repr(nested)
    assert cleanse("STATIC_URL", "/static/") == "/static/"
