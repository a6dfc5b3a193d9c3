"""A filled database, storage and Redis as files that any version can read."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import redis
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

# In an order in which rows can be made.
MODELS = [
    "auth.User",
    "sessions.Session",
    *(
        f"chatkit_images.{name}"
        for name in (
            "Thread",
            "Run",
            "ThreadItem",
            "GeneratedImage",
            "PartialImage",
            "Attachment",
            "Feedback",
            "DeletedFile",
            "DeletedPosition",
        )
    ),
]


def dump(target: Path, known: dict[str, Any]) -> None:
    """Write everything to a folder, with what is known of it."""
    app = apps.get_app_config("chatkit_images")
    own = {name for name in MODELS if name.startswith("chatkit_images.")}
    assert own == {model._meta.label for model in app.get_models()}
    now = timezone.now()
    rows = {
        name: list(apps.get_model(name)._base_manager.order_by("pk").values())
        for name in MODELS
    }
    applied = MigrationRecorder(connection).applied_migrations()
    manifest = {
        "revision": known.pop("revision"),
        "made_at": now,
        "migrations": sorted(name for label, name in applied if label == app.label),
        "files": {
            **_files(settings.MEDIA_ROOT, target / "storage"),
            **_files(Path(settings.CHATKIT_IMAGES["SPOOL_DIR"]), target / "spool"),
        },
        **known,
    }
    write(target / "rows.json", rows)
    write(target / "redis.json", _logs(known.pop("logs")))
    del manifest["logs"]
    for name in ("answers", "images"):
        write(target / f"{name}.json", manifest.pop(name))
    write(target / "manifest.json", manifest)


def write(path: Path, tables: dict[str, Any]) -> None:
    """Write JSON with a line for each row, so that a change shows as one."""
    parts = []
    for name, value in tables.items():
        inner = _line(value)
        if isinstance(value, list) and value:
            inner = "[\n" + ",\n".join(map(_line, value)) + "\n]"
        elif isinstance(value, dict) and value:
            pairs = (f"{json.dumps(key)}: {_line(each)}" for key, each in value.items())
            inner = "{\n" + ",\n".join(pairs) + "\n}"
        parts.append(f"{json.dumps(name)}: {inner}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def _line(value: Any) -> str:
    return json.dumps(value, default=_text, ensure_ascii=False)


def _text(value: Any) -> str:
    # Django's encoder would leave out microseconds.
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def _files(root: Path, target: Path) -> dict[str, Any]:
    """Copy a folder; return digest and age of each file by its path in the fixture."""
    found = {}
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        found[copy.relative_to(target.parent).as_posix()] = {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "age": round(time.time() - path.stat().st_mtime),
        }
    return found


def _logs(runs: list[str]) -> dict[str, Any]:
    """Return what Redis has of runs: streams as lists of entries, and strings."""
    found: dict[str, Any] = {}
    client = redis.Redis.from_url(
        settings.CHATKIT_IMAGES["RUN_LOG_URL"], decode_responses=True
    )
    with client:
        for run in runs:
            for key in sorted(client.scan_iter(f"*{run}*")):
                stream = client.type(key) == "stream"
                found[key] = client.xrange(key) if stream else client.get(key)
    return found
