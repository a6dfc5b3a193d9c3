"""URLs of a storage's own, which stay the same for a window if the storage signs them.

django-storages signs by the clock, so each second makes another URL, and it makes a
session of boto3, which takes a tenth of a second, for each thread. Here URLs are signed
as of the beginning of a window, by one client for all threads.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from django.core.files.storage import Storage

from .. import url_windows
from ..conf import settings
from . import backend, s3

# Seconds after which S3 refuses a URL at the latest.
LONGEST = 7 * 24 * 3600
# URLs that a process remembers of each storage; one takes half a kilobyte.
KNOWN = 5000
TIMESTAMP = "%Y%m%dT%H%M%SZ"
# What a URL has that is signed with credentials of an hour or so.
SHORT_LIVED = "X-Amz-Security-Token="
# The time as of which the request of this code is signed.
_signed_at: ContextVar[str] = ContextVar("signed_at")
_signers: WeakKeyDictionary[Storage, _Signer | None] = WeakKeyDictionary()
_making = Lock()


def url(name: str, alias: str | None = None) -> str:
    """Return the URL at which a storage itself has a file.

    On S3, and for CloudFront, it is the same in all processes for ``URL_WINDOW``
    seconds, and valid for ``URL_MAX_AGE`` and for the storage's ``querystring_expire``
    at least. A storage that has a method of its own, ``url`` or another one, is asked
    for the URL as it is. No request is made.

    Args:
        name: The name of the file.
        alias: The storage that has it. Default: the one to which new files go.

    Raises:
        Exception: The storage's own, for example if it has no URLs.
    """
    storage = backend.get_storage(alias)
    signer = _signer_of(storage)
    return storage.url(name) if signer is None else signer.url(storage, name)


def suffices(name: str, alias: str | None = None) -> bool:
    """Whether whoever has the URL of a file gets the file, without more headers."""
    return s3.opens_by_url(backend.get_storage(alias), name)


def lives(least: int) -> tuple[int, int]:
    """Return how long a window is, and how long its URLs live, in seconds.

    Args:
        least: Seconds for which a URL has to be valid when it is read.
    """
    least = min(least, LONGEST - 1)
    window = max(1, min(settings.URL_WINDOW, LONGEST - least))
    return window, window + least


class _Signer:
    """Signs the URLs of a storage, in any thread.

    Args:
        storage: The storage, whose client signs.
    """

    def __init__(self, storage: Any) -> None:
        self._lock = Lock()
        self._known: OrderedDict[tuple[Any, ...], tuple[int, str]] = OrderedDict()
        # CloudFront's signer has no client.
        self._client: Any = None
        if not storage.custom_domain:
            self._client = s3.url_client(storage)
            events = self._client.meta.events
            events.register("before-sign.s3.GetObject", _pin)

    def url(self, storage: Any, name: str) -> str:
        """Return the URL of a file by this storage."""
        least = max(settings.URL_MAX_AGE, int(storage.querystring_expire))
        window, life = lives(least)
        begin = url_windows.begin(name, window)
        # They may be those of a tenant.
        place = storage.custom_domain, storage.bucket_name, s3.object_key(storage, name)
        with self._lock:
            known = self._known.get(place)
        if known is not None and known[0] == begin + life:
            return known[1]
        made = self._sign(storage, name, begin, life)
        if SHORT_LIVED not in made:
            with self._lock:
                self._known[place] = begin + life, made
                self._known.move_to_end(place)
                if len(self._known) > KNOWN:
                    self._known.popitem(last=False)
        return made

    def _sign(self, storage: Any, name: str, begin: int, life: int) -> str:
        if self._client is None:
            return _ending(begin + life, lambda left: storage.url(name, expire=left))
        place = {"Bucket": storage.bucket_name, "Key": s3.object_key(storage, name)}

        def signed(seconds: int) -> str:
            return str(
                self._client.generate_presigned_url(
                    "get_object", Params=place, ExpiresIn=seconds
                )
            )

        with _signing_at(begin):
            made = signed(life)
        if "&Expires=" not in made:
            return made
        # Version 2 of the signature has no date of its own, only an end.
        return _ending(begin + life, signed)


def _ending(second: int, make: Callable[[int], str]) -> str:
    """Return a URL that ends in a second, made by how many seconds are left."""
    made = make(second - int(time.time()))
    if f"Expires={second}" in made:
        return made
    # The clock went on to the next second meanwhile.
    return make(second - int(time.time()))


def _signer_of(storage: Storage) -> _Signer | None:
    """Return what signs for a storage; ``None`` if it makes its URLs itself."""
    found = _signers.get(storage, storage)
    if found is storage:
        with _making:
            found = _signers.get(storage, storage)
            if found is storage:
                found = _Signer(storage) if s3.has_plain_urls(storage) else None
                _signers[storage] = found
    return found  # type: ignore[return-value]


@contextmanager
def _signing_at(second: int) -> Iterator[None]:
    """Have the requests of this code signed as of a second since 1970."""
    text = datetime.fromtimestamp(second, UTC).strftime(TIMESTAMP)
    token = _signed_at.set(text)
    try:
        yield
    finally:
        _signed_at.reset(token)


class _Pinned(dict[str, Any]):
    """The context of a request, whose time ``add_auth`` of botocore does not set."""

    def __setitem__(self, key: str, value: Any) -> None:
        if key != "timestamp":
            super().__setitem__(key, value)


def _pin(request: Any, **kwargs: Any) -> None:
    """Give a request that is to be signed its time; botocore calls it."""
    if (at := _signed_at.get("")) and not isinstance(request.context, _Pinned):
        request.context = _Pinned(request.context, timestamp=at)
