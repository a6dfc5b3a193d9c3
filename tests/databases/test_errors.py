"""What drivers raise, and whether a run tries again."""

from __future__ import annotations

import pytest
from django.db import OperationalError, ProgrammingError

from chatkit_images import database
from chatkit_images.failures.databases import is_missing_table

DEADLOCK = (1213, "Deadlock found when trying to get lock; try restarting transaction")
WAITED = (1205, "Lock wait timeout exceeded; try restarting transaction")
GONE = (2006, "Server has gone away")


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (OperationalError("no such table: chatkit_images_run"), True),
        (ProgrammingError('relation "chatkit_images_run" does not exist'), True),
        (ProgrammingError(1146, "Table 'my_database.run' doesn't exist"), True),
        (OperationalError(1054, "Unknown column 'run.context' in 'field list'"), True),
        (OperationalError('database "shop" does not exist'), False),
        (OperationalError(1049, "Unknown database 'shop'"), False),
        (OperationalError(*DEADLOCK), False),
        (OperationalError(*WAITED), False),
    ],
)
def test_tables_that_are_not_there(error: Exception, missing: bool) -> None:
    assert is_missing_table(error) is missing


@pytest.mark.parametrize("error", [DEADLOCK, WAITED, GONE])
async def test_a_run_tries_again(
    monkeypatch: pytest.MonkeyPatch, error: tuple[int, str]
) -> None:
    monkeypatch.setattr(database, "PAUSES", (0.0,))
    raised = [OperationalError(*error)]

    def write() -> str:
        if raised:
            raise raised.pop()
        return "written"

    assert await database.insist(write) == "written"
