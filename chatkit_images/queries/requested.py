"""What the person has chosen in the composer, on the row of a run."""

from __future__ import annotations

import uuid

from chatkit import types

from .. import models
from ..cleaning import clean_columns


def columns(choice: types.InferenceOptions | None) -> dict[str, str]:
    """Return a choice as columns of ``Run``, as long as these are."""
    tool = choice.tool_choice if choice else None
    values = {
        "requested_model": (choice.model if choice else None) or "",
        "requested_tool": tool.id if tool else "",
    }
    return clean_columns(models.Run, values)


def note(run_id: uuid.UUID, choice: types.InferenceOptions) -> None:
    """Write a choice into the row of a run."""
    models.Run.objects.filter(pk=run_id).update(**columns(choice))
