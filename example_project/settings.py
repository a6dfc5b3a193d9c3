"""Settings of the example project: a working chat on one machine by default.

SQLite, files and the memory of one process serve until the environment names
something bigger: DATABASE_URL, REDIS_URL, CHATKIT_IMAGES_S3_BUCKET.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dj_database_url

from .environment import flag, s3_options, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
DEMO_DIR = BASE_DIR / ".demo"

SECRET_KEY = secret_key(DEMO_DIR / "secret_key")
DEBUG = flag("DEBUG", default=True)
DEFAULT_EXCEPTION_REPORTER_FILTER = "example_project.reports.URLReporterFilter"
ALLOWED_HOSTS = [
    host
    for host in os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
    if host
]
CSRF_TRUSTED_ORIGINS = [
    origin for origin in os.environ.get("CSRF_TRUSTED_ORIGINS", "").split(",") if origin
]

INSTALLED_APPS = [
    # First, so that `runserver` is Daphne's and speaks ASGI.
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "chatkit_images",
    "example_project",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "example_project.urls"
ASGI_APPLICATION = "example_project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the apps' own, so that this project's login page wins over the
        # admin's.
        "DIRS": [Path(__file__).resolve().parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES: dict[str, Any] = {
    "default": dj_database_url.config(
        default=f"sqlite:///{DEMO_DIR / 'db.sqlite3'}", conn_health_checks=True
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Runs, requests and the admin write at the same time: readers must not block
    # the writer (WAL), and a writer must wait for its turn rather than fail.
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        transaction_mode="IMMEDIATE",
        timeout=20,
        init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = os.environ.get("REDIS_URL", "")

MEDIA_ROOT = Path(os.environ.get("MEDIA_ROOT") or BASE_DIR / "media")
STATIC_URL = "static/"
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if options := s3_options():
    STORAGES["chatkit_images"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": options,
    }

# What the project names as its server, and the context that goes with it.
SERVERS: dict[str, dict[str, str]] = {
    "designer": {"SERVER": "example_project.chat.DesignServer"},
    "portraits": {"SERVER": "example_project.servers.portraits.PortraitServer"},
    "museum": {
        "SERVER": "example_project.servers.museum.MuseumServer",
        "CONTEXT": "example_project.servers.museum.MuseumContext",
    },
}
CHATKIT_IMAGES: dict[str, Any] = {
    **SERVERS[os.environ.get("EXAMPLE_SERVER") or "designer"],
    # Anybody may try the demo: a visitor's chats belong to the session.
    "ALLOW_ANONYMOUS": True,
    # The designer looks at images; its page offers nothing else.
    "ATTACHMENT_TYPES": ["image/png", "image/jpeg", "image/webp", "image/gif"],
    # No proxy is before the demo, so the address of a client is that of its connection.
    "TRUSTED_PROXIES": [],
    "SPOOL_DIR": DEMO_DIR / "spool",
    # With rules of the bucket that let the page write; see docs/storage.md.
    "ATTACHMENT_UPLOADS": (
        "storage" if flag("CHATKIT_IMAGES_S3_UPLOADS", False) else "app"
    ),
    # What several processes share.
    "RUN_LOG_URL": REDIS_URL or None,
}

# The model of the demo. Without an API key the project talks to the loopback
# model that `asgi.py` mounts into this very server.
OPENAI_MODEL = os.environ.get("OPENAI_MODEL") or "gpt-4.1"
LOOPBACK = not os.environ.get("OPENAI_API_KEY")
LOOPBACK_URL = os.environ.get(
    "CHATKIT_LOOPBACK_URL", "http://127.0.0.1:8000/loopback/v1"
)
CHATKIT_DOMAIN_KEY = os.environ.get("CHATKIT_DOMAIN_KEY", "domain_pk_localhost_dev")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"one_line": {"()": "example_project.logs.OneLine"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "filters": ["one_line"]}
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["console"], "level": "INFO", "propagate": False}
    },
}

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "chat"
LOGOUT_REDIRECT_URL = "chat"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
