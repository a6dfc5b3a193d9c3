"""Checks of the encryption of files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.utils.module_loading import import_string

from .. import conf


def check_cipher(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that the cipher can be made, and that nothing goes past it."""
    path = values.get("FILE_CIPHER")
    if path is None:
        return
    try:
        cipher = import_string(path)()
        problem = "" if all(map(callable, (cipher.encrypt, cipher.decrypt))) else path
    except Exception as error:
        problem = repr(error)
    if problem:
        yield checks.Error(
            f"CHATKIT_IMAGES['FILE_CIPHER'] = {path!r} is no cipher: {problem}.",
            hint="Write the dotted path of a class that can be made without arguments "
            "and has encrypt(name, data) and decrypt(name, data).",
            id="chatkit_images.E026",
        )
    if values.get("IMAGE_URLS") == "storage":
        yield checks.Warning(
            "Images come from the app although CHATKIT_IMAGES['IMAGE_URLS'] is "
            "'storage': a browser cannot decrypt what the storage has.",
            hint="Remove IMAGE_URLS, or FILE_CIPHER.",
            id="chatkit_images.W017",
        )
    most = conf.settings.MAX_ATTACHMENT_BYTES
    memory = django_settings.FILE_UPLOAD_MAX_MEMORY_SIZE
    if django_settings.FILE_UPLOAD_TEMP_DIR is None and memory < most:
        yield checks.Warning(
            f"Django writes uploads of more than {memory} bytes to plain temporary "
            "files before the app encrypts them.",
            hint=f"Set FILE_UPLOAD_MAX_MEMORY_SIZE to more than {most}, with room for "
            "the form, or FILE_UPLOAD_TEMP_DIR to a directory in memory.",
            id="chatkit_images.W018",
        )
