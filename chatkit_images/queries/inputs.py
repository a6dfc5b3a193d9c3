"""Rows of what goes to a model: images without a result, and files it has refused."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from django.db.models import Q, QuerySet
from django.utils import timezone

from .. import models
from ..cleaning import clean, clean_columns
from ..transactions import atomic

# How long a refusal counts. Providers learn new formats.
REMEMBERED = datetime.timedelta(days=30)
# The code of files that go along again, within half of the budget.
HALF_BUDGET = "half_budget"


class InputFile(NamedTuple):
    """A file that goes to a model.

    Attributes:
        kind: The model of its row.
        pk: The key of its row.
    """

    kind: Literal["image", "attachment"]
    pk: str


class Provider(NamedTuple):
    """Who takes an input or refuses it.

    Attributes:
        host: The host of the provider's API.
        model: The name of the model.
    """

    host: str
    model: str


def refusals(
    thread_id: str, images: Iterable[str] = ()
) -> dict[Provider, dict[InputFile, str]]:
    """Return the codes of files that were refused lately.

    Args:
        thread_id: The thread whose files they are.
        images: Keys of images of other threads.
    """
    key, others = clean(thread_id), list(images)
    lately = models.RefusedInput.objects.filter(
        created_at__gt=timezone.now() - REMEMBERED
    )
    # With an OR over two joins no database would use the index of either.
    rows = [
        *lately.filter(image__thread_id=key),
        *lately.filter(attachment__thread_id=key),
        *(lately.filter(image__pk__in=others) if others else ()),
    ]
    found: dict[Provider, dict[InputFile, str]] = {}
    for row in sorted(rows, key=lambda row: row.created_at):
        file = (
            InputFile("image", str(row.image_id))
            if row.image_id
            else InputFile("attachment", str(row.attachment_id))
        )
        found.setdefault(Provider(row.host, row.model), {})[file] = row.code
    return found


def was_refused(file: InputFile) -> bool:
    """Whether any provider has refused a file lately."""
    lately = models.RefusedInput.objects.filter(
        created_at__gt=timezone.now() - REMEMBERED
    ).exclude(code=HALF_BUDGET)
    return lately.filter(**{file.kind: file.pk}).exists()


@atomic()
def remember(files: Iterable[InputFile], provider: Provider, code: str) -> None:
    """Note that a provider has refused files. An older note of the same is replaced."""
    columns = clean_columns(
        models.RefusedInput,
        {"host": provider.host, "model": provider.model, "code": code},
    )
    # What was deleted meanwhile needs no note.
    keys = kept(files)
    images = [file.pk for file in keys if file.kind == "image"]
    attachments = [file.pk for file in keys if file.kind == "attachment"]
    rows = [models.RefusedInput(image_id=uuid.UUID(pk), **columns) for pk in images]
    rows += [models.RefusedInput(attachment_id=pk, **columns) for pk in attachments]
    models.RefusedInput.objects.filter(
        Q(image__in=images) | Q(attachment__in=attachments),
        host=columns["host"],
        model=columns["model"],
    ).delete()
    models.RefusedInput.objects.bulk_create(rows)


def kept(files: Iterable[InputFile]) -> set[InputFile]:
    """Return those of files that are there, and stay until the transaction ends.

    A row that points at one that is deleted in this moment would fail the transaction.
    """
    given = set(files)
    rows: dict[str, QuerySet[Any]] = {
        "image": models.GeneratedImage.objects.locked(),
        "attachment": models.Attachment.objects.locked(),
    }
    keys = {kind: [file.pk for file in given if file.kind == kind] for kind in rows}
    found = {
        (kind, str(pk))
        for kind, some in keys.items()
        if some
        # All lock them in the same order, so that nobody waits in a circle.
        for pk in rows[kind]
        .filter(pk__in=some)
        .order_by("pk")
        .values_list("pk", flat=True)
    }
    return {file for file in given if file in found}


def outdated() -> QuerySet[models.RefusedInput]:
    """Return the notes that count no more."""
    return models.RefusedInput.objects.filter(
        created_at__lte=timezone.now() - REMEMBERED
    )
