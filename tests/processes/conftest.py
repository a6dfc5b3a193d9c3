"""What the README makes of a new project, printed as a row of a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.projects import Manage, run

COLUMNS = ("Django", "Python", "check", "migrate", "image", "url", "previews")


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, Manage]:
    """A new project, and what runs its ``manage.py`` as the README does."""
    run(tmp_path, "-m", "django", "startproject", "shop", ".")

    def manage(*command: str) -> str:
        return run(
            tmp_path,
            *("-m", "chatkit_images.testing", "--delay", "0.2"),
            *(sys.executable, "manage.py", *command),
            # For Django's test client.
            PYTHONWARNINGS="ignore",
        )

    return tmp_path, manage


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print a row for each new project that had its first hour in this run."""
    for report in terminalreporter.stats.get("passed", []):
        if found := dict(report.user_properties).get("first hour"):
            # Without them it would not have come to an image.
            row = found | {"check": "no issues", "migrate": "ok"}
            terminalreporter.section("first hour")
            for line in (COLUMNS, [str(row[name]) for name in COLUMNS]):
                terminalreporter.line("".join(f"{each:<12}" for each in line).rstrip())
