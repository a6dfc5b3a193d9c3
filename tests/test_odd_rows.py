"""Whatever JSON is in the columns ``failure`` and ``timings``, all that reads it does.

Rows of other versions, of a project's own code and of hands may have anything there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from chatkit_images import reports, storage
from chatkit_images.models import GeneratedImage, Run, Thread
from chatkit_images.protocol.event_stream import failed
from chatkit_images.queries import states
from chatkit_images.signals import image_failed, run_finished
from tests.image_files import image_file

LONG = "x" * 200_000
NAMES = (
    *("reason", "code", "message", "request_id", "retry_after", "moderation"),
    *("words", "remedy", "status", "type"),
)
PHASES = ("claim_ms", "input_ms", "model_ms", "decode_ms", "store_ms", "thumbnail_ms")
# What stands in place of each value, as JSON has it.
VALUES = {
    "null": "null",
    "true": "true",
    "zero": "0",
    "negative": "-5",
    "fraction": "0.5",
    "huge": "1e300",
    "infinite": "1e400",
    "long number": "9" * 400,
    "longest number": "9" * 6000,
    "empty text": '""',
    "number in a text": '"30"',
    "no number": '"soon"',
    "a lone surrogate": r'"\ud800"',
    "a NUL": r'"a\u0000b"',
    "markup": '"<script>alert(1)</script>"',
    "formats": '"%s {0} {x}"',
    "a long text": json.dumps(LONG),
    "empty list": "[]",
    "list": '["a", 1, null]',
    "lists": "[[[1]], {}]",
    "empty object": "{}",
    "object": '{"remedy": "x", "ms": 1}',
    "categories of numbers": '{"categories": [1, null, {"a": 1}]}',
    "categories as object": '{"categories": {"violence": true, "b": [1]}}',
    "categories as text": '{"categories": "violence"}',
    "deep": "[" * 60 + "]" * 60,
    "deepest": "[" * 900 + "]" * 900,
    "wide": json.dumps({f"key {number}": number for number in range(3000)}),
}
SHAPES = dict(VALUES)
# What a database itself refuses.
REFUSED = {
    "postgresql": ("a lone surrogate", "a NUL"),
    "mysql": ("a lone surrogate", "deep", "deepest"),
}.get(connection.vendor, ())
# Keys that a record of the log has itself, or that are facts.
SHAPES["keys of the log"] = json.dumps(
    dict.fromkeys(["message", "asctime", "name", "args", "levelname", "module"], 1)
)
SHAPES["facts"] = json.dumps(dict.fromkeys(["status", "owner", "image_id", "event"], 1))
SHAPES["odd keys"] = json.dumps({"": 1, "a b": 2, "draw_ms": 3, "é": 4, "x" * 500: 5})


def taken(shapes: Iterable[str]) -> list[str]:
    return [shape for shape in shapes if shape not in REFUSED]


def each(value: str) -> str:
    """Return an object that has a value in each place where something is read."""
    return "{" + ", ".join(f'"{key}": {value}' for key in (*NAMES, *PHASES)) + "}"


def put(row: Any, text: str) -> None:
    """Write JSON as it stands into both columns."""
    table, field = row._meta.db_table, row._meta.pk
    key = field.get_db_prep_value(row.pk, connection)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET failure = %s, timings = %s WHERE {field.column} = %s",
            [text, text, key],
        )


@pytest.fixture
def page(ann: User) -> Client:
    """A browser of Ann's, who is staff."""
    ann.is_staff = ann.is_superuser = True
    ann.save()
    found = Client()
    found.force_login(ann)
    return found


@pytest.fixture
def ended(ann: User) -> tuple[Run, GeneratedImage]:
    """A run that has failed, and its image."""
    return failed_in("thr_1", ann)


def failed_in(key: str, ann: User) -> tuple[Run, GeneratedImage]:
    """Make a thread with a run that has failed, and its image."""
    owner, now = f"user:{ann.pk}", timezone.now()
    thread = Thread.objects.create(pk=key, owner=owner, user=ann)
    told = {
        "status": "failed",
        "reason": "rate_limited",
        "requested_at": now - timedelta(seconds=9),
        "first_event_at": now - timedelta(seconds=8),
        "finished_at": now,
    }
    run = Run.objects.create(thread=thread, owner=owner, user=ann, **told)
    image = GeneratedImage.objects.create(
        thread=thread, run=run, call_id="ig_1", arrived_at=now, stored_at=now, **told
    )
    return run, image


@pytest.mark.sweep(10)
@pytest.mark.parametrize("shape", taken(SHAPES))
def test_every_reader_takes_any_shape(
    ended: tuple[Run, GeneratedImage],
    ann: User,
    page: Client,
    shape: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "chatkit_images.reports")
    told = SHAPES[shape]
    # The one whole, the other in each place, and then the other way round.
    for whole, parts in (ended, reversed(ended)):
        put(whole, told)
        put(parts, each(told))
        for row in ended:
            name = row._meta.model_name
            shown = page.get(f"/admin/chatkit_images/{name}/{row.pk}/change/")
            assert shown.status_code == 200, name
            assert b"<script>alert" not in shown.content
        assert page.get("/chatkit/threads/thr_1/status/").status_code == 200
        check(Run.objects.get(), GeneratedImage.objects.get(), ann, caplog)


def test_lists_take_all_shapes(ann: User, page: Client) -> None:
    shapes = taken(SHAPES)
    for number, shape in enumerate(shapes):
        for row in failed_in(f"thr_{number}", ann):
            put(row, SHAPES[shape])
    for path in ("run/", "generatedimage/"):
        shown = page.get(f"/admin/chatkit_images/{path}")
        assert shown.status_code == 200, path
        assert shown.content.count(b'class="action-select"') == len(shapes)


def check(
    run: Run, image: GeneratedImage, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    """Read the rows as streams, reports and the log do."""
    assert failed(run, ann).model_dump_json()
    end = states.end_of(run.thread)
    assert end is not None
    assert json.dumps(end, ensure_ascii=False).encode()
    for phase in [*reports.phases_of(run), *reports.phases_of(image)]:
        assert 0 <= phase.ms < 10**12
    caplog.clear()
    for signal, named in (
        (run_finished, {"run": run}),
        (image_failed, {"image": image}),
    ):
        for receiver, problem in signal.send_robust(type(run), **named):
            assert problem is None, (receiver, problem)
    lines = [each for each in caplog.records if each.name == "chatkit_images.reports"]
    assert [each.event for each in lines] == ["run", "image"]
    assert [each.status for each in lines] == ["failed", "failed"]


@pytest.mark.parametrize(
    "shape", taken(["list", "no number", "true", "infinite", "deep"])
)
def test_a_command_recovers_an_image_with_timings_of_any_shape(
    ann: User, shape: str
) -> None:
    owner = f"user:{ann.pk}"
    thread = Thread.objects.create(pk="thr_1", owner=owner, user=ann)
    before = timezone.now().replace(2020)
    run = Run.objects.create(thread=thread, owner=owner, user=ann, heartbeat_at=before)
    image = GeneratedImage.objects.create(thread=thread, run=run, call_id="ig_1")
    storage.spooled(storage.name_of("images", image.key, "png"), image_file("red"))
    for row in (run, image):
        put(row, SHAPES[shape])
    call_command("chatkit_images_recover")
    image.refresh_from_db()
    assert (image.status, image.timings["recovered"]) == ("completed", True)
