"""The table of the pages that were followed."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what each page installs, and how many of its blocks went well."""
    found = [
        row
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if (row := dict(report.user_properties).get("page"))
    ]
    if not found:
        return
    terminalreporter.section("pages")
    for row in [["page", "pip install", "blocks", "ok"], *sorted(found)]:
        name, installed, of, ok = map(str, row)
        terminalreporter.line(f"{name:<22}{of:>7}{ok:>5}  {installed}")
