"""The streams that are open, for code that gets no tracker handed."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from .tracker import ImageTracker

trackers: ContextVar[list[ImageTracker] | None] = ContextVar("trackers", default=None)
"""The trackers of the run whose task is executing, if its caller collects them."""

# By the agent's context, for code outside of a run.
_open: WeakValueDictionary[int, ImageTracker] = WeakValueDictionary()


def note(tracker: ImageTracker) -> None:
    """Note the tracker of a stream that begins."""
    if (siblings := trackers.get()) is not None:
        siblings.append(tracker)
    _open[id(tracker.context)] = tracker


def tracker_of(context: Any) -> ImageTracker | None:
    """Return the tracker of an open stream, ``None`` if there is none.

    Args:
        context: The agent's context of the stream; ``None`` for the newest of the run.
    """
    for tracker in reversed(trackers.get() or ()):
        if not tracker.complete and context in (None, tracker.context):
            return tracker
    found = _open.get(id(context)) if context is not None else None
    # In a stream that is over nothing is delivered any more.
    return found if found is not None and not found.complete else None
