"""How a run ended, in the words of its row."""

from __future__ import annotations

from dataclasses import dataclass

from ..models import Run

DATA = b"data: "
ERROR_PREFIX = b'data: {"type":"error"'


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        status: The status of its row.
        error: The reason for staff, where something went wrong.
    """

    status: str
    error: str = ""


CANCELLED = RunOutcome(Run.Status.CANCELLED)
"""A person stopped the run, or nobody read it any more."""
INTERRUPTED = RunOutcome(Run.Status.INTERRUPTED, "The server stopped.")
"""The process of the run ended or died before the run had ended."""
UNCLAIMED = RunOutcome(Run.Status.FAILED)
"""The database did not say whether the run had its claim, so it did nothing."""


def of_stream(error: str) -> RunOutcome:
    """Return the outcome of a stream that came to its end.

    Args:
        error: The error event in it, if there was one.
    """
    return RunOutcome(Run.Status.FAILED if error else Run.Status.COMPLETED, error)


def of_failure(failure: Exception) -> RunOutcome:
    """Return the outcome of a stream that raised."""
    return RunOutcome(Run.Status.FAILED, f"{type(failure).__name__}: {failure}")


def error_in(chunk: bytes) -> str:
    """Return the error event that a chunk of a stream carries, or an empty string."""
    if not chunk.startswith(ERROR_PREFIX):
        return ""
    return chunk.removeprefix(DATA).decode().strip()
