"""The server that ``CHATKIT_IMAGES["SERVER"]`` names."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

from chatkit.server import ChatKitServer
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .. import failures
from ..conf import settings
from ..context import RequestContext
from ..store import DjangoStore


def get_server() -> ChatKitServer[RequestContext]:
    """Return the project's server, one per process.

    Raises:
        ImproperlyConfigured: If ``CHATKIT_IMAGES["SERVER"]`` is not a
            ``ChatKitServer``, or if its store is not a ``DjangoStore``.
    """
    if settings.SERVER is None:
        raise ImproperlyConfigured("CHATKIT_IMAGES['SERVER'] is not set.")
    return load_server(settings.SERVER)


@cache
def load_server(path: str) -> ChatKitServer[RequestContext]:
    """Return the server of the class that a dotted path names."""
    try:
        server = import_string(path)
    except Exception as error:
        # Its module may raise anything at all.
        raise ImproperlyConfigured(
            f"CHATKIT_IMAGES['SERVER'] cannot be imported: {path!r}: {error!r}"
        ) from error
    if not (isinstance(server, type) and issubclass(server, ChatKitServer)):
        raise ImproperlyConfigured(
            "CHATKIT_IMAGES['SERVER'] must be the dotted path of a ChatKitServer, "
            f"got {path!r}."
        )
    # A project's class takes what ChatKit's takes, or nothing.
    make = cast("Callable[[], ChatKitServer[RequestContext]]", server)
    try:
        made = make()
    except Exception as error:
        failure = failures.of(error)
        if failure is not None and failure.may_retry:
            raise  # Such as a database that is away.
        raise ImproperlyConfigured(
            f"CHATKIT_IMAGES['SERVER'] cannot be made: {path!r}: {error!r}"
        ) from error
    if not isinstance(made.store, DjangoStore):
        # Its threads have no rows, to which claims, resumes and stops refer.
        raise ImproperlyConfigured(
            f"The store of CHATKIT_IMAGES['SERVER'], {path!r}, must be a DjangoStore, "
            f"got {type(made.store).__name__}. Give the server a DjangoStore, or leave "
            "SERVER unset and call the server's process() in a view of your own."
        )
    return made
