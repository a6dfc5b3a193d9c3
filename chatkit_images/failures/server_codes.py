"""What the codes of database servers mean, which are the same in every language.

Sentences are in the language of the server (``lc_messages``), and the same words may
be said of what passes and of what does not.
"""

from __future__ import annotations

# By SQLSTATE, as PostgreSQL has them; a class is its first two characters. Empty is
# what passes.
STATES = {
    "42P01": "missing_table",
    "42703": "missing_table",
    "28000": "database_access",
    "28P01": "database_access",
    "3D000": "database_access",
    "42501": "database_access",
    "53100": "disk_full",
    "XX001": "database_damaged",
    "XX002": "database_damaged",
    # Another server is about to take over from this one.
    "25006": "",
    # A pool between has given the statement to another connection.
    "26": "",
    "34": "",
    "3B": "",
    "40": "",
}
# By the numbers of MySQL and MariaDB.
NUMBERS = {
    1054: "missing_table",
    1146: "missing_table",
    1044: "database_access",
    1045: "database_access",
    1049: "database_access",
    1142: "database_access",
    1143: "database_access",
    1227: "database_access",
    1698: "database_access",
    1021: "disk_full",
    1114: "disk_full",
    # Read-only, because another server is about to take over.
    1290: "",
    1792: "",
    1836: "",
}
# Something is not there. If it is a savepoint, a deadlock has rolled it back.
NOT_THERE = 1305
# The code of a failure of a database for which nothing says more.
OTHER = "database"


def meaning_of(error: BaseException) -> str | None:
    """Return what a server's code means, empty if it passes; ``None`` without one.

    Args:
        error: An error of Django's, with that of the driver as its cause, or of a
            driver.
    """
    for each in (error, error.__cause__):
        # The first is psycopg's, the second that of psycopg2.
        state = getattr(each, "sqlstate", None) or getattr(each, "pgcode", None)
        if isinstance(state, str):
            return STATES.get(state, STATES.get(state[:2]))
    number = error.args[0] if error.args else None
    if not isinstance(number, int):
        return None
    if number == NOT_THERE:
        return "" if "SAVEPOINT" in str(error) else OTHER
    return NUMBERS.get(number)
