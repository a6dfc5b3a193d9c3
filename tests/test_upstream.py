"""What the app uses of other packages although they promise nothing of it.

A release that takes one of these names away, or gives it another shape, fails here with
the name, and not somewhere in a chat.
"""

from __future__ import annotations

import asyncio
from importlib import metadata
from typing import Any

import pytest
from chatkit.server import NonStreamingResult
from django.contrib.auth.models import User

from tests.shapes import (
    Use,
    asks,
    begins_with_type,
    call,
    chat_model,
    database,
    field,
    framing,
    holds_notes,
    image_call,
    keeps_a_pinned_time,
    lazy,
    numbered_response,
    of_instance,
    opened,
    present,
    reads_again,
    responses_model,
    s3,
    server,
    takes_events_only,
    value_of,
)
from tests.sources import overridden, touched, users

CHATKIT, AGENTS, DJANGO = "openai-chatkit", "openai-agents", "django"
S3 = "django-storages"
SERVER = "chatkit.server.ChatKitServer"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
WRAPPER = "django.db.backends.base.base.BaseDatabaseWrapper"
ITEM = "openai.types.responses.response_output_item"
DAPHNE = "daphne.http_protocol.WebRequest"
STORAGE = "storages.backends.s3.S3Storage"
# One row is one use; formatted, the table would be three times as long.
# fmt: off
USES = [
    Use(CHATKIT, f"{SERVER}._process_streaming", "streams a run's events", framing),
    Use(CHATKIT, f"{SERVER}._process_streaming_impl",
        "overridden: retries, first messages, what is hidden",
        call("request", "context", kind="asyncgen")),
    Use(CHATKIT, f"{SERVER}._process_new_thread_item_respond",
        "whether a project stores and answers messages by itself",
        call("thread", "item", "context", kind="asyncgen")),
    Use(CHATKIT, f"{SERVER}._process_events", "overridden: how images end",
        call("thread", "context", "stream", kind="asyncgen")),
    Use(CHATKIT, f"{SERVER}._process_non_streaming", "overridden: what is hidden",
        call("request", "context", kind="coroutine")),
    Use(CHATKIT, f"{SERVER}._serialize", "overridden: times", call("obj")),
    Use(CHATKIT, f"{SERVER}._to_thread_response", "overridden: what is hidden",
        call("thread")),
    Use(CHATKIT, f"{SERVER}._build_user_message_item", "stores a first message",
        call("input", "thread", "context", kind="coroutine")),
    Use(CHATKIT, "chatkit.server.DEFAULT_PAGE_SIZE", "pages of items", value_of(int)),
    Use(CHATKIT, "chatkit.server.NonStreamingResult.json", "the body of an answer",
        of_instance(lambda: NonStreamingResult(b"{}"), bytes)),
    Use(CHATKIT, "chatkit.server.StreamingResult", "its chunks are a run's log",
        call("stream")),
    Use(CHATKIT, "chatkit.types.ErrorEvent", "a chunk with its prefix ends a run",
        begins_with_type),
    Use(CHATKIT, "chatkit.types.ThreadCreatedEvent", "a chunk with its prefix names it",
        begins_with_type),
    Use(CHATKIT, "chatkit.types.ThreadItemDoneEvent", "a chunk with its prefix is kept",
        begins_with_type),
    Use(CHATKIT, "chatkit.agents.ThreadItemConverter._thread_item_to_input_item",
        "converts one item", call("item", "is_last_message", kind="coroutine")),
    Use(CHATKIT, "chatkit.agents.stream_agent_response",
        "takes what stands in for a streamed run", takes_events_only),
    Use(AGENTS, "agents.RunResultStreaming._event_queue", "sees events as they come",
        field(asyncio.Queue)),
    Use(AGENTS, "agents.RunResultStreaming.run_loop_task", "waits for a run's end",
        field()),
    Use(AGENTS, "agents.RawResponsesStreamEvent.type", "tells the model's events",
        value_of("raw_response_event")),
    Use(AGENTS, "agents.OpenAIResponsesModel._client", "whom a request goes to",
        of_instance(responses_model)),
    Use(AGENTS, "agents.OpenAIChatCompletionsModel._client", "whom a request goes to",
        of_instance(chat_model)),
    Use(AGENTS, "agents.Handoff._agent_ref", "whom a conversation may go to", field()),
    Use(AGENTS, "agents.FunctionTool._agent_instance", "the agent behind a tool",
        field()),
    Use(AGENTS, "agents.run_internal.turn_resolution.process_model_response",
        "wrapped: an answer of images alone is complete",
        call("agent", "all_tools", "response", "...")),
    Use(AGENTS, "agents.run_internal.tool_planning.execute_function_tool_calls",
        "wrapped: the results of tools as each ends",
        call("bindings", "tool_runs", "hooks", "context_wrapper", "config",
             "isolate_parallel_failures", "sibling_category_failure",
             "on_tool_error_selected", "tool_output_committer", "...")),
    Use(AGENTS, "agents.run_internal.run_steps.ProcessedResponse.tools_used",
        "tells that a tool was used, so that the model is asked again", field()),
    Use(AGENTS, "agents.models.fake_id.FAKE_RESPONSES_ID",
        "the id of a message to which its provider gives none", value_of(str)),
    Use("openai", "openai.DefaultAsyncHttpxClient",
        "overridden: build_request() and send(), which OpenAI's client calls", asks),
    Use("openai", f"{ITEM}.ImageGenerationCall.error", "why there is no image",
        of_instance(image_call)),
    Use(AGENTS, "openai.types.responses.Response._request_id",
        "the provider's id of the request; the Agents SDK puts it there",
        of_instance(numbered_response, str)),
    Use("httpx2", "httpx2.AsyncClient.build_request",
        "builds a request anew of the same parts",
        call("method", "url", "content", "data", "files", "json", "params", "headers",
             "cookies", "timeout", "extensions")),
    Use("pydantic", "pydantic.BaseModel.__dict__", "notes what a thread was loaded as",
        holds_notes),
    Use(DJANGO, "django.utils.functional.LazyObject._wrapped",
        "keeps the user without the request", lazy),
    Use(DJANGO, f"{CSRF}._reject", "overridden: the refusal is JSON",
        call("request", "reason")),
    Use(DJANGO, f"{CSRF}._origin_verified",
        "overridden: whether a page is trusted, also that of a WebSocket",
        call("request")),
    Use(DJANGO, "django.http.HttpRequest._body",
        "lets a context read the body that the view has read", reads_again),
    Use(DJANGO, "django.core.handlers.asgi.ASGIRequest", "the request of a consumer",
        call("scope", "body_file")),
    Use(DJANGO, "django.core.handlers.asgi.get_script_prefix", "the prefix of its URLs",
        call("scope")),
    Use(DJANGO, "django.utils.log.log_response", "logs a consumer's refusal",
        call("message", "args", "response", "request", "...")),
    Use(DJANGO, f"{WRAPPER}.errors_occurred", "whether a connection is used again",
        of_instance(database, bool)),
    Use(DJANGO, f"{WRAPPER}.in_atomic_block", "whether a connection is used again",
        of_instance(database, bool)),
    Use(DJANGO, "django.db.backends.base.features.BaseDatabaseFeatures"
        ".has_select_for_no_key_update", "locks a row to which others may point",
        value_of(False)),
    Use(DJANGO, "django.db.models.QuerySet._for_write",
        "reads from where rows are written", of_instance(User.objects.all, bool)),
    Use(DJANGO, "django.db.models.QuerySet._raw_delete",
        "deletes what a condition says, without reading it", call("using")),
    Use(DJANGO, "django.contrib.admin.models.LogEntryManager.log_actions",
        "the admin's history",
        call("user_id", "queryset", "action_flag", "change_message", "...")),
    Use(DJANGO, "django.contrib.auth.models.User._meta", "a model's fields", present),
    Use(DJANGO, "django.contrib.auth.models.User._default_manager", "the admin's rows",
        present),
    Use(DJANGO, "django.contrib.auth.models.User._base_manager",
        "the users that are deleted", present),
    Use(DJANGO, "django.db.models.SET_NULL.lazy_sub_objs",
        "what becomes of rows is decided before they are loaded", value_of(True)),
    Use(DJANGO, "django.core.files.storage.FileSystemStorage._open",
        "overridden: the storage of file fields", call("name", "mode")),
    Use(DJANGO, "django.core.files.storage.FileSystemStorage._save",
        "overridden: the storage of file fields", call("name", "content")),
    Use("pillow", "PIL.ImageFile.ImageFile.decodermaxblock", "decodes a PNG at once",
        of_instance(opened, int)),
    Use(S3, f"{STORAGE}._save", "whether a project stores in another way",
        call("name", "content")),
    Use(S3, f"{STORAGE}._get_write_parameters", "writes what must not be replaced",
        call("name", "content")),
    Use(S3, f"{STORAGE}._normalize_name", "the key of a name", call("name")),
    Use(S3, "storages.utils.clean_name", "the key of a name", call("name")),
    Use(S3, f"{STORAGE}.gzip", "whether objects are compressed", of_instance(s3, bool)),
    Use(S3, f"{STORAGE}.bucket_name", "where objects are", of_instance(s3, str)),
    Use(S3, f"{STORAGE}.client_config", "its timeouts", of_instance(s3)),
    Use(S3, f"{STORAGE}.connection", "its client is boto3's", of_instance(s3)),
    Use(S3, f"{STORAGE}.unsigned_connection", "its client is boto3's",
        of_instance(s3)),
    Use(S3, f"{STORAGE}.custom_domain", "who makes URLs", of_instance(s3)),
    Use(S3, f"{STORAGE}.querystring_auth", "who makes URLs", of_instance(s3, bool)),
    Use(S3, f"{STORAGE}.querystring_expire", "how long URLs live",
        of_instance(s3, int)),
    Use(S3, f"{STORAGE}.cloudfront_signer", "who makes URLs", of_instance(s3)),
    Use("botocore", "botocore.awsrequest.AWSRequest.context",
        "signs URLs as of the beginning of a window", keeps_a_pinned_time),
    Use("daphne", f"{DAPHNE}.registerProducer", "learns when a client has read",
        call("producer", "streaming")),
    Use("daphne", f"{DAPHNE}.unregisterProducer", "an answer has ended", call()),
    Use("daphne", f"{DAPHNE}.loseConnection", "cuts an answer", call()),
    Use("uvicorn", "uvicorn.Server.started", "a test waits for its loopback model",
        of_instance(server, bool)),
    Use("uvicorn", "uvicorn.Server.should_exit", "a test ends its loopback model",
        of_instance(server, bool)),
]
# fmt: on


