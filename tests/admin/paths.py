"""The admin's addresses."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.utils import quote
from django.urls import reverse

from chatkit_images import models

MODELS = [
    models.Thread,
    models.GeneratedImage,
    models.Attachment,
    models.Run,
    models.Feedback,
    models.RefusedInput,
    models.DeletedFile,
    models.UseEntry,
    models.OwnerBlock,
    models.Brake,
    models.LegalHold,
    models.Decision,
]
# Models whose rows staff make, and those whose rows nobody deletes.
MADE_BY_STAFF = [models.OwnerBlock, models.Brake, models.LegalHold]
KEPT = [models.DeletedFile, models.UseEntry, models.Decision]


def page(row: Any, name: str, *args: object) -> str:
    """Return the address of a page of a model or a row."""
    model = row._meta.model_name
    keys = [] if isinstance(row, type) else [quote(row.pk)]
    return reverse(f"admin:chatkit_images_{model}_{name}", args=[*keys, *args])


def change_list(model: Any) -> str:
    """Return the address of a list."""
    return page(model, "changelist")


def change(row: Any) -> str:
    """Return the address of a row's page."""
    return page(row, "change")


def image_file(row: Any, variant: str) -> str:
    """Return the address of a row's bytes."""
    return page(row, "image", variant)
