"""Checks of uploads that go to the storage past the app."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks
from django.core.files.storage import Storage

from .. import conf
from ..storage import presigned, s3


def check_uploads(
    alias: str, storage: Storage, values: dict[str, Any]
) -> Iterator[checks.CheckMessage]:
    """Check that clients may write to a storage themselves, if they are to.

    Args:
        alias: Its name in ``STORAGES``.
        storage: The storage.
        values: ``CHATKIT_IMAGES``.
    """
    if values.get("ATTACHMENT_UPLOADS") != "storage":
        return
    if not s3.is_plain(storage):
        yield checks.Error(
            "CHATKIT_IMAGES['ATTACHMENT_UPLOADS'] is 'storage', and "
            f"STORAGES[{alias!r}] is no S3Storage without additions.",
            hint="Use storages.backends.s3.S3Storage, without gzip or methods of your "
            "own, or remove ATTACHMENT_UPLOADS.",
            id="chatkit_images.E029",
        )
        return
    if values.get("FILE_CIPHER") is not None:
        yield checks.Error(
            "CHATKIT_IMAGES['ATTACHMENT_UPLOADS'] is 'storage', so files would be in "
            "the bucket without the encryption of FILE_CIPHER.",
            hint="Remove ATTACHMENT_UPLOADS, or FILE_CIPHER.",
            id="chatkit_images.E030",
        )
    if s3.is_amazon(storage) and s3.region_of(storage) is None:
        yield _advice(
            f"STORAGES[{alias!r}] names no region, so what a browser sends to the "
            "bucket may be signed for another one.",
            "Write region_name in its OPTIONS.",
        )
    if conf.settings.MAX_ATTACHMENT_BYTES > presigned.MOST_BYTES:
        yield _advice(
            "S3 takes 5 GiB in one upload, which is less than "
            "CHATKIT_IMAGES['MAX_ATTACHMENT_BYTES'].",
            f"Write {presigned.MOST_BYTES} or less.",
        )


def _advice(what: str, hint: str) -> checks.CheckMessage:
    return checks.Warning(what, hint=hint, id="chatkit_images.W024")
