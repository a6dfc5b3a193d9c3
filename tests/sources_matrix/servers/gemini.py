"""Gemini, by the page's function tool."""

from __future__ import annotations

from .page import module

Server = module("gemini").DesignServer
