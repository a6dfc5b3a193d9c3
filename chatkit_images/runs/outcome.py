"""How a run ended, in the words of its row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .. import failures
from ..failures import Failure, Reason
from ..models import Run
from ..queries import failure_columns

DATA = b"data: "
ERROR_PREFIX = b'data: {"type":"error"'
CREATED_PREFIX = b'data: {"type":"thread.created"'


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        status: The status of its row.
        failure: Why it has no result.
    """

    status: str
    failure: Failure | None = None

    def columns(self) -> dict[str, Any]:
        """Return the columns of the run's row, without its status."""
        return failure_columns.of_run(self.failure)


INTERRUPTED = RunOutcome(
    Run.Status.INTERRUPTED, Failure(Reason.INTERRUPTED, message="The server stopped.")
)
"""The process of the run ended or died before the run had ended."""
UNCLAIMED = RunOutcome(Run.Status.FAILED, Failure(Reason.NOT_SAVED, code="unclaimed"))
"""The database did not say whether the run had its claim, so it did nothing."""


def of_stop(failure: Failure) -> RunOutcome:
    """Return the outcome of a run that was stopped, by whomever."""
    return RunOutcome(Run.Status.CANCELLED, failure)


def of_stream(error: str, failure: Failure | None) -> RunOutcome:
    """Return the outcome of a stream that came to its end.

    Args:
        error: The error event in it, if there was one.
        failure: What it was about, if the app has seen it fail.
    """
    if not error:
        return RunOutcome(Run.Status.COMPLETED)
    return RunOutcome(Run.Status.FAILED, failure or _of_event(error))


def of_failure(failure: Exception) -> RunOutcome:
    """Return the outcome of a stream that raised."""
    return RunOutcome(Run.Status.FAILED, failures.of(failure))


def error_in(chunk: bytes) -> str:
    """Return the error event that a chunk of a stream carries, or an empty string."""
    if not chunk.startswith(ERROR_PREFIX):
        return ""
    return chunk.removeprefix(DATA).decode().strip()


def thread_in(chunk: bytes) -> str | None:
    """Return the id of the thread that a chunk of a stream says is made, if it does."""
    if not chunk.startswith(CREATED_PREFIX):
        return None
    return str(json.loads(chunk.removeprefix(DATA))["thread"]["id"])


def _of_event(error: str) -> Failure:
    """Return the failure of an error event that the project has made itself."""
    event = json.loads(error)
    reason = Reason.UNKNOWN if event.get("allow_retry") else Reason.REFUSED
    words = str(event.get("message") or "")
    return Failure(
        reason, code=str(event.get("code") or ""), message=words, words=words
    )
