"""What does not go away by itself: who reads what mends it, and that nobody retries."""

from __future__ import annotations

import errno
import json
import logging
import ssl
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from agents import UserError
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.core.files.storage.handler import InvalidStorageError
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, ProgrammingError
from django.test import Client

from chatkit_images import failures
from chatkit_images.exceptions import StorageUnavailable
from chatkit_images.failures.remedies import SENTENCES
from chatkit_images.models import Run
from chatkit_images.testing import HTTPError, LoopbackAPI
from tests.client import ChatClient, message
from tests.docs.pages import ROOT

boto = pytest.importorskip("botocore.exceptions")
REQUEST = httpx2.Request("POST", "https://provider.example/v1/responses")


def answer(status: int, code: str, words: str) -> openai.APIStatusError:
    """What the client makes of a provider's answer."""
    body = {"code": code, "message": words}
    response = httpx2.Response(status, request=REQUEST, json={"error": body})
    return openai.APIStatusError(words, response=response, body=body)


def unasked(cause: Exception) -> openai.APIConnectionError:
    """What the client makes of a request that it could not send."""
    error = openai.APIConnectionError(request=REQUEST)
    error.__cause__ = cause
    return error


def s3(code: str, status: int = 403) -> Exception:
    """What boto3 makes of an answer of S3's."""
    told: dict[str, Any] = {"Error": {"Code": code, "Message": code}}
    told["ResponseMetadata"] = {"HTTPStatusCode": status}
    error: Exception = boto.ClientError(told, "PutObject")
    return error


def bedrock(code: str) -> Exception:
    """What boto3 makes of an answer of Bedrock's."""
    told: dict[str, Any] = {"Error": {"Code": code, "Message": code}}
    told["ResponseMetadata"] = {"HTTPStatusCode": 403}
    error: Exception = boto.ClientError(told, "InvokeModel")
    return error


def unsaved(*causes: Exception) -> StorageUnavailable:
    """Neither the storage nor the spool took it, each for its reason."""
    last: Exception | None = None
    for cause in causes:
        cause.__context__, last = last, cause
    error = StorageUnavailable("Neither took it.", lasting=True)
    error.__cause__ = last
    return error


def of_storage(cause: Exception) -> Exception:
    """What a storage raises that asks by boto3."""

    class Files(Storage):
        def _open(self, name: str, mode: str = "rb") -> Any:
            raise cause

    with pytest.raises(type(cause)) as raised:
        Files().open("images/one.png")
    return raised.value


