"""Forms of images that nobody needs any more, for the sweep."""

from __future__ import annotations

import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from .. import models
from . import missing_thumbnails, variants

# For so long a process that makes forms by some settings is sure to have made one.
UNUSED = datetime.timedelta(days=7)


def left_over() -> QuerySet[models.ImageVariant]:
    """Return the forms of images that a process has deleted without knowing of them."""
    images = models.GeneratedImage.objects.filter(pk=OuterRef("image_id"))
    attachments = models.Attachment.objects.filter(pk=OuterRef("attachment_id"))
    return models.ImageVariant.objects.filter(~Exists(images), ~Exists(attachments))


def unused() -> QuerySet[models.ImageVariant]:
    """Return the forms by settings by which no process makes forms any more.

    During a deploy some processes have the settings of before, and each makes what it
    lacks. So forms by settings by which one was made lately stay. Old notes that an
    image cannot have a thumbnail are among them, so that it is tried again: the
    settings may allow it now.
    """
    forms = models.ImageVariant.objects.filter(form__startswith=variants.FOR_MODELS)
    made = forms.filter(created_at__gt=timezone.now() - UNUSED)
    used = made.order_by().values_list("form", flat=True).distinct()
    outdated = Q(form__startswith=variants.FOR_MODELS) & ~Q(
        form__in={*used, variants.form()}
    )
    notes = Q(form__in=missing_thumbnails.FORMS, created_at__lt=timezone.now() - UNUSED)
    return models.ImageVariant.objects.filter(outdated | notes)
