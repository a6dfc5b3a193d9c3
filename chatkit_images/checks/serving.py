"""Checks of what serves the project: URLs, middleware, ASGI, processes, the key."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core import checks
from django.core.management import get_commands
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from ..context import RequestContext
from ..contexts import context_class
from ..failures.databases import SQLITE
from ..failures.remedies import SENTENCES

# The apps whose ``runserver`` speaks WSGI. WhiteNoise's is that of the next app.
WSGI = ("django.core", "django.contrib.staticfiles")
WHITENOISE = "whitenoise.runserver_nostatic"
SESSIONS = "django.contrib.sessions"


def check_urls(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that the app's URLs are mounted."""
    try:
        reverse("chatkit_images:chat")
    except NoReverseMatch:
        yield checks.Warning(
            "The URLs of chatkit_images are not in ROOT_URLCONF, so there is no chat "
            "endpoint, and images have no URL.",
            hint=SENTENCES["urlconf"],
            id="chatkit_images.W015",
        )
    except Exception:
        return  # The URLconf itself has a mistake, which Django's own check shows.


def check_runserver(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that ``runserver`` can serve the chat, if it is what runs."""
    if values.get("SERVER") is None:
        return  # There is no endpoint.
    daphne = "daphne" in django_settings.INSTALLED_APPS
    if daphne and not getattr(django_settings, "ASGI_APPLICATION", None):
        what = "ASGI_APPLICATION is not set, so the runserver of daphne does not start."
    elif sys.argv[1:2] == ["runserver"] and get_commands().get("runserver") in (
        WSGI if daphne else (*WSGI, WHITENOISE)
    ):
        what = "This runserver speaks WSGI, so the chat endpoint refuses messages."
    else:
        return
    yield checks.Warning(what, hint=SENTENCES["asgi"], id="chatkit_images.W010")


def check_middleware(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that Django says who sends a request, where nothing else does."""
    paths = django_settings.MIDDLEWARE
    try:
        context = context_class()
        found = [import_string(path) for path in paths]
    except (ImportError, AttributeError, TypeError, ValueError):
        return  # Other checks say so, and Django's own server.
    if not (isinstance(context, type) and issubclass(context, RequestContext)):
        return
    sessions = _has(found, SessionMiddleware)
    default = "django.contrib.sessions.backends.db"
    engine = getattr(django_settings, "SESSION_ENGINE", default)
    if (
        sessions
        and engine == default
        and SESSIONS not in django_settings.INSTALLED_APPS
    ):
        yield _missing(SESSIONS, "INSTALLED_APPS", "sessions have no table")
    own = [path for path in paths if not path.startswith("django.")]
    inherited = _inherits(context, "from_request") and _inherits(context, "get_user")
    if own or not inherited:
        return  # The project has a way of its own.
    if not _has(found, AuthenticationMiddleware):
        path = "django.contrib.auth.middleware.AuthenticationMiddleware"
        yield _missing(path, "MIDDLEWARE", "nobody is ever logged in")
    elif not sessions:
        path = "django.contrib.sessions.middleware.SessionMiddleware"
        yield _missing(path, "MIDDLEWARE", "no request has a session")


def _has(found: list[Any], wanted: type) -> bool:
    return any(isinstance(each, type) and issubclass(each, wanted) for each in found)


def _inherits(context: type[RequestContext], name: str) -> bool:
    """Whether a class of contexts has a method of the app's own."""
    own = getattr(getattr(context, name), "__func__", None)
    return own is getattr(RequestContext, name).__func__


def _missing(what: str, setting: str, so: str) -> checks.CheckMessage:
    return checks.Error(
        f"{setting} lacks {what!r}, so {so}.",
        hint="Add it as `startproject` has it, or say with CONTEXT who sends a "
        "request.",
        id="chatkit_images.E022",
    )


def check_processes(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Yield advice for more than one process, which no settings show for sure."""
    if values.get("RUN_LOG_URL") is not None or values.get("SERVER") is None:
        return
    workers = os.environ.get("WEB_CONCURRENCY", "")
    sure = workers.isdecimal() and int(workers) > 1
    databases: dict[str, Any] = django_settings.DATABASES
    engines = [each.get("ENGINE", "") for each in databases.values()]
    if sure or not all(engine.endswith((*SQLITE, "dummy")) for engine in engines):
        yield checks.Warning(
            "RUN_LOG_URL is not set: with more than one process a reader who comes "
            "back to another one waits until the answer has ended.",
            hint='Write "RUN_LOG_URL": "redis://127.0.0.1:6379/0", or silence this '
            "check if there is one process.",
            id="chatkit_images.W014",
        )


def check_key(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Yield advice if the default client has no key where this command runs."""
    keys = ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY")
    if values.get("SERVER") is not None and not any(map(os.environ.get, keys)):
        yield checks.Warning(
            "OPENAI_API_KEY is not in the environment of this command.",
            hint=f"{SENTENCES['no_api_key']} In the latter case silence this check.",
            id="chatkit_images.W016",
        )
