"""Runs: one task per turn that writes to a log, which clients read."""

from __future__ import annotations

from .runner import LiveRun, start, stop

__all__ = ["LiveRun", "start", "stop"]
