"""What drivers raise, and whether a run tries again."""

from __future__ import annotations

import pytest
from django.db import InternalError, OperationalError, ProgrammingError
from django.db.utils import Error

from chatkit_images import database
from chatkit_images.failures.databases import code_of, is_missing_table

DEADLOCK = (1213, "Deadlock found when trying to get lock; try restarting transaction")
WAITED = (1205, "Lock wait timeout exceeded; try restarting transaction")
GONE = (2006, "Server has gone away")
ROLLED_BACK = (1305, "SAVEPOINT s140_x1 does not exist")
READ_ONLY = (1290, "The server is running with the --read-only option")


def postgres(cls: type[Error], state: str, words: str) -> Exception:
    """An error of Django's with that of a driver, which knows the SQLSTATE."""
    error, cause = cls(words), Exception(words)
    cause.sqlstate = state  # type: ignore[attr-defined]
    error.__cause__ = cause
    return error


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


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (postgres(ProgrammingError, "42P01", "Relation »a« existiert nicht"), "table"),
        (postgres(ProgrammingError, "42703", "Spalte »a« existiert nicht"), "table"),
        (postgres(ProgrammingError, "42501", "keine Berechtigung"), "access"),
        (postgres(OperationalError, "28P01", "fehlgeschlagen"), "access"),
        (postgres(OperationalError, "53100", "kein Speicherplatz"), "full"),
        (postgres(InternalError, "XX001", "ungültige Seite in Block 1"), "damaged"),
        (ProgrammingError(1146, "Tabelle 'shop.run' existiert nicht"), "table"),
        (OperationalError(1054, "Unbekanntes Tabellenfeld 'a' in field list"), "table"),
        (OperationalError(1045, "keine Zugriffsberechtigung"), "access"),
        (OperationalError(1049, "Unbekannte Datenbank 'shop'"), "access"),
        (OperationalError(1114, "Tabelle 'a' ist voll"), "full"),
        (OperationalError(1305, "FUNCTION shop.mine does not exist"), "database"),
        # The same words in a server's error that passes.
        (postgres(ProgrammingError, "26000", '"_pg3_0" does not exist'), ""),
        (postgres(ProgrammingError, "34000", 'cursor "a" does not exist'), ""),
        (postgres(OperationalError, "3B001", 'savepoint "a" does not exist'), ""),
        (postgres(OperationalError, "40P01", "Verklemmung entdeckt"), ""),
        (postgres(InternalError, "25006", "in a read-only transaction"), ""),
        (OperationalError(*ROLLED_BACK), ""),
        (OperationalError(*READ_ONLY), ""),
        (OperationalError(1836, "Running in read-only mode"), ""),
    ],
)
def test_the_code_of_a_server_counts_in_whatever_language(
    error: Exception, cause: str
) -> None:
    assert code_of(error).rpartition("_")[2] == cause


@pytest.mark.parametrize(
    "error",
    [
        *(OperationalError(*told) for told in (DEADLOCK, WAITED, GONE)),
        OperationalError(*ROLLED_BACK),
        # Another server takes over, or somebody frees space.
        OperationalError(*READ_ONLY),
        postgres(InternalError, "25006", "cannot execute INSERT"),
        postgres(OperationalError, "53100", "could not extend file"),
        OperationalError("database or disk is full"),
    ],
)
async def test_a_run_tries_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(database, "PAUSES", (0.0,))
    raised = [error]

    def write() -> str:
        if raised:
            raise raised.pop()
        return "written"

    assert await database.insist(write) == "written"
