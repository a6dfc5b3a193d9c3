"""Seals of what Redis keeps: whoever else can write there tells a reader nothing.

A seal says that a process of this project has written these bytes as this entry of the
log of this run. Others may share the Redis, or its database, or have got in.
"""

from __future__ import annotations

import datetime
import hmac
import uuid
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Literal

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from ...conf import settings as app_settings
from ...models import Run

Kind = Literal["chunk", "end", "digest"]
SALT = b"chatkit_images.runs.log"
# What the row of a run says if its log is sealed; processes of before say nothing.
NOTE = {"_log": "sealed"}
# Bytes of a seal. Guessing one takes as many tries as there are 128-bit keys.
SIZE = 16


def wants_seals(run: Run) -> bool:
    """Whether only sealed entries of a run's log are its own.

    Its row says so, which nobody changes by Redis. During an upgrade runs of a version
    before say nothing; no longer than Redis keeps their logs.
    """
    said = run.context if isinstance(run.context, dict) else {}
    if NOTE.items() <= said.items():
        return True
    last = run.finished_at or run.heartbeat_at
    kept = datetime.timedelta(seconds=max(app_settings.RUN_LOG_SECONDS, 60))
    return last < timezone.now() - kept


def seal(run_id: uuid.UUID, kind: Kind, number: int, data: bytes) -> bytes:
    """Return the seal of an entry of a log, or of its digest.

    Args:
        run_id: The run.
        kind: What it is.
        number: Its number; of a digest that of the last chunk that it shows.
        data: Its bytes.
    """
    return _seal(settings.SECRET_KEY, run_id, kind, number, data)


def is_sealed(
    found: bytes | None, run_id: uuid.UUID, kind: Kind, number: int, data: bytes
) -> bool:
    """Whether a seal was made for these bytes, with whatever key is valid."""
    if not found:
        return False
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(
        constant_time_compare(found, _seal(key, run_id, kind, number, data))
        for key in keys
    )


def joined(chunks: Iterable[bytes]) -> bytes:
    """Return the chunks of a digest as the bytes that are sealed."""
    return b"\0".join(chunks)  # No JSON has this byte.


def _seal(
    secret: str | bytes, run_id: uuid.UUID, kind: Kind, number: int, data: bytes
) -> bytes:
    head = b"%b%b %d\0" % (run_id.bytes, kind.encode(), number)
    return hmac.digest(_key(secret), head + data, sha256)[:SIZE]


@lru_cache(maxsize=8)
def _key(secret: str | bytes) -> bytes:
    secret = secret.encode() if isinstance(secret, str) else secret
    return sha256(SALT + secret).digest()
