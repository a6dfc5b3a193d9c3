"""What there is in a database and its storages, without what chance has given."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import (
    AutoField,
    DateTimeField,
    FileField,
    ForeignKey,
    JSONField,
    Model,
)
from django.utils import timezone

from chatkit_images import models, storage
from chatkit_images.deleted_files import file_columns
from chatkit_images.storage import marker, spool

# What was planted is older, and what a command has done is younger.
PLANTED = datetime.timedelta(hours=12)


def unreadable() -> list[str]:
    """Return the files that rows name and that are not where their rows say."""
    return [
        f"{type(row).__name__} {row.pk} {column}"
        for row, column, blob in _named()
        if _digest(*blob) is None
    ]


def rows() -> dict[str, list[str]]:
    """Return all rows by model. A file's name is the digest of its bytes."""
    told: dict[str, list[str]] = {}
    for model in apps.get_app_config("chatkit_images").get_models():
        found: Any = model._default_manager.all()
        if model is models.DeletedFile:
            # The others are only here until their files are deleted.
            found = found.exclude(due_at=None)
        elif model is models.RunEnd:
            # For two minutes they are left to who was about to tell.
            found = found.exclude(due_at__gt=timezone.now())
        told[model.__name__] = sorted(json.dumps(_row(row)) for row in found)
    return told


def files() -> dict[str, list[str]]:
    """Return the digests of all files by storage, the spool among them."""
    found: dict[str, list[str]] = {}
    for alias in _aliases():
        names = storage.listed_names(alias)
        found[alias] = sorted(str(_digest(name, alias)) for name in names)
    spooled = [path for path in settings.HOME.glob("spool/**/*") if path.is_file()]
    return found | {"spool": [_hash(path.read_bytes()) for path in sorted(spooled)]}


def left_over() -> list[str]:
    """Return the files that no row names, and what was half written."""
    named = {(blob.alias, blob.name) for _, _, blob in _named()}
    found = [
        f"{alias}: {name}"
        for alias in _aliases()
        for name in storage.listed_names(alias)
        if (alias, name) not in named
    ]
    folders = [Path(settings.HOME, name) for name in ("media", "second", "spool")]
    return found + [str(path) for each in folders for path in each.rglob(".*.tmp")]


def _aliases() -> list[str]:
    return [alias for alias in settings.STORAGES if alias != "staticfiles"]


def _named() -> Iterator[tuple[Any, str, storage.Blob]]:
    for model, columns in file_columns().items():
        for row in model._default_manager.all():
            for column in columns:
                for blob in row.blobs(column):
                    yield row, column, storage.Blob(blob.name, row.stored_in)


def _digest(name: str, alias: str) -> str | None:
    if name == marker.name():
        return "marker"
    try:
        if spool.has(name):
            return _hash(spool.path_of(name).read_bytes())
        with storage.get_storage(alias).open(name, "rb") as file:
            return _hash(file.read())
    except FileNotFoundError:
        return None


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _row(row: Model) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        value = field.value_from_object(row)
        if isinstance(field, AutoField):
            continue
        if isinstance(field, ForeignKey) and field.related_model is models.ThreadItem:
            # Its key is by chance, too, where a transaction was undone.
            item = getattr(row, field.name)
            value = item and item.item_id
        if isinstance(field, DateTimeField):
            value = _time(value)
        elif isinstance(field, FileField):
            alias = getattr(row, "stored_in", "")
            value = _digest(value.name, alias) if value else ""
        elif isinstance(field, JSONField):
            value = json.dumps(value, sort_keys=True, default=str)
        elif isinstance(row, models.DeletedFile) and field.name == "name":
            value = _digest(value, row.stored_in)
        elif field.name == "moved_to" and value:
            # What a move has made has a name by chance.
            value = "copied"
        told[field.name] = value if value is None else str(value)
    return told


def _time(value: datetime.datetime | None) -> str:
    if value is None:
        return ""
    aware = value if timezone.is_aware(value) else timezone.make_aware(value)
    return "lately" if aware > timezone.now() - PLANTED else aware.isoformat()
