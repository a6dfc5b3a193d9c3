"""What people and models wrote does not become markup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from chatkit_images import models

from .paths import MODELS, change, change_list

Make = Callable[..., Any]
EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.mark.row("C19")
def test_no_text_becomes_markup(
    root: Client, everything: Make, make_item: Make
) -> None:
    rows = everything(1)
    thread, image, upload, run, *_rest = rows
    data = {"evil": EVIL}
    thread.title, thread.owner, thread.user = EVIL, EVIL, None
    thread.status_reason, thread.metadata, thread.allowed_image_domains = (
        EVIL,
        data,
        [EVIL],
    )
    upload.name, upload.owner, upload.user, upload.metadata = EVIL, EVIL, None, data
    upload.mime_type, upload.foreign_preview_url = EVIL, "javascript:alert(3)"
    run.error, run.worker, run.operation, run.usage = EVIL, EVIL, EVIL[:64], data
    run.owner, run.user, run.response_id = EVIL, None, EVIL
    image.prompt = image.revised_prompt = image.error_message = EVIL
    image.model = image.call_id = EVIL
    image.size = image.quality = image.background = EVIL[:32]
    image.error_code, image.mime = EVIL[:64], EVIL[:64]
    image.usage = image.moderation = data
    for row in rows:
        row.save()
    models.Feedback.objects.update(owner=EVIL, user=None)
    models.DeletedFile.objects.update(name=EVIL)
    models.UseEntry.objects.update(owner=EVIL)
    models.OwnerBlock.objects.update(owner=EVIL, words=EVIL)
    models.Brake.objects.update(words=EVIL, is_on=True)
    models.RefusedInput.objects.update(host=EVIL, model=EVIL, code=EVIL[:64])
    item = make_item(thread, EVIL[:64], evil=EVIL)
    models.ThreadItem.objects.filter(pk=item.pk).update(item_id=EVIL)
    make_item(thread, content=[{"text": EVIL}], quoted_text=EVIL)
    for path in [*map(change_list, MODELS), *map(change, rows)]:
        html = root.get(path).content.decode()
        assert "<script>alert" not in html, path
        assert "<img src=x" not in html, path
        assert 'href="javascript' not in html, path
    for mime in ("image/png", "image/svg+xml"):
        models.GeneratedImage.objects.update(mime=mime)
        for path in (change_list(models.GeneratedImage), change(image), change(thread)):
            html = root.get(path).content.decode()
            assert "<img src=x" not in html, path
            assert "&lt;img src=x" in html, path
