"""Little scenes drawn from the words of a prompt, with nothing but Pillow."""

from __future__ import annotations

from .canvas import draw
from .wishes import knows

__all__ = ["draw", "knows"]
