"""The servers of docs/image-sources.md, as their reader has them."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import agents
from django.conf import settings

from tests.docs.pages import blocks

CLIENTS = {
    "OPENAI_API_KEY": "loopback",
    "OPENAI_BASE_URL": settings.LOOPBACK_URL,
    "GEMINI_API_KEY": "loopback",
    "GOOGLE_GEMINI_BASE_URL": settings.LOOPBACK_URL,
}


def module(name: str) -> ModuleType:
    """Return a block of the page as a module of the package ``shop``."""
    # The clients of the page read them, as on any server.
    os.environ.update(CLIENTS)
    agents.set_tracing_disabled(True)
    (part,) = blocks("python", name=f"shop/{name}.py")
    made = ModuleType(f"shop.{name}")
    exec(part.compile(), made.__dict__)
    return made


def install(name: str, **names: Any) -> None:
    """Let a module of the package ``shop`` be imported that has these names."""
    package = sys.modules.setdefault("shop", ModuleType("shop"))
    package.__path__ = []
    made = sys.modules[f"shop.{name}"] = ModuleType(f"shop.{name}")
    vars(made).update(names)
