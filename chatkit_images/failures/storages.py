"""What the refusals of disks and storages mean, if they do not pass by themselves."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

FULL = {errno.ENOSPC, errno.EDQUOT}
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR}
# By the codes of S3, and by the classes of what boto3 raises before it asks.
CODES = {
    "storage_rights": "AccessDenied AllAccessDisabled AccountProblem 403 Forbidden",
    "storage_credentials": """
        InvalidAccessKeyId SignatureDoesNotMatch InvalidToken NoCredentialsError
        PartialCredentialsError CredentialRetrievalError ProfileNotFound InvalidSecurity
        UnauthorizedAccess NoAuthTokenError SSOTokenLoadError UnauthorizedSSOTokenError
    """,
    "storage_expired": "ExpiredToken TokenRefreshRequired",
    "storage_bucket": "NoSuchBucket InvalidBucketName ParamValidationError",
    "storage_region": """
        AuthorizationHeaderMalformed PermanentRedirect NoRegionError
        IllegalLocationConstraintException InvalidRegionError
    """,
    "storage_checksum": "XAmzContentSHA256Mismatch InvalidArgument",
}
# Those of these classes that keep boto3 from asking anybody, a provider of models too.
UNASKED = {
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NoRegionError",
    "NoAuthTokenError", "SSOTokenLoadError", "UnauthorizedSSOTokenError",
}  # fmt: skip
OF_MODELS = {
    "storage_credentials": "model_credentials",
    "storage_region": "model_region",
}
# The modules in which a storage is asked.
ASKING = ("chatkit_images.storage", "django.core.files.", "storages.")
OPERATIONS = ("Object", "Bucket", "Part", "Upload")
BY_ANSWER = {answer: code for code, text in CODES.items() for answer in text.split()}


def code_of(error: BaseException) -> str:
    """Return the code of what a disk or a storage lacks, a key of remedies' sentences.

    It is empty if nothing but time is lacking. A full disk has a code although it may
    have room again in a moment, see ``may_end``.
    """
    if isinstance(error, OSError) and error.errno in FULL:
        return "disk_full"
    if isinstance(error, OSError) and error.errno in CLOSED:
        return "files"
    if isinstance(error, ImproperlyConfigured) and "torage" in type(error).__name__:
        return "storage_settings"
    if not type(error).__module__.startswith(("boto3", "botocore")):
        return ""
    return BY_ANSWER.get(_answer_of(error), "")


def may_end(error: BaseException) -> bool:
    """Whether what is lacking may be there in a moment, so that tries are worth while.

    A disk has room again as soon as somebody's temporary files are gone, and boto3 has
    a new token as soon as the machine's role gives one.
    """
    return code_of(error) in ("disk_full", "storage_expired")


def lasts(error: BaseException) -> bool:
    """Whether what is lacking stays so, whoever asks again, until somebody mends it."""
    return code_of(error) not in ("", "storage_expired")


def unasked(error: BaseException) -> str:
    """Return the code of what kept boto3 from asking anybody, empty if none did.

    It is a storage's if one was to be asked, else that of a model.
    """
    if type(error).__name__ not in UNASKED:
        return ""
    code = code_of(error)
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    modules = (str(frame.f_globals.get("__name__", "")) for frame in frames)
    if any(module.startswith(ASKING) for module in modules):
        return code
    return OF_MODELS.get(code, "")


def _answer_of(error: Any) -> str:
    """Return what S3 has answered, or the class of what kept boto3 from asking it."""
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return type(error).__name__
    # Models may be asked by boto3, too.
    if not any(word in str(error.operation_name) for word in OPERATIONS):
        return ""
    told = response.get("Error")
    return str(told.get("Code")) if isinstance(told, Mapping) else ""
