"""How much a database reads for a query."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext


def rows_read(ask: Callable[[], Any]) -> int:
    """Return how many rows a database reads for the queries of a function.

    SQLite does not count rows; instead of them its steps are counted, of which each row
    takes about as many.
    """
    if connection.vendor == "postgresql":
        with CaptureQueriesContext(connection) as asked:
            ask()
        return sum(_explained(query["sql"]) for query in asked)
    if connection.vendor == "mysql":
        before = _handled()
        ask()
        return _handled() - before
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    connection.ensure_connection()
    connection.connection.set_progress_handler(step, 1)
    try:
        ask()
    finally:
        connection.connection.set_progress_handler(None, 1)
    return steps


def _explained(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        (found,) = cursor.fetchone()
    found = json.loads(found) if isinstance(found, str) else found
    return _scanned(found[0]["Plan"])


def _handled() -> int:
    """Return how many rows this connection has read, or looked at in an index."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%'"
            " OR Variable_name LIKE 'Handler_icp_attempts'"
        )
        return sum(int(value) for _, value in cursor.fetchall())


def _scanned(plan: dict[str, Any]) -> int:
    inner = sum(_scanned(each) for each in plan.get("Plans", ()))
    if "Scan" not in plan["Node Type"]:
        return inner
    removed = plan.get("Rows Removed by Filter", 0)
    return int((plan["Actual Rows"] + removed) * plan["Actual Loops"]) + inner
