"""For whom this code works: in whatever thread, and for every tenant in turn."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.db import connections
from django.utils.module_loading import import_string

from .awaiting import at_once
from .conf import settings
from .context import RequestContext
from .run_state import current_context

if TYPE_CHECKING:
    from django.http import HttpRequest

P = ParamSpec("P")
T = TypeVar("T")
# What the columns of owners take.
OWNER_LENGTH = 255
# Begins what stands in the column of owners and is none, such as the sums of all.
RESERVED = "~"
C = TypeVar("C", bound=RequestContext | None)


def context_class() -> type[RequestContext]:
    """Return the class of the project's contexts.

    Raises:
        ImportError: If ``CONTEXT`` names nothing. A check says so.
    """
    if settings.CONTEXT is None:
        return RequestContext
    found: type[RequestContext] = import_string(settings.CONTEXT)
    return found


def may_delete(context: RequestContext, row: Any) -> bool:
    """Whether a context's person may delete a row. Not for the event loop.

    Raises:
        TypeError: If the project's method is asynchronous. What it returns counts as
            true, whatever it says.
    """
    advice = f"{type(context).__name__}.may_delete() must not be asynchronous."
    return at_once(context.may_delete(row), advice)


@contextmanager
def working_for(context: C) -> Iterator[C]:
    """Do the work within for a context, and return it; ``None`` changes nothing."""
    if context is None:
        yield context
        return
    token = current_context.set(context)
    try:
        with context.activate():
            yield context
    finally:
        current_context.reset(token)


@contextmanager
def within_tenant_of(request: HttpRequest) -> Iterator[None]:
    """Do the work within while it is not known yet whose request it is.

    Sessions, users and the rows that a signed URL names may be those of a tenant.
    """
    with working_for(context_class().for_owner("", request=request)):
        yield


def working_context() -> RequestContext | None:
    """Return for whom this code works; ``None`` if for nobody in particular.

    Code of the project's, such as an admin page or a script, works for nobody that the
    app knows of, but maybe for a tenant that the project has selected.
    """
    context = current_context.get()
    if context is None and selects_more(context_class()):
        return context_class().for_owner("")
    return context


def checked(context: object) -> RequestContext:
    """Return what a project's ``from_request()`` has returned, if it is a context.

    Rows without an owner would be everybody's who has none.

    Raises:
        TypeError: If it is no context, or its owner is no text.
        ValueError: If its owner is empty, does not fit into its column, or begins as
            what counts for all.
    """
    if not isinstance(context, RequestContext):
        advice = "from_request() must return a context, and must not be asynchronous."
        raise TypeError(f"{advice} It has returned {type(at_once(context, advice))}.")
    name, owner = type(context).__name__, context.owner
    if not isinstance(owner, str):
        raise TypeError(f"The owner of a {name} must be a text, got {owner!r}.")
    if not 0 < len(owner) <= OWNER_LENGTH:
        raise ValueError(
            f"The owner of a {name} must have 1 to {OWNER_LENGTH} characters, "
            f"got {len(owner)}."
        )
    if owner.startswith(RESERVED):
        raise ValueError(
            f"The owner of a {name} must not begin with {RESERVED!r}, as the names of "
            f"sums and counters of this app do, got {owner!r}."
        )
    return context


def given_to(piece: object, context: object) -> RequestContext:
    """Return what a piece of this app was given, if it is a context.

    A project that calls its server by itself may give its server anything.

    Args:
        piece: Who needs the context.
        context: What it was given. It may have secrets, so its type alone is told.

    Raises:
        TypeError: If it is no ``RequestContext``.
    """
    if isinstance(context, RequestContext):
        return context
    raise TypeError(
        f"{type(piece).__name__} needs a RequestContext, which says whose rows it may "
        f"see, got {type(context).__name__}. Give the server's process() what "
        "RequestContext.from_request(request) or RequestContext.for_user(user) "
        "returns; values of your own go into fields of a subclass."
    )


def selects_more(cls: type[RequestContext]) -> bool:
    """Whether a class selects more than language and URLs, which go along anyway."""
    return cls.activate is not RequestContext.activate


def carried(
    func: Callable[P, T], context: RequestContext | None = None
) -> Callable[P, T]:
    """Return a function that works, in another thread, for a context.

    By default that is the one for whom this code works.
    """
    context = context or working_context()
    if context is None:
        return func

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with working_for(context):
            return func(*args, **kwargs)

    return call


@asynccontextmanager
async def own_thread() -> AsyncIterator[None]:
    """Have a thread for asynchronous queries, unless this task has one.

    The thread ends with the work within. Nothing else would close its connections.
    """
    if SyncToAsync.thread_sensitive_context.get(None) is not None:
        yield
        return
    async with ThreadSensitiveContext() as mine:
        try:
            yield
        finally:
            if mine in SyncToAsync.context_to_thread_executor:
                await sync_to_async(connections.close_all)()


async def leave_thread() -> None:
    """End the thread that Django has for this request, and close its connections.

    Both would wait for a client that reads slowly. What is called in the thread later
    gets another one.
    """
    mine = SyncToAsync.thread_sensitive_context.get(None)
    if mine is None:
        return
    executor = SyncToAsync.context_to_thread_executor.pop(mine, None)
    if executor is not None:
        await get_running_loop().run_in_executor(executor, connections.close_all)
        executor.shutdown(wait=False)


@asynccontextmanager
async def task_of(context: RequestContext) -> AsyncIterator[None]:
    """Work for a context in a task: that of a request, or of a run.

    Asynchronous queries of hooks and tools are made in a thread that asgiref has for
    the task. What ``activate()`` keeps for each thread, such as the schema of a
    connection, holds there, too.
    """
    with working_for(context):
        if not selects_more(type(context)):
            # A thread costs memory.
            yield
            return
        async with own_thread():
            stack = ExitStack()
            # It is entered and left in two calls, and context variables must be set
            # back where they were set.
            thread = copy_context()
            await sync_to_async(thread.run)(stack.enter_context, context.activate())
            try:
                yield
            finally:
                await sync_to_async(thread.run)(stack.close)


def all_contexts() -> list[RequestContext | None]:
    """Return a context of each tenant, for work that no run does.

    The project's function may query the database, so this is not for the event loop.
    Without ``CONTEXTS`` there is one, ``None``, which ``working_for()`` takes too.
    """
    if settings.CONTEXTS is None:
        return [None]
    return list(import_string(settings.CONTEXTS)())
