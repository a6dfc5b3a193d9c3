"""What the demo's log says of that which is no fault of the project's code."""

from __future__ import annotations

import logging

from django.core.exceptions import PermissionDenied

# Packages whose errors tell of the model: a line says it, a traceback says no more.
MODELS = frozenset(["agents", "openai"])


class OneLine(logging.Filter):
    """Leaves out the tracebacks of failures of the model and of refusals."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep each record, some without their tracebacks."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, PermissionDenied) or package(error) in MODELS:
            record.exc_info = record.exc_text = None
        return True


def package(error: BaseException | None) -> str:
    """Return the name of the package that an error comes from."""
    return type(error).__module__.partition(".")[0]
