"""What mends a failure that does not go away by itself: one sentence for each cause.

Logs, staff and system checks say the same sentences. Whoever is no staff reads none.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any

from . import databases, storages
from .failure import Failure
from .reasons import Reason

logger = logging.getLogger(__name__)
# By the code of a failure, or by what else says which it is.
SENTENCES = {
    "missing_table": "Run `python manage.py migrate`: the database lacks a table or a "
    "column of this version.",
    "database_access": "Correct DATABASES: the database refuses this user, password or "
    "name, or the user has too few rights there.",
    "database_file": "Let the server's user read and write the file of the database "
    "and its directory: {files}",
    "database_read_only": "Let the server's user write to the database, which is "
    "read-only: {files}",
    "database_damaged": "Restore the database from a backup, on a disk of this host: "
    "its file cannot be read as one. {files}",
    "disk_full": "Free space on the disk: no more can be written to it.",
    "files": "Make this path, or let the server's user read and write it: {path}",
    "no_api_key": "Set OPENAI_API_KEY in the environment of the server, or give the "
    "agent's model a client of your own that has a key.",
    "invalid_api_key": "Set OPENAI_API_KEY to a valid key: the provider refuses this "
    "one.",
    "bad_api_key": "Set OPENAI_API_KEY without spaces and line ends: no request can "
    "carry this one.",
    "model_credentials": "Give boto3 valid credentials for the model's provider, by "
    "the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), a profile or a role: "
    "there are none, or they are refused.",
    "model_region": "Name the region of the model's provider: set AWS_DEFAULT_REGION, "
    "or give the client of boto3 a region_name.",
    "bad_base_url": "Write OPENAI_BASE_URL, or the base_url of the agent's client, "
    "with https:// or http:// and a host.",
    "bad_certificate": "Let Python trust the certificate of the provider, or of the "
    "proxy before it: set SSL_CERT_FILE.",
    "model_not_found": "Name a model in Agent(model=...) that the provider has, and "
    "that this key may use.",
    "organization_not_verified": "Verify the organization at "
    "https://platform.openai.com/settings/organization/general, then wait 15 minutes.",
    "unsupported_country_region_territory": "Ask the provider from a country that it "
    "serves.",
    "not_allowed": "Give the key and its project the right to this model at the "
    "provider, or set OPENAI_API_KEY to another key.",
    "quota": "Add credit, or raise the limit, at the provider's page of billing.",
    "hosted_tool": "Give the agent a model of the Responses API (the default of the "
    "Agents SDK): ImageGenerationTool does not work with chat completions.",
    "bad_request": "Change model, tools or settings of the agent: the provider does "
    "not take them together.",
    "server": "Write CHATKIT_IMAGES['SERVER']: the dotted path of a subclass of "
    "DjangoChatKitServer that is made without arguments.",
    "urlconf": 'Add path("chatkit/", include("chatkit_images.urls")) to the '
    "urlpatterns of ROOT_URLCONF.",
    "asgi": "Serve asgi.py with an ASGI server, such as daphne or uvicorn. For "
    'runserver put "daphne" first in INSTALLED_APPS and set ASGI_APPLICATION.',
    "redis": "Correct CHATKIT_IMAGES['RUN_LOG_URL'], for example "
    '"redis://127.0.0.1:6379/0", and let that Redis be reached.',
    "package": "Install, or correct the name of, what is missing: {words}",
    "settings": "Correct the settings: {words}",
    "storage_settings": "Correct STORAGES, for which `python manage.py check` has "
    "hints: {words}",
    "storage_rights": "Give these credentials the rights s3:PutObject, s3:GetObject, "
    "s3:DeleteObject and s3:ListBucket on the bucket.",
    "storage_credentials": "Correct the credentials in STORAGES or in the environment "
    "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY): there are none, or they are refused.",
    "storage_expired": "Renew the temporary credentials (AWS_SESSION_TOKEN), which "
    "have expired, or let boto3 renew them by itself: by a role or a profile.",
    "storage_bucket": "Make the bucket, or correct bucket_name in STORAGES.",
    "storage_region": "Correct region_name and endpoint_url in STORAGES.",
    "storage_checksum": "Unless this is Amazon's S3, give OPTIONS of STORAGES "
    'client_config=Config(request_checksum_calculation="when_required", '
    'response_checksum_validation="when_required").',
    "not_saved": "Let the server's user write to the storage and to SPOOL_DIR, and "
    "free space there.",
    "project": "Read the traceback of this exception in the log: it is raised by the "
    "project's own code or settings.",
}
# What tells a cause by words where no code does.
WORDS = {
    "server": r"chatkit_images\['server'\] (?:is not set|cannot be|must be the dotted)",
    "urlconf": r"urlconf of chatkit_images",
    "asgi": r"served by wsgi",
    "redis": r"redis url|run_log_url",
    "storage_settings": r"settings\.storages|could not find backend",
    "hosted_tool": r"hosted tools? (?:are|is) not supported",
    "organization_not_verified": r"organi[sz]ation must be verified",
    "model_not_found": r"does not have access to (?:the )?model"
    r"|model [`'\"][^`'\"]+[`'\"] (?:does not exist|(?:was |is )?not found)",
    "package": r"no module named|you can install it|is required to use|could not import"
    r"|error loading [\w ]+ module",
}
PATTERNS = {cause: re.compile(words, re.IGNORECASE) for cause, words in WORDS.items()}
# Reasons that staff must mend, and what to do if nothing says more.
BY_REASON = {
    Reason.NOT_ALLOWED: "not_allowed",
    Reason.QUOTA: "quota",
    Reason.BAD_REQUEST: "bad_request",
    Reason.INSTALLATION: "project",
}
# What providers that are asked by boto3 say of credentials.
CODES = dict.fromkeys(
    (
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "UnrecognizedClientException",
    ),
    "model_credentials",
)
# Failures that are a person's own, or that a project has refused on purpose.
PERSONAL = {"permission_denied", "not_found"}


def remedy_of(failure: Failure, errors: Iterable[BaseException] = ()) -> str:
    """Return what mends a failure; empty if it is not staff who must mend it.

    Args:
        failure: The failure.
        errors: The exceptions that told of it.
    """
    if failure.may_retry or failure.code in PERSONAL:
        return ""
    errors = list(errors)
    cause = _cause(failure, errors)
    return sentence(cause, failure.message, errors) if cause else ""


def of_storage(error: BaseException) -> str:
    """Return what mends a disk or a storage; empty if it may take the bytes later."""
    cause = storages.code_of(error)
    return sentence(cause, str(error), [error]) if cause else ""


def sentence(cause: str, words: str = "", errors: Iterable[BaseException] = ()) -> str:
    """Return the sentence for a cause.

    Args:
        cause: A key of ``SENTENCES``.
        words: What was said of it.
        errors: The exceptions that told of it; one of them may name a file.
    """
    path = next((str(p) for e in errors if (p := getattr(e, "filename", None))), "")
    files = ", ".join(map(str, databases.files()))
    known = {"files": files, "path": path or words, "words": words}
    return SENTENCES[cause].format_map(known).rstrip(" :")


def tell(failure: Failure | None, where: str = "") -> None:
    """Log what mends a failure, in one line; nothing if it is not for staff to mend.

    Args:
        failure: The failure.
        where: What has failed, such as ``"Run 4f2a..."``.
    """
    if failure is not None and failure.remedy:
        head = f"{where} has failed" if where else "A request has failed"
        logger.error(
            "%s and will again until somebody mends it. %s (%s)",
            head,
            failure.remedy,
            failure.summary(),
        )


def for_staff(words: str, remedy: object, user: Any) -> str:
    """Return what a person reads of a failure; staff also read what mends it.

    Args:
        words: What everybody reads.
        remedy: The remedy, maybe empty or ``None``.
        user: Who reads it; ``None`` for a visitor.
    """
    is_staff = bool(getattr(user, "is_active", False) and getattr(user, "is_staff", 0))
    return f"{words} {remedy}" if remedy and is_staff else words


def _cause(failure: Failure, errors: list[BaseException]) -> str:
    if failure.code in storages.OF_MODELS.values():
        return failure.code
    stored = [cause for each in errors if (cause := storages.code_of(each))]
    # What the spool lacks matters only because the storage has refused the bytes.
    stored.sort(key=lambda cause: not cause.startswith("storage_"))
    if stored and stored[0].startswith("storage_"):
        return stored[0]
    if failure.reason is Reason.GONE:
        # Most that is gone was a person's own, such as a thread.
        return "model_not_found" if "model" in failure.summary().lower() else ""
    default = BY_REASON.get(failure.reason)
    if default is None:
        return ""
    if failure.code == "not_saved" and stored:
        return stored[0]
    for cause, pattern in PATTERNS.items():
        if pattern.search(failure.message):
            return cause
    if failure.code in CODES:
        return CODES[failure.code]
    if failure.code in SENTENCES:
        return failure.code
    if failure.reason is Reason.NOT_ALLOWED and failure.status == 401:
        return "invalid_api_key"
    if failure.reason is Reason.INSTALLATION and stored:
        return stored[0]
    if failure.code == "improperly_configured":
        return "settings"
    return default
