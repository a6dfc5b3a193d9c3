"""The example project of the pages, made of their snippets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partialmethod
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import agents
import httpx2
from django.conf import global_settings, settings
from django.test import override_settings
from openai import AsyncOpenAI

from chatkit_images.agents import ImageHttpxClient
from chatkit_images.context import RequestContext
from chatkit_images.server import DjangoChatKitServer
from chatkit_images.server.loading import load_server
from tests import settings as test_settings
from tests.chat import EveryImage

from .pages import Block, block

# An event loop ends with its test; so must its connections.
LIMITS = httpx2.Limits(max_keepalive_connections=0)
without_keepalive = partialmethod(ImageHttpxClient.__init__, limits=LIMITS)


def module(name: str, part: Block, **names: Any) -> ModuleType:
    """Return a module made of a block."""
    made = ModuleType(name)
    made.__dict__.update(names)
    exec(part.compile(), made.__dict__)
    return made


@contextmanager
def installed(**modules: ModuleType) -> Iterator[None]:
    """Let modules of the package ``shop`` be imported."""
    package = ModuleType("shop")
    package.__path__ = []
    made = {"shop": package} | {f"shop.{key}": each for key, each in modules.items()}
    sys.modules.update(made)
    for key, each in modules.items():
        setattr(package, key, each)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


@contextmanager
def serving(part: Block, **values: Any) -> Iterator[ModuleType]:
    """Make the ``DesignServer`` of a block the project's server.

    A block that shows one hook gets the rest from the page's first server. A context
    in it is the project's, too.
    """
    made = module("shop.chat", part)
    shown = made.DesignServer
    if issubclass(shown, DjangoChatKitServer) and "get_agent" not in vars(shown):
        base = module("shop.base", block("server.md", "The server and its hooks"))
        bases = (shown, base.DesignServer)
        made.DesignServer = type("DesignServer", bases, {})
    client = AsyncOpenAI(
        base_url=settings.LOOPBACK_URL,
        api_key="loopback",
        max_retries=0,
        http_client=EveryImage(limits=LIMITS),
    )
    agents.set_default_openai_client(client, use_for_tracing=False)
    agents.set_tracing_disabled(True)
    load_server.cache_clear()
    environment = {
        "OPENAI_API_KEY": "loopback",
        "OPENAI_BASE_URL": settings.LOOPBACK_URL,
        "GEMINI_API_KEY": "loopback",
        "GOOGLE_GEMINI_BASE_URL": settings.LOOPBACK_URL,
    }
    chosen = settings.CHATKIT_IMAGES | {"SERVER": "shop.chat.DesignServer"}
    own = (value for value in vars(made).values() if isinstance(value, type))
    for value in own:
        if issubclass(value, RequestContext) and value is not RequestContext:
            chosen["CONTEXT"] = f"shop.chat.{value.__name__}"
    chosen |= values
    try:
        with (
            installed(chat=made),
            override_settings(CHATKIT_IMAGES=chosen),
            # For a block that makes a client of its own.
            patch.dict("os.environ", environment),
            patch.object(ImageHttpxClient, "__init__", without_keepalive),
        ):
            yield made
    finally:
        load_server.cache_clear()
        agents.set_default_openai_client(None, use_for_tracing=False)  # type: ignore[arg-type]


def settings_of(part: Block, base_dir: Path) -> SimpleNamespace:
    """Return the tests' settings with those of a block over them."""
    names = {
        name: value for name, value in vars(test_settings).items() if name.isupper()
    }
    # startproject writes neither.
    for name in ("CHATKIT_IMAGES", "STORAGES"):
        names.pop(name, None)
    names |= {
        "BASE_DIR": base_dir,
        # As startproject writes it.
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": base_dir / "db.sqlite3",
            }
        },
        "INSTALLED_APPS": [
            app for app in names["INSTALLED_APPS"] if app.startswith("django.")
        ],
    }
    exec(part.compile(), names)
    # What a block does not set is set elsewhere in the project.
    names.setdefault("CHATKIT_IMAGES", {"SERVER": "shop.chat.DesignServer"})
    names.setdefault("STORAGES", global_settings.STORAGES)
    return SimpleNamespace(**names)
