"""A context that cannot be made: Python refuses the default of its field."""

from __future__ import annotations

from dataclasses import dataclass

from chatkit_images.context import RequestContext


@dataclass(frozen=True)
class Context(RequestContext):
    """One whose objects would share a list."""

    tags: list[str] = []  # noqa: RUF008, RUF100
