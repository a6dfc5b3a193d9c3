"""The run whose task is executing: its id, and what only this process knows of it."""

from __future__ import annotations

import asyncio
import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field

from chatkit import types

from .imaging import Base64Image, Placeholders

current_run: ContextVar[uuid.UUID | None] = ContextVar("current_run", default=None)
"""The run whose task is executing, if any.

Rows made by it are linked to it, its calls of the database are repeated and share the
threads of runs, and it may only write to its thread while it has its claim.
"""


@dataclass
class RunState:
    """What the task of a run and whoever ends it tell each other.

    Attributes:
        interrupted: Whether the server ends it, and not a person.
        told: Whether its thread has been told that its answer was cut off.
        made: The thread of its first message, if the claim has made it.
        allowed: Whether the project's quota has been asked and lets it generate.
        placeholders: What stands for its images where the SDKs see them.
        served: Set when its first event was sent, or nobody is there to take it.
    """

    interrupted: bool = False
    told: bool = False
    made: types.ThreadMetadata | None = None
    allowed: bool = False
    placeholders: Placeholders = field(default_factory=Placeholders)
    served: asyncio.Event = field(default_factory=asyncio.Event)


current_state: ContextVar[RunState | None] = ContextVar("current_state", default=None)
"""The state of the run whose task is executing, if any."""


def base64_of(text: str) -> str | Base64Image:
    """Return the base64 that an event of this run's carries or stands for."""
    state = current_state.get()
    return state.placeholders.take(text) if state is not None else text
