"""OpenAI's own tool."""

from __future__ import annotations

from tests.chat import TestServer as Server

__all__ = ["Server"]
