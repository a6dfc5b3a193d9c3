"""The Django project that is measured: SQLite in a file, images on disk."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command

MADE = "BENCHMARK_DATABASE"


class SlowStorage(FileSystemStorage):
    """Files on disk, each written after a pause in the thread that writes it."""

    def __init__(self, *args: Any, latency: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.latency = latency

    def save(
        self, name: str | None, content: Any, max_length: int | None = None
    ) -> str:
        """Wait, then save."""
        time.sleep(self.latency)
        return super().save(name, content, max_length)


def configure(folder: Path, latency: float = 0.0, **others: Any) -> None:
    """Set Django up with a database and a storage in a folder.

    Args:
        folder: Where the database and the files are.
        latency: Seconds that writing one object takes longer than on the disk.
        others: Settings that are other than here.
    """
    # Without latency it is Django's own class, as a project would name it, so the
    # app's own way of writing to it is measured along.
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(folder / "media"), "base_url": "/media/"},
    }
    if latency:
        storage["BACKEND"] = "project.SlowStorage"
        storage["OPTIONS"] |= {"latency": latency}
    usual: dict[str, Any] = {
        "SECRET_KEY": "only-for-benchmarks",
        "USE_TZ": True,
        "ROOT_URLCONF": "urls",
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "INSTALLED_APPS": [
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "channels",
            "chatkit_images",
        ],
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(folder / "db.sqlite3"),
                # What the documentation recommends for SQLite.
                "OPTIONS": {
                    "timeout": 20,
                    "transaction_mode": "IMMEDIATE",
                    "init_command": (
                        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                    ),
                },
            }
        },
        "STORAGES": {
            "default": storage,
            "chatkit_images": storage,
            "staticfiles": {
                "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
            },
        },
        "CHATKIT_IMAGES": {"BASE_URL": "http://testserver", "LIMITS": None},
        "LOGGING_CONFIG": None,
    }
    settings.configure(**usual | others)
    settings.CHATKIT_IMAGES.setdefault("SPOOL_DIR", folder / "spool")
    django.setup()


def on_postgres(is_wanted: bool) -> dict[str, Any]:
    """Return the settings of PostgreSQL as ``PG*`` variables say, if it is wanted."""
    if not is_wanted:
        return {}
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("PGHOST", "127.0.0.1"),
        "USER": os.environ.get("PGUSER", "postgres"),
        "PASSWORD": os.environ.get("PGPASSWORD", ""),
        "NAME": os.environ["PGDATABASE"],
    }
    return {"DATABASES": {"default": database}}


def create_database() -> None:
    """Migrate a new database; to be run once, the cells get copies.

    ``BENCHMARK_DATABASE`` names a file of SQLite to begin with a copy of.
    """
    from django.contrib.auth import get_user_model
    from django.db import connection

    if (made := os.environ.get(MADE)) and connection.vendor == "sqlite":
        shutil.copy(made, connection.settings_dict["NAME"])
    call_command("migrate", verbosity=0)
    get_user_model().objects.get_or_create(username="someone")
