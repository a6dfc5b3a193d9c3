"""What this code does: the run whose task is executing, and for whom it works."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from chatkit import types

from .conf import Limits
from .failures import Failure, Reason
from .imaging import Base64Image, Placeholders
from .timing import Asked

if TYPE_CHECKING:
    from .context import RequestContext
    from .queries.model_rows import ModelRows
    from .verdicts import Check

current_context: ContextVar[RequestContext | None] = ContextVar(
    "current_context", default=None
)
"""For whom this code works, if for anybody.

Calls of the database and the storage, in other threads, work for the same.
"""

current_run: ContextVar[uuid.UUID | None] = ContextVar("current_run", default=None)
"""The run whose task is executing, if any.

Rows that the run makes are linked to it. Its database calls are retried and use the
threads of runs. It may write to its thread only while it has its claim.
"""

# Kind and key of an image or a file, as ``queries.inputs.InputFile`` has them.
File = tuple[Literal["image", "attachment"], str]


@dataclass
class RunState:
    """Facts of a run that its task and other code of this process share.

    Attributes:
        interrupted: Whether the server ends the run, and not a person.
        stopped: Why it was stopped, if it was: by a person, or by staff.
        unasked: Whether it answers no message, so that no model needs to be told that
            its answer was stopped.
        cut_off_noted: Whether an item of the thread says that its answer was cut off.
        made: The thread of a first message, if the claim has made it.
        failure: Why the answer has failed, if it has.
        noted: Whether the stream has the note of an answer without its result.
        fault: What the newest database call has raised.
        allowed: Whether the project's quota has let the run generate.
        placeholders: What the SDKs read in place of images.
        turns: Counts the converters of the run, which tell their calls apart by it.
        safety_identifier: What the provider is told of who asks, empty if nothing.
        usage: The tokens of the responses so far, and what the provider's tools used.
        masks: The masks that tools of the run have: a digest of what the provider gets;
            kind and key of the mask, and of the image that it is for.
        generated: The images that any agent of the run has made: the agent's name, and
            what tells the image from others.
        offers: What the person may choose in the composer, by hook, if it was asked.
        trace: What of the request's trace goes on in the run.
        asked: Whom it has asked, and where its time goes.
        recalled: How many earlier images the model has looked at again.
        rows: Rows of the history for the model's input, until it takes them.
        check_image: The project's check of images, if it has one.
        limits: What the person may use, if the claim has asked; each image of the
            project's own is held against it.
        served: Set when the first event was sent, or when no reader is there.
    """

    interrupted: bool = False
    stopped: Failure = Failure(Reason.STOPPED)
    unasked: bool = False
    cut_off_noted: bool = False
    made: types.ThreadMetadata | None = None
    failure: Failure | None = None
    noted: bool = False
    fault: Exception | None = None
    allowed: bool = False
    placeholders: Placeholders = field(default_factory=Placeholders)
    turns: Iterator[int] = field(default_factory=count)
    masks: dict[str, tuple[File, File]] = field(default_factory=dict)
    generated: list[tuple[str, tuple[int, bytes]]] = field(default_factory=list)
    safety_identifier: str = ""
    usage: dict[str, dict[str, Any]] = field(default_factory=dict)
    offers: dict[str, frozenset[str] | None] = field(default_factory=dict)
    trace: dict[str, str] = field(default_factory=dict)
    asked: Asked = field(default_factory=Asked)
    recalled: int = 0
    rows: ModelRows | None = None
    check_image: Check | None = None
    limits: Limits | None = None
    served: asyncio.Event = field(default_factory=asyncio.Event)


current_state: ContextVar[RunState | None] = ContextVar("current_state", default=None)
"""The state of the run whose task is executing, if any."""


def digest_of(url: str) -> str:
    """Return what tells a ``data:`` URL from others, in a few characters."""
    return hashlib.sha256(url.encode()).hexdigest()


def base64_of(text: str) -> str | Base64Image:
    """Return the base64 in an event of this run, or that of its placeholder."""
    state = current_state.get()
    return state.placeholders.take(text) if state is not None else text
