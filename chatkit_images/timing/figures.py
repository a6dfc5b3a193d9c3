"""Where the time of a run and of its images goes, measured where it passes.

The figures add up in memory. They are written with what is saved anyway, so they cost
no statement. ``docs/timing.md`` says what each one includes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, TypeVar

T = TypeVar("T")
Figures = dict[str, Any]


class Timings:
    """Adds up milliseconds, counts and facts. Several threads may write to it.

    Args:
        figures: What is known already.
    """

    def __init__(self, figures: Figures | None = None) -> None:
        self._known = dict(figures or {})
        self._seconds: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def spend(self, name: str, seconds: float) -> None:
        """Add seconds."""
        with self._lock:
            self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def count(self, name: str, number: int = 1) -> None:
        """Add to a count."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + number

    def note(self, name: str, fact: Any) -> None:
        """Note a fact; a later one replaces it."""
        with self._lock:
            self._known[name] = fact

    def figures(self) -> Figures:
        """Return all of it as JSON has it."""
        with self._lock:
            spent = {f"{name}_ms": round(1000 * s) for name, s in self._seconds.items()}
            return {**self._known, **spent, **self._counts}


@dataclass(frozen=True)
class Subject:
    """What this code works at.

    Attributes:
        run: The id of the run, empty outside of one.
        image: The id of the image, or the place of its call; empty if it is none.
        timings: Whose figures the time goes to.
        part: What the names of the figures begin with, such as ``"thumbnail_"``.
    """

    run: str = ""
    image: str = ""
    timings: tuple[Timings, ...] = ()
    part: str = ""


subject: ContextVar[Subject] = ContextVar("subject", default=Subject())  # noqa: B039


@contextmanager
def about(image: str, timings: Timings, part: str = "") -> Iterator[None]:
    """Count the time within for an image, and for the run that is executing."""
    run = subject.get()
    mine = (timings, *(each for each in run.timings if each is not timings))
    token = subject.set(replace(run, image=image, timings=mine, part=part))
    try:
        yield
    finally:
        subject.reset(token)


@contextmanager
def part_of(part: str) -> Iterator[None]:
    """Count the time within for a part of what this code works at."""
    token = subject.set(replace(subject.get(), part=part))
    try:
        yield
    finally:
        subject.reset(token)


def spend(name: str, seconds: float) -> None:
    """Add seconds to the figures of what this code works at."""
    now = subject.get()
    for each in now.timings:
        each.spend(now.part + name, seconds)


def count(name: str, number: int = 1) -> None:
    """Add to a count of what this code works at."""
    now = subject.get()
    for each in now.timings:
        each.count(now.part + name, number)


@contextmanager
def measured(name: str) -> Iterator[None]:
    """Add the time within, also if it raises."""
    began = time.monotonic()
    try:
        yield
    finally:
        spend(name, time.monotonic() - began)


def carried(func: Callable[[], T]) -> Callable[[], T]:
    """Return a function that works at the same, in another thread."""
    mine = subject.get()
    if not mine.timings:
        return func

    def call() -> T:
        token = subject.set(mine)
        try:
            return func()
        finally:
            subject.reset(token)

    return call


def warn_of_try(
    logger: logging.Logger,
    what: str,
    error: BaseException,
    number: int,
    most: int,
    pause: float,
) -> None:
    """Warn of a try that has failed and is repeated. It has no traceback: the end has.

    Args:
        logger: Of the module that tries.
        what: What has failed.
        error: How. Only its class is logged, because its words may have a URL.
        number: Which try it was.
        most: How many tries there are at most.
        pause: Seconds until the next one.
    """
    now = subject.get()
    logger.warning(
        "%s has failed in try %d of %d, the next is in %.2f s: %s (run %s, image %s)",
        what,
        number,
        most,
        pause,
        type(error).__name__,
        now.run or "-",
        now.image or "-",
        extra={
            "event": "try",
            "run_id": now.run,
            "image_id": now.image,
            "try_number": number,
            "try_most": most,
            "pause_ms": round(1000 * pause),
            "error_class": type(error).__name__,
        },
    )