def configured(words: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(words)


def denied() -> OSError:
    return PermissionError(errno.EACCES, "Permission denied", "/srv/media")


def full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


# By cause: what tells of it. docs/troubleshooting.md has a row for each cause.
CAUSES: dict[str, list[Exception]] = {
    "missing_table": [
        OperationalError("no such table: chatkit_images_run"),
        OperationalError("table chatkit_images_run has no column named tool_usage"),
        ProgrammingError('relation "chatkit_images_run" does not exist'),
        OperationalError(1054, "Unknown column 'run.context' in 'field list'"),
    ],
    "database_access": [
        OperationalError('FATAL:  password authentication failed for user "shop"'),
        OperationalError('FATAL:  database "shop" does not exist'),
        OperationalError('FATAL:  role "shop" does not exist'),
        OperationalError(1045, "Access denied for user 'shop'@'localhost'"),
        OperationalError(1049, "Unknown database 'shop'"),
        ProgrammingError("permission denied for table chatkit_images_run"),
    ],
    "database_read_only": [OperationalError("attempt to write a readonly database")],
    "database_damaged": [DatabaseError("file is not a database")],
    "disk_full": [
        OperationalError("database or disk is full"),
        full(),
        unsaved(full()),
    ],
    "files": [denied(), unsaved(denied())],
    "no_api_key": [openai.OpenAIError("Missing credentials. Please pass an `api_key`")],
    "invalid_api_key": [
        answer(401, "invalid_api_key", "Incorrect API key provided: sk-…"),
        answer(401, "", "You must be a member of an organization to use the API"),
    ],
    "bad_api_key": [unasked(httpx2.LocalProtocolError("Illegal header value b'…'"))],
    "model_credentials": [
        boto.NoCredentialsError(),
        boto.ProfileNotFound(profile="shop"),
        bedrock("UnrecognizedClientException"),
        bedrock("ExpiredTokenException"),
    ],
    "model_region": [boto.NoRegionError()],
    "bad_base_url": [unasked(httpx2.UnsupportedProtocol("Request URL is missing"))],
    "bad_certificate": [
        unasked(ssl.SSLCertVerificationError("CERTIFICATE_VERIFY_FAILED"))
    ],
    "model_not_found": [
        answer(404, "model_not_found", "The model `gpt-9` does not exist"),
        answer(400, "model_not_found", "The requested model 'gpt-9' does not exist."),
        answer(403, "", "Project `p` does not have access to model `gpt-image-2`"),
    ],
    "organization_not_verified": [
        answer(403, "", "Your organization must be verified to use the model `x`.")
    ],
    "unsupported_country_region_territory": [
        answer(403, "unsupported_country_region_territory", "Country not supported")
    ],
    "not_allowed": [answer(403, "", "You have insufficient permissions.")],
    "quota": [answer(429, "insufficient_quota", "You exceeded your current quota")],
    "hosted_tool": [
        UserError("Hosted tools are not supported with the ChatCompletions API.")
    ],
    "bad_request": [
        answer(400, "unsupported_value", "Unsupported value: 'partial_images'")
    ],
    "server": [configured("CHATKIT_IMAGES['SERVER'] is not set.")],
    "urlconf": [configured("Images need the URLconf of chatkit_images")],
    "asgi": [configured("The project is served by WSGI, and a chat needs ASGI.")],
    "redis": [ValueError("Redis URL must specify one of the following schemes")],
    "package": [
        ModuleNotFoundError("No module named 'litellm'"),
        configured("Error loading psycopg2 or psycopg module"),
    ],
    "settings": [configured("MEDIA_URL must end in a slash")],
    "storage_settings": [InvalidStorageError("Could not find backend 'shop.Files'")],
    "storage_rights": [s3("AccessDenied"), unsaved(s3("AccessDenied"), denied())],
    "storage_credentials": [
        s3("InvalidAccessKeyId"),
        of_storage(boto.NoCredentialsError()),
        unsaved(of_storage(boto.NoCredentialsError())),
    ],
    "storage_expired": [s3("ExpiredToken", 400), s3("TokenRefreshRequired", 400)],
    "storage_bucket": [s3("NoSuchBucket", 404)],
    "storage_region": [
        s3("AuthorizationHeaderMalformed", 400),
        of_storage(boto.NoRegionError()),
    ],
    "storage_checksum": [s3("XAmzContentSHA256Mismatch", 400)],
    "not_saved": [unsaved()],
    "project": [KeyError("size"), RuntimeError("mine")],
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_lasting_failure_says_in_one_line_what_mends_it(
    cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    for error in CAUSES[cause]:
        failure = failures.of(error)
        assert failure is not None
        assert not failure.may_retry, error
        beginning = SENTENCES[cause].partition("{")[0].rstrip(" :")
        assert failure.remedy.startswith(beginning), (error, failure.remedy)
        caplog.clear()
        failures.tell(failure)
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert failure.remedy in record.getMessage()
        assert "\n" not in record.getMessage()


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("database is locked"),
        OperationalError("connection refused"),
        OperationalError("FATAL:  the database system is starting up"),
        OperationalError("unable to open database file"),  # It can: too many are open.
        StorageUnavailable("Neither took it."),
        openai.APIConnectionError(request=REQUEST),
        answer(503, "", "The server is overloaded"),
        answer(400, "moderation_blocked", "Rejected by the safety system"),
    ],
)
def test_what_passes_or_is_a_person_s_own_has_no_remedy(error: Exception) -> None:
    failure = failures.of(error)
    assert failure is not None
    assert failure.remedy == ""


def test_a_database_file_that_nobody_can_open_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = "/nowhere/shop/db.sqlite3"
    there = {"ENGINE": "django.db.backends.sqlite3", "NAME": path}
    monkeypatch.setattr(
        "chatkit_images.failures.databases.connections.settings", {"default": there}
    )
    failure = failures.of(OperationalError("unable to open database file"))
    assert failure is not None
    assert not failure.may_retry
    assert path in failure.remedy


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_staff", [True, False])
async def test_staff_alone_read_what_mends_a_request(
    chat: ChatClient, ann: User, settings: Any, is_staff: bool
) -> None:
    ann.is_staff = is_staff
    await ann.asave()
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"SERVER": "nowhere.Server"}
    response = await chat.request_op("threads.create", {"input": message("hello")})
    told = json.loads(response.content)["error"]
    assert (response.status_code, told["allow_retry"]) == (500, False)
    assert (SENTENCES["server"] in told["message"]) is is_staff


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_staff", [True, False])
async def test_staff_alone_read_what_mends_an_answer(
    chat: ChatClient,
    ann: User,
    model: LoopbackAPI,
    caplog: pytest.LogCaptureFixture,
    is_staff: bool,
) -> None:
    ann.is_staff = ann.is_superuser = is_staff
    await ann.asave()
    model.respond_with(HTTPError(401, "invalid_api_key", "Incorrect API key provided"))
    remedy = SENTENCES["invalid_api_key"]
    events = await chat.say("a fox")
    (told,) = [event for event in events if event["type"] == "error"]
    assert told["allow_retry"] is False
    assert (remedy in told["message"]) is is_staff
    # The note stays in the thread, for whoever reads it.
    notes = [event for event in events if event["type"] == "thread.item.done"]
    assert remedy not in json.dumps(notes)
    run = await Run.objects.aget()
    assert [remedy in each.getMessage() for each in caplog.records].count(True) == 1
    page = Client()
    if is_staff:
        await sync_to_async(page.force_login)(ann)
        url = f"/admin/chatkit_images/run/{run.pk}/change/"
        shown = await sync_to_async(page.get)(url)
        assert remedy in shown.content.decode()


