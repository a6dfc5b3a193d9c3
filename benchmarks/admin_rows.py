"""Images, threads and runs by SQL, for the lists of staff."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import upkeep_rows

IMAGES_A_THREAD, IMAGES_A_RUN = 20, 2
# One of so many images has the common word, and one has failed: a page of them is full
# over a thousand images, too.
COMMON, FAILED = 10, 20
# The oldest images have the rare word, and this person has the oldest threads.
RARE = 20
# Sizes of files are spread over so many bytes.
BYTES = 3_000_000
PERSON = "user:7"
TIMES = {
    "postgresql": "TIMESTAMPTZ '2026-01-01' + {0} * INTERVAL '1 second'",
    "sqlite": "datetime('2026-01-01', ({0}) || ' seconds')",
}

VACUUM = {"postgresql": "VACUUM ANALYZE", "sqlite": "ANALYZE"}
INDEXES = {
    "postgresql": (
        "SELECT i.relname, pg_get_indexdef(i.oid) FROM pg_index x "
        "JOIN pg_class i ON i.oid = x.indexrelid "
        "JOIN pg_class t ON t.oid = x.indrelid "
        "WHERE t.relname = %s AND NOT x.indisunique"
    ),
    "sqlite": (
        "SELECT name, sql FROM sqlite_master "
        "WHERE type = 'index' AND tbl_name = %s AND sql NOT LIKE 'CREATE UNIQUE%%'"
    ),
}


def prepare(images: int) -> tuple[Any, Any]:
    """Make the rows if there are none; return what the pages are asked about.

    Returns:
        The newest image, and the time of the thousandth.
    """
    from django.db import connection, transaction

    from chatkit_images import models

    if not models.GeneratedImage.objects.exists():
        with transaction.atomic(), _quickly():
            _fill(images)
        with connection.cursor() as cursor:
            cursor.execute(VACUUM[connection.vendor])  # As it does by itself.
    newest = models.GeneratedImage.objects.order_by("-created_at", "-pk")[:1000]
    return newest[0], list(newest.values_list("created_at", flat=True))[-1]


@contextmanager
def _quickly() -> Iterator[None]:
    """Make indexes when the rows are there, and check no foreign keys meanwhile."""
    from django.db import connection

    from chatkit_images import models

    made = []
    with connection.cursor() as cursor:
        for model in (models.GeneratedImage, models.Run, models.Thread):
            cursor.execute(INDEXES[connection.vendor], [model._meta.db_table])
            made += cursor.fetchall()
        for name, _sql in made:
            cursor.execute(f"DROP INDEX {connection.ops.quote_name(name)}")
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        yield
        for _name, sql in made:
            cursor.execute(sql)


def _fill(images: int) -> None:
    """Copy a row of each table."""
    from django.db import connection

    from chatkit_images import models

    thread = models.Thread.objects.create(pk="thr_template", owner="user:1", title="T")
    run = models.Run.objects.create(
        owner="user:1", operation="threads.create", status="completed"
    )
    image = models.GeneratedImage.objects.create(
        thread=thread,
        run=run,
        call_id="ig",
        identity="template",
        status="completed",
        mime="image/png",
        bytes=2_000_000,
        width=1024,
        height=1024,
        file="images/a.png",
        thumbnail="images/b.webp",
    )
    digest = "md5('{0}' || n)"
    is_uuid = "::uuid" if connection.vendor == "postgresql" else ""
    then = TIMES[connection.vendor]
    second = then.format("n")
    upkeep_rows.copy(
        models.Thread,
        thread.pk,
        images // IMAGES_A_THREAD,
        {
            "id": "'thr_' || n",
            "owner": "CASE WHEN n < 50 THEN 'user:' || (n %% 10) "
            "ELSE 'team:' || (n / 5) END",
            "title": "'Chat number ' || n",
            "created_at": then.format(f"n * {IMAGES_A_THREAD}"),
        },
    )
    upkeep_rows.copy(
        models.Run,
        run.pk,
        images // IMAGES_A_RUN,
        {
            "id": digest.format("runs") + is_uuid,
            "thread_id": f"'thr_' || (n * {IMAGES_A_RUN} / {IMAGES_A_THREAD})",
            "status": f"CASE WHEN n %% {FAILED} = 0 THEN 'failed' ELSE 'completed' END",
            "created_at": second,
        },
    )
    item = models.ThreadItem.objects.create(
        thread=thread,
        item_id="template",
        type="generated_image",
        payload={"content": []},
    )
    upkeep_rows.copy(
        models.ThreadItem,
        item.pk,
        images,
        {
            "id": "-1 - n",
            "thread_id": f"'thr_' || (n / {IMAGES_A_THREAD})",
            "item_id": "'item_' || n",
            "created_at": second,
        },
    )
    words = f"CASE WHEN n < {RARE} THEN 'a zebra' "
    words += f"WHEN n %% {COMMON} = 0 THEN 'a fox' ELSE 'a harbour' END"
    upkeep_rows.copy(
        models.GeneratedImage,
        image.pk,
        images,
        {
            "id": digest.format("images") + is_uuid,
            "thread_id": f"'thr_' || (n / {IMAGES_A_THREAD})",
            "run_id": f"md5('runs' || (n / {IMAGES_A_RUN})){is_uuid}",
            "item_id": "-1 - n",
            "bytes": f"1000000 + CAST(n AS bigint) * 7919 %% {BYTES}",
            "call_id": "'ig_' || n",
            "identity": "'i' || n",
            "key": digest.format("keys"),
            "status": f"CASE WHEN n %% {FAILED} = 0 THEN 'failed' ELSE 'completed' END",
            "model": "'gpt-image-' || (1 + n %% 2)",
            "prompt": f"{words} || ' in the fog of morning number ' || n",
            "revised_prompt": f"{words} || ', wide, soft light, take ' || n",
            "created_at": second,
        },
    )
    models.GeneratedImage.objects.filter(identity="template").delete()
    models.ThreadItem.objects.filter(item_id="template").delete()
    models.Thread.objects.filter(pk="thr_template").delete()
    models.Run.objects.filter(pk=run.pk).delete()
