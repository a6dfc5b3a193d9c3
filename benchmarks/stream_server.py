"""The measured process: one application in one server, on a free port."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import project

# What ``startproject`` writes, less what has to do with pages.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]


def main() -> None:
    """Print the port, then serve what the argument, a JSON object, asks for."""
    cell = json.loads(sys.argv[1])
    configure(cell)
    if cell["door"] == "none":
        print(prepare())
        return
    # Imported once Django is set up, as models need it.
    from stream_apps import application

    app = application(cell["door"])
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listener.getsockname()[1], flush=True)
    if cell.get("server") == "daphne":
        daphne(app, listener)
    else:
        uvicorn(app, listener)


def prepare() -> str:
    """Migrate a new database and return the key of somebody's session."""
    project.create_database()
    from django.contrib import auth
    from django.contrib.sessions.backends.db import SessionStore
    from django.db import connections

    user = auth.get_user_model().objects.get()
    session = SessionStore()
    session[auth.SESSION_KEY] = str(user.pk)
    session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    # SQLite writes all of it into the one file that is copied.
    connections.close_all()
    return str(session.session_key)


def configure(cell: dict[str, Any]) -> None:
    """Set Django up for a cell."""
    others: dict[str, Any] = {
        "ALLOWED_HOSTS": ["*"],
        "MIDDLEWARE": MIDDLEWARE,
        "BENCHMARK_URL": cell.get("url", ""),
        "BENCHMARK_MODEL": cell.get("model", ""),
        # One person does here what hundreds do elsewhere.
        "CHATKIT_IMAGES": {"SERVER": "stream_apps.StreamServer", "LIMITS": None}
        | cell.get("settings", {}),
    }
    if "postgres" in cell:
        engine = {"ENGINE": "django.db.backends.postgresql"}
        others["DATABASES"] = {"default": engine | cell["postgres"]}
    project.configure(Path(cell["folder"]), **others)


def uvicorn(app: Any, listener: socket.socket) -> None:
    """Serve with uvicorn."""
    from uvicorn import Config, Server

    options = {"lifespan": "off", "log_level": "error", "backlog": 4096}
    Server(Config(app, **options)).run([listener])


def daphne(app: Any, listener: socket.socket) -> None:
    """Serve with Daphne."""
    from daphne.server import Server

    endpoint = f"fd:fileno={listener.fileno()}"
    Server(app, endpoints=[endpoint], signal_handlers=False).run()


if __name__ == "__main__":
    main()
