"""A project whose tenants are selected for each thread, as a connection's schema is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from agents import Agent, RunContextWrapper, function_tool
from chatkit import types
from chatkit.agents import AgentContext
from django.core.files.storage import FileSystemStorage
from django.http import HttpRequest

from chatkit_images import models
from chatkit_images.context import RequestContext
from tests.chat import TestServer

NAMES = ["acme", "beta"]
# What was done, and which tenant its thread had selected.
seen: list[tuple[str, str]] = []


class Selected(threading.local):
    """The tenant of a thread."""

    name = ""


selected = Selected()


def note(what: str) -> None:
    """Note what is done here, and for which tenant."""
    # MariaDB and MySQL have other quotes.
    seen.append((selected.name, what.replace("`", '"')))


@dataclass(frozen=True)
class TenantContext(RequestContext):
    """Selects the tenant that a header names."""

    @classmethod
    def get_tenant(cls, request: HttpRequest | None = None) -> str:
        if request is None:
            return selected.name
        return str(request.headers.get("X-Tenant", ""))

    @contextmanager
    def activate(self) -> Iterator[None]:
        before, selected.name = selected.name, self.tenant
        try:
            with super().activate():
                yield
        finally:
            selected.name = before


def contexts() -> Iterator[TenantContext]:
    for name in NAMES:
        yield TenantContext(None, "", tenant=name)


class TenantStorage(FileSystemStorage):
    """Notes who uses it."""

    def _save(self, name: str, content: Any) -> str:
        note(f"save {name}")
        return super()._save(name, content)

    def _open(self, name: str, mode: str = "rb") -> Any:
        note(f"open {name}")
        return super()._open(name, mode)

    def listdir(self, path: str) -> Any:
        note(f"list {path}")
        return super().listdir(path)

    def delete(self, name: str) -> None:
        note(f"delete {name}")
        super().delete(name)


@function_tool
async def count_threads(wrapper: RunContextWrapper[AgentContext[Any]]) -> str:
    """Count the threads, as a tool of a project's would, with an asynchronous query."""
    return str(await models.Thread.objects.acount())


class TenantServer(TestServer):
    """Has hooks that ask the database."""

    async def check_request(
        self, request: types.ChatKitReq, context: RequestContext
    ) -> None:
        assert await models.Thread.objects.acount() >= 0
        await super().check_request(request, context)

    async def get_agent(  # type: ignore[override]
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any]:
        assert await models.Thread.objects.filter(pk=thread.id).aexists()
        agent = super().get_agent(thread, context)
        agent.tools.append(count_threads)
        return agent
