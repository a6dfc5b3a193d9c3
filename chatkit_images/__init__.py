"""OpenAI ChatKit in Django, for agents that generate images."""

from __future__ import annotations

__version__ = "0.1.0"
