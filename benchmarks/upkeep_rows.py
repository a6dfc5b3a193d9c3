"""A million rows by SQL, whose files have names by a formula."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any, ClassVar

from PIL import Image

# One file of so many is of no row, and one of so many images lacks its bytes.
UNKNOWN, LOST = 50, 500
IMAGES_A_THREAD = 20
SERIES = {
    "postgresql": "generate_series(0, {last}) AS series(n)",
    "sqlite": (
        "(WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s "
        "WHERE n < {last}) SELECT n FROM s) AS series"
    ),
}

LONG_AGO = {
    "postgresql": "CURRENT_TIMESTAMP - INTERVAL '90 days'",
    "sqlite": "datetime(CURRENT_TIMESTAMP, '-90 days')",
}


@cache
def image() -> bytes:
    """Return the bytes of every image: a real one, as recovery looks at its pixels."""
    file = BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True)
class Made:
    """What is made for a number of images.

    Attributes:
        images: How many rows.
    """

    images: int
    now: ClassVar[Made]

    @classmethod
    def of(cls, images: int) -> Made:
        """Return what is made for so many images, which ``Generated`` then lists."""
        cls.now = cls(images)
        return cls.now

    @property
    def unknown(self) -> int:
        """How many files no row has."""
        return -(-self.images // UNKNOWN)

    @property
    def adopted(self) -> int:
        """How many images lack the bytes that are there."""
        return -(-self.images // LOST)

    @property
    def files(self) -> int:
        """How many files there are."""
        return self.images * 2 + self.unknown - self.adopted

    def names(self) -> Iterator[str]:
        """Yield the names of all files."""
        for number in range(self.images):
            yield name("images", number)
            if number % LOST:
                yield name("thumbnails", number)
            if number % UNKNOWN == 0:
                yield name("unknown", number)

    def fill(self) -> None:
        """Make the rows."""
        from django.db import connection

        from chatkit_images import models

        thread = models.Thread.objects.create(pk="thr_template", owner="user:1")
        row = models.GeneratedImage.objects.create(
            thread=thread,
            call_id="ig",
            identity="template",
            status="completed",
            mime="image/png",
            sha256=hashlib.sha256(image()).hexdigest(),
            bytes=len(image()),
            width=8,
            height=8,
        )
        threads = -(-self.images // IMAGES_A_THREAD)
        copy(models.Thread, "thr_template", threads, {"id": "'thr_' || n"})
        digest = "md5('images' || n)"
        small = "md5('thumbnails' || n)"
        lost = f"n %% {LOST} = 0"
        path = "'chatkit_images/{0}/' || substr({1}, 1, 2) || '/' || {1} || '.png'"
        key = digest + ("::uuid" if connection.vendor == "postgresql" else "")
        now = "CURRENT_TIMESTAMP"
        then = LONG_AGO[connection.vendor]
        copy(
            models.GeneratedImage,
            row.pk,
            self.images,
            {
                "id": key,
                "thread_id": f"'thr_' || (n / {IMAGES_A_THREAD})",
                "identity": "'i' || n",
                "key": digest,
                "file": f"CASE WHEN {lost} THEN '' ELSE "
                f"{path.format('images', digest)} END",
                "thumbnail": f"CASE WHEN {lost} THEN '' ELSE "
                f"{path.format('thumbnails', small)} END",
                "status": f"CASE WHEN {lost} THEN 'failed' ELSE 'completed' END",
                # Those that lack their bytes ended just now, the others long ago.
                "finished_at": f"CASE WHEN {lost} THEN {now} ELSE {then} END",
            },
        )
        # An item for each image, as a chat has: databases plan by the sizes of tables.
        item = models.ThreadItem.objects.create(
            thread=thread,
            item_id="template",
            type="assistant_message",
            payload={"content": []},
        )
        copy(
            models.ThreadItem,
            item.pk,
            self.images,
            {
                "id": "-1 - n",
                "thread_id": f"'thr_' || (n / {IMAGES_A_THREAD})",
                "item_id": "'item_' || n",
            },
        )
        models.Thread.objects.filter(pk=thread.pk).delete()


def name(kind: str, number: int) -> str:
    """Return the name of a file, as the rows have it."""
    digest = hashlib.md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest()
    return f"chatkit_images/{kind}/{digest[:2]}/{digest}.png"


def spool_files(made: Made, count: int) -> None:
    """Leave files of rows to the next flush."""
    from chatkit_images.storage import spool

    for number in range(1, count + 1):
        each = name("images", number % made.images)
        spool.keep(each, image())
        spool.hand_over(each)


def prepare() -> None:
    """Migrate the database, and empty it."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    clear()


def clear() -> None:
    """Empty the tables; the files belong to no database then."""
    from django.core.management import call_command

    from chatkit_images import storage

    storage.get_storage().delete(storage.marker.name())
    call_command("flush", verbosity=0, interactive=False)


def analyze() -> None:
    """Look at the tables, as a database does by itself when they have grown."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def rows_read() -> int:
    """Return how many rows the scans of this database have read; 0 if unknown."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT 1")
        cursor.execute(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) "
            "FROM pg_stat_user_tables"
        )
        return int(cursor.fetchone()[0] or 0)


def copy(model: Any, key: Any, count: int, values: dict[str, str]) -> None:
    """Copy a row many times, with other values by their SQL."""
    from django.db import connection

    columns = [field.column for field in model._meta.concrete_fields]
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    selected = ", ".join(values.get(each, f"t.{quote(each)}") for each in columns)
    primary = model._meta.pk
    series = SERIES[connection.vendor].format(last=count - 1)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(map(quote, columns))}) "
            f"SELECT {selected} FROM {table} t, {series} "
            f"WHERE t.{quote(primary.column)} = %s",
            [primary.get_db_prep_value(key, connection)],
        )
