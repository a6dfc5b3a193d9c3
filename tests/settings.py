"""Settings of the tests: on SQLite, or on what ``TEST_DATABASE`` names.

It is ``postgres`` or ``mariadb``. ``TEST_USE_TZ=0`` turns time zones off.
"""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

SECRET_KEY = "only-for-tests"
USE_TZ = os.environ.get("TEST_USE_TZ") != "0"
TIME_ZONE = "Europe/Berlin" if USE_TZ else "America/New_York"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SCRATCH = Path(tempfile.mkdtemp(prefix="chatkit-images-tests-"))
MEDIA_ROOT = SCRATCH / "media"
MEDIA_URL = "/media/"
STATIC_URL = "/static/"

if os.environ.get("TEST_DATABASE") == "postgres":
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ.get("PGHOST", "127.0.0.1"),
            "PORT": os.environ.get("PGPORT", "5432"),
            "USER": os.environ.get("PGUSER", "postgres"),
            "PASSWORD": os.environ.get("PGPASSWORD", ""),
            "NAME": os.environ.get("PGDATABASE", "postgres"),
            "TEST": {"NAME": f"test_chatkit_images_{os.getpid()}"},
        }
    }
elif os.environ.get("TEST_DATABASE") == "mariadb":
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.mysql",
            "HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
            "PORT": os.environ.get("MYSQL_TCP_PORT", "3306"),
            "USER": os.environ.get("MYSQL_USER", "root"),
            "PASSWORD": os.environ.get("MYSQL_PWD", ""),
            "NAME": os.environ.get("MYSQL_DATABASE", "mysql"),
            "OPTIONS": {"charset": "utf8mb4"},
            "TEST": {
                "NAME": f"test_chatkit_images_{os.getpid()}",
                "CHARSET": "utf8mb4",
                "COLLATION": "utf8mb4_general_ci",
            },
        }
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(SCRATCH / "db.sqlite3"),
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
            },
            "TEST": {"NAME": SCRATCH / "test.sqlite3"},
        }
    }

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "chatkit_images",
]
# What keeps the tokens of clients; the environment of the hard dependencies has none.
TOKEN_APPS = ["rest_framework.authtoken", "oauth2_provider"]
if (
    find_spec("rest_framework")
    and find_spec("oauth2_provider")
    # Other databases empty their tables slowly, after each test, and these are many.
    and "sqlite3" in DATABASES["default"]["ENGINE"]
):
    INSTALLED_APPS += TOKEN_APPS
    # Their tables without migrations are made first, and point at users.
    MIGRATION_MODULES = {app.rpartition(".")[2]: None for app in TOKEN_APPS}
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ASGI_APPLICATION = "tests.asgi.application"
CHATKIT_IMAGES = {
    "SERVER": "tests.chat.TestServer",
    "SPOOL_DIR": SCRATCH / "spool",
    "TUNING": {"STORAGE_BACKOFF_SECONDS": 0},
}
# Where the loopback model answers; the fixture `model` sets it.
LOOPBACK_URL = os.environ.get("CHATKIT_LOOPBACK_URL", "http://127.0.0.1:9/v1")
HTTP_CLIENT = "tests.chat.EveryImage"
LOGIN_URL = "/admin/login/"