def check(use: Use) -> None:
    """Fail, with all that there is to know of it, for what is not as it was."""
    try:
        version = metadata.version(use.distribution)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{use.distribution} is an extra and not installed.")
    try:
        use.look(use)
    except AssertionError as problem:
        files = ", ".join(users(use.word))
        pytest.fail(
            f"{use.name} of {use.distribution} {version}: {problem}\n"
            f"The app needs it for this: {use.purpose} ({files})",
            pytrace=False,
        )


@pytest.mark.parametrize("use", USES, ids=lambda use: use.name)
def test_what_nobody_promises_is_as_it_was(use: Use) -> None:
    check(use)


@pytest.mark.parametrize(
    ("name", "look", "problem"),
    [
        (f"{SERVER}._gone", present, "'_gone' is missing"),
        (f"{SERVER}._serialize", call("value"), r"it takes \['obj'\], not \['value'\]"),
        (f"{SERVER}._serialize", call("obj", kind="coroutine"), "it is no coroutine"),
        ("chatkit.gone.Server", present, "'gone' is missing"),
    ],
)
def test_a_failure_has_the_name_and_what_is_wrong(
    name: str, look: Any, problem: str
) -> None:
    version = metadata.version(CHATKIT)
    expected = rf"^{name} of {CHATKIT} {version}: {problem}\nThe app .+: a test \(.*\)$"
    with pytest.raises(pytest.fail.Exception, match=expected):
        check(Use(CHATKIT, name, "a test", look))


# The table is complete


def test_the_table_has_every_private_name_that_the_app_uses() -> None:
    known = {use.word for use in USES}
    uses = {*touched(), *overridden()}
    assert sorted(use for use in uses if use[0] not in known) == []


def test_the_table_has_no_name_that_the_app_does_not_use() -> None:
    assert [use.name for use in USES if not users(use.word)] == []