def test_a_command_says_in_a_sentence_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: object) -> None:
        raise s3("AccessDenied")

    name = "chatkit_images_verify"
    monkeypatch.setattr(f"chatkit_images.management.commands.{name}.verify", refuse)
    with pytest.raises(CommandError, match="s3:GetObject"):
        call_command(name)


def test_the_page_has_a_row_for_each_cause_with_its_words_and_its_remedy() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines()]
    closed = OperationalError("unable to open database file")
    for cause, remedy in SENTENCES.items():
        beginning = remedy.partition("{")[0].rstrip(" :")
        (row,) = [each for each in rows if each[-1] == beginning]
        errors = CAUSES.get(cause, [closed])
        told = "".join(failure.summary() for e in errors if (failure := failures.of(e)))
        quoted = [words.strip("“”") for words in row[0].split("; ")]
        parts = [part for words in quoted for part in words.split(" ... ")]
        assert [part for part in parts if part not in told] == [], cause


def test_boto3_without_credentials_is_the_model_s_or_the_storage_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    boto3 = pytest.importorskip("boto3")
    s3_storage = pytest.importorskip("storages.backends.s3").S3Storage
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    model = boto3.Session(region_name="us-east-1").client("bedrock-runtime")
    with pytest.raises(boto.NoCredentialsError) as raised:
        model.invoke_model(modelId="amazon.nova-canvas-v1:0", body=b"{}")
    failure = failures.of(raised.value)
    assert failure is not None
    assert failure.remedy == SENTENCES["model_credentials"]
    files = s3_storage(bucket_name="shop", region_name="us-east-1")
    with pytest.raises(boto.NoCredentialsError) as raised:
        files.save("one.png", ContentFile(b"1"))
    failure = failures.of(raised.value)
    assert failure is not None
    assert failure.remedy == SENTENCES["storage_credentials"]
