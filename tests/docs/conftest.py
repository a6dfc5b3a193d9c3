"""What the README makes of a new project, printed as a row of a table."""

from __future__ import annotations

from typing import Any

COLUMNS = ("Django", "Python", "check", "migrate", "image", "url", "previews")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print a row for each new project that had its first hour in this run."""
    for report in terminalreporter.stats.get("passed", []):
        if found := dict(report.user_properties).get("first hour"):
            # Without them it would not have come to an image.
            row = found | {"check": "no issues", "migrate": "ok"}
            terminalreporter.section("first hour")
            for line in (COLUMNS, [str(row[name]) for name in COLUMNS]):
                terminalreporter.line("".join(f"{each:<12}" for each in line).rstrip())
