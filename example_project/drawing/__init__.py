"""Little scenes drawn from the words of a prompt, with nothing but Pillow."""

from __future__ import annotations

from .canvas import draw

__all__ = ["draw"]
