"""One decision about every failure, from whatever tells of it.

The bodies are those that providers and gateways are reported to send.
"""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import errno
import json
import time
from types import SimpleNamespace
from typing import Any

import agents
import httpx2
import openai
import pytest
from chatkit.errors import CustomStreamError
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, ProgrammingError
from openai.types.responses import Response, ResponseErrorEvent, ResponseFailedEvent
from openai.types.responses.response_output_item import ImageGenerationCall

from chatkit_images import failures
from chatkit_images.exceptions import ClaimLost, ImageError, StorageUnavailable
from chatkit_images.failures import Failure, Reason, codes, waits

REQUEST = httpx2.Request("POST", "https://api.example.com/v1/responses")
CLIENT = openai.OpenAI(api_key="none", base_url="https://api.example.com/v1")
SAFETY = (
    "Your request was rejected by the safety system. If you believe this is an error, "
    "contact us at help.example.com and include the request ID 1. "
    "safety_violations=[sexual, violence]."
)
AZURE = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content "
    "management policy. Please modify your prompt and retry."
)
QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For "
    "more information on this error, read the docs."
)
R = Reason


def http(
    status: int, body: Any, headers: dict[str, str] | None = None
) -> openai.APIStatusError:
    """Return what the client of openai raises for a response."""
    content = body if isinstance(body, str) else json.dumps(body)
    response = httpx2.Response(
        status, content=content.encode(), headers=headers or {}, request=REQUEST
    )
    return CLIENT._make_status_error_from_response(response)


def openai_body(code: str | None, message: str = "No.", **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "type": None, **more}}


def google(code: int, status: str, message: str, *details: Any) -> dict[str, Any]:
    error = {"code": code, "message": message, "status": status, "details": [*details]}
    return {"error": error}


def response(**fields: Any) -> dict[str, Any]:
    return {
        "id": "resp_1", "object": "response", "created_at": 1.0, "model": "gpt",
        "output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
    } | fields  # fmt: skip


RETRY_INFO = {
    "@type": "type.googleapis.com/google.rpc.RetryInfo",
    "retryDelay": "12s",
}
DAILY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
HTTP: dict[str, tuple[int, Any, Reason]] = {
    # OpenAI
    "moderation": (400, openai_body("moderation_blocked", SAFETY), R.BLOCKED),
    "policy": (400, openai_body("content_policy_violation"), R.BLOCKED),
    "policy of an input image": (
        400,
        openai_body("image_content_policy_violation"),
        R.BLOCKED,
    ),
    "another policy": (400, openai_body("bio_policy"), R.BLOCKED),
    "a policy of tomorrow": (400, openai_body("weapons_policy_violation"), R.BLOCKED),
    "flagged prompt": (
        400,
        openai_body(
            "invalid_prompt",
            "Invalid prompt: your prompt was flagged as "
            "potentially violating our usage policy.",
        ),
        R.BLOCKED,
    ),
    "malformed prompt": (400, openai_body("invalid_prompt", "Empty."), R.BAD_REQUEST),
    "safety without a code": (400, openai_body(None, SAFETY), R.BLOCKED),
    "user error": (
        400,
        openai_body(None, "Bad size.", type="image_generation_user_error"),
        R.BAD_REQUEST,
    ),
    "quota": (429, openai_body("insufficient_quota", QUOTA), R.QUOTA),
    "quota by type": (
        429,
        openai_body(None, QUOTA, type="insufficient_quota"),
        R.QUOTA,
    ),
    "hard limit": (400, openai_body("billing_hard_limit_reached"), R.QUOTA),
    "quota in words": (429, {"error": QUOTA}, R.QUOTA),
    "rate limit": (429, openai_body("rate_limit_exceeded"), R.RATE_LIMITED),
    "rate limit without words": (429, "", R.RATE_LIMITED),
    "never within the limit": (
        429,
        openai_body(
            "rate_limit_exceeded",
            "Request too large for gpt-4o on tokens per "
            "min (TPM): Limit 30000, Requested 33000.",
            type="tokens",
        ),
        R.TOO_LARGE,
    ),
    "no key": (401, openai_body("invalid_api_key"), R.NOT_ALLOWED),
    "unverified": (
        403,
        openai_body(
            "x", "Your organization must be verified to use the model `gpt-image-1`."
        ),
        R.NOT_ALLOWED,
    ),
    "unverified as 400": (
        400,
        openai_body(None, "Your organization must be verified."),
        R.NOT_ALLOWED,
    ),
    "country": (
        403,
        openai_body("unsupported_country_region_territory"),
        R.NOT_ALLOWED,
    ),
    "bad request": (400, openai_body("invalid_value", "Unknown size."), R.BAD_REQUEST),
    "unprocessable": (
        422,
        {"detail": [{"loc": ["body"], "msg": "field required"}]},
        R.BAD_REQUEST,
    ),
    "context": (400, openai_body("context_length_exceeded"), R.TOO_LARGE),
    "context in words": (
        400,
        openai_body(None, "This model's maximum context length is 8192 tokens."),
        R.TOO_LARGE,
    ),
    "payload": (413, "<html>Request Entity Too Large</html>", R.TOO_LARGE),
    "image format": (400, openai_body("invalid_image_format"), R.REFUSED_INPUT),
    "image too large": (400, openai_body("image_too_large"), R.REFUSED_INPUT),
    "named input": (
        400,
        openai_body("invalid_value", "Bad.", param="input[3].content[1].image_url"),
        R.REFUSED_INPUT,
    ),
    "named part": (
        400,
        openai_body(None, "Bad.", param="input[3].content[1]"),
        R.REFUSED_INPUT,
    ),
    "named text": (
        400,
        openai_body(None, "Bad.", param="input[3].content[1].text"),
        R.BAD_REQUEST,
    ),
    "image of an edit": (
        400,
        openai_body(None, "Bad.", param="image[0]"),
        R.REFUSED_INPUT,
    ),
    "parameter of the tool": (
        400,
        openai_body("invalid_value", "Bad.", param="tools[0].input_image_mask"),
        R.BAD_REQUEST,
    ),
    "image in words": (
        400,
        openai_body(
            None, "The image data you provided does not represent a valid image."
        ),
        R.REFUSED_INPUT,
    ),
    "missing item": (
        404,
        openai_body(None, "Item with id 'rs_1' not found.", param="input"),
        R.GONE,
    ),
    "missing response": (400, openai_body("previous_response_not_found"), R.GONE),
    "missing model": (404, openai_body("model_not_found"), R.GONE),
    "server error": (
        500,
        openai_body("server_error", "The server had an error."),
        R.OVERLOADED,
    ),
    "bad gateway": (502, "<html>Bad Gateway</html>", R.OVERLOADED),
    "unavailable": (503, "", R.OVERLOADED),
    "gateway timeout": (504, "", R.TIMEOUT),
    "cloudflare": (524, "<html>A timeout occurred</html>", R.TIMEOUT),
    "request timeout": (408, "", R.TIMEOUT),
    "conflict": (409, openai_body(None, "The conversation is in use."), R.OVERLOADED),
    "teapot": (418, "", R.BAD_REQUEST),
    # Filters that say it in another way
    "a filter that has no code": (
        400,
        openai_body(
            None,
            content_filter_results={
                "violence": {"filtered": True, "severity": "high"},
                "jailbreak": {"filtered": False, "detected": False},
            },
        ),
        R.BLOCKED,
    ),
    "a filter that let it pass": (
        400,
        openai_body(None, content_filter_results={"hate": {"filtered": False}}),
        R.BAD_REQUEST,
    ),
    "a block without a reason": (
        400,
        {"promptFeedback": {"blockReason": "OTHER"}},
        R.BLOCKED,
    ),
    "a filter of ratings": (
        400,
        {"safetyRatings": [{"category": "HARM", "blocked": True}]},
        R.BLOCKED,
    ),
    "a flag alone": (400, {"moderation": {"flagged": True}}, R.BLOCKED),
    "legal reasons": (451, "Unavailable For Legal Reasons", R.BLOCKED),
    "sensitive words": (
        400,
        google(
            400,
            "INVALID_ARGUMENT",
            "This prompt contains sensitive words that "
            "violate Google's Responsible AI practices.",
        ),
        R.BLOCKED,
    ),
    "unsafe content in Chinese": (
        400,
        openai_body("1301", "系统检测到输入或生成内容可能包含不安全或敏感内容"),
        R.BLOCKED,
    ),
    "a status of its own": (
        400,
        {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}},
        R.BLOCKED,
    ),
    "a safety check": (422, {"detail": "Prompt failed safety check"}, R.BLOCKED),
    "guardrails": (
        403,
        {"message": "Request blocked by guardrails", "type": "moderation_error"},
        R.BLOCKED,
    ),
    "a filter and its name": (
        400,
        {"error": "content moderation filter: Nudity", "code": "unexpected"},
        R.BLOCKED,
    ),
    "a code as the error": (400, {"error": "moderation_blocked"}, R.BLOCKED),
    # Azure
    "content filter": (
        400,
        openai_body(
            "content_filter",
            AZURE,
            param="prompt",
            innererror={
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {
                    "sexual": {"filtered": True, "severity": "high"},
                    "hate": {"filtered": False, "severity": "safe"},
                },
            },
        ),
        R.BLOCKED,
    ),
    "no deployment": (404, openai_body("DeploymentNotFound"), R.GONE),
    "deployment is throttled": (
        429,
        openai_body("429", "Please retry after 6 seconds."),
        R.RATE_LIMITED,
    ),
    # Google
    "google": (
        429,
        [google(429, "RESOURCE_EXHAUSTED", QUOTA, RETRY_INFO)],
        R.RATE_LIMITED,
    ),
    "google without a wait": (
        429,
        [
            google(
                429,
                "RESOURCE_EXHAUSTED",
                "Resource has been exhausted (e.g. check quota).",
            )
        ],
        R.RATE_LIMITED,
    ),
    "google for today": (
        429,
        google(429, "RESOURCE_EXHAUSTED", QUOTA, DAILY, RETRY_INFO),
        R.QUOTA,
    ),
    "google denies": (403, google(403, "PERMISSION_DENIED", "No."), R.NOT_ALLOWED),
    "google key": (
        400,
        google(
            400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}
        ),
        R.NOT_ALLOWED,
    ),
    "google image": (
        400,
        google(400, "INVALID_ARGUMENT", "Unable to process input image."),
        R.REFUSED_INPUT,
    ),
    "google argument": (400, google(400, "INVALID_ARGUMENT", "Bad."), R.BAD_REQUEST),
    "google location": (
        400,
        google(
            400,
            "FAILED_PRECONDITION",
            "User location is not supported for the API use.",
        ),
        R.NOT_ALLOWED,
    ),
    "google is busy": (
        503,
        google(503, "UNAVAILABLE", "The model is overloaded."),
        R.OVERLOADED,
    ),
    "google is late": (504, google(504, "DEADLINE_EXCEEDED", "Late."), R.TIMEOUT),
    "google blocks": (
        400,
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
        R.BLOCKED,
    ),
    "google stops": (
        400,
        {"candidates": [{"finishReason": "IMAGE_SAFETY"}]},
        R.BLOCKED,
    ),
    "google by a gateway": (
        500,
        {
            "error": {
                "message": "Gemini image generation blocked [IMAGE_SAFETY]: change "
                "your prompt",
                "type": "channel_error",
                "code": "channel:image_generation_failed",
            }
        },
        R.BLOCKED,
    ),
    # xAI
    "xai": (
        403,
        {
            "code": "The caller does not have permission to execute the specified "
            "operation",
            "error": "Content violates usage guidelines. Failed check: "
            "SAFETY_CHECK_TYPE_BIO",
        },
        R.BLOCKED,
    ),
    "xai denies": (
        403,
        {"code": "permission-denied", "error": "Access to the endpoint is denied."},
        R.NOT_ALLOWED,
    ),
    "xai without credits": (
        429,
        {
            "code": "Some resource has been exhausted",
            "error": "Your team has either "
            "used all available credits or reached its monthly spending limit.",
        },
        R.QUOTA,
    ),
    # Anthropic
    "overloaded": (
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "O"}},
        R.OVERLOADED,
    ),
    "overloaded as 200": (
        400,
        {"type": "error", "error": {"type": "overloaded_error", "message": "O"}},
        R.OVERLOADED,
    ),
    "credit": (
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "Your credit balance is too low to access the API.",
            },
        },
        R.QUOTA,
    ),
    "anthropic image": (
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "messages.0.content.1.image.source: image exceeds 5 MB",
            },
        },
        R.REFUSED_INPUT,
    ),
    "request too large": (
        413,
        {"type": "error", "error": {"type": "request_too_large", "message": "X"}},
        R.TOO_LARGE,
    ),
    # Bedrock, Stability, Black Forest Labs, others
    "bedrock": (
        400,
        {
            "__type": "ValidationException",
            "message": "This request has been blocked by our content filters.",
        },
        R.BLOCKED,
    ),
    "stability": (
        403,
        {
            "id": "1",
            "name": "content_moderation",
            "errors": ["Your request was flagged by our content moderation system."],
        },
        R.BLOCKED,
    ),
    "stability without credits": (
        402,
        {"id": "1", "name": "payment_required", "errors": ["No credits."]},
        R.QUOTA,
    ),
    "flux": (
        400,
        {
            "id": "1",
            "status": "Request Moderated",
            "details": {"Moderation Reasons": ["Derivative Works"]},
        },
        R.BLOCKED,
    ),
    "flux output": (400, {"status": "Content Moderated"}, R.BLOCKED),
    "seedream": (400, openai_body("OutputImageSensitiveContentDetected"), R.BLOCKED),
    "alibaba": (400, {"code": "DataInspectionFailed", "message": "x"}, R.BLOCKED),
    # Gateways
    "openrouter": (
        429,
        {
            "error": {
                "message": "Provider returned error",
                "code": 429,
                "metadata": {
                    "raw": "z is temporarily rate-limited upstream.",
                    "provider_name": "B",
                },
            }
        },
        R.RATE_LIMITED,
    ),
    "openrouter with raw json": (
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {
                    "raw": json.dumps(openai_body("moderation_blocked", SAFETY))
                },
            }
        },
        R.BLOCKED,
    ),
    "openrouter moderates": (
        403,
        {
            "error": {
                "code": 403,
                "message": "The model requires moderation.",
                "metadata": {
                    "reasons": ["sexual"],
                    "flagged_input": "words",
                    "provider_name": "OpenAI",
                },
            }
        },
        R.BLOCKED,
    ),
    "openrouter without credits": (
        402,
        {"error": {"code": 402, "message": "Insufficient credits"}},
        R.QUOTA,
    ),
    "openrouter without vision": (
        404,
        {
            "error": {
                "code": 404,
                "message": "No endpoints found that support image input",
            }
        },
        R.REFUSED_INPUT,
    ),
    "openrouter's images": (
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {
                    "raw": json.dumps(
                        {
                            "error": {
                                "type": "invalid_request_error",
                                "code": "invalid_request_error",
                                "message": "Model supports at most 1 image per prompt.",
                            }
                        }
                    )
                },
            }
        },
        R.REFUSED_INPUT,
    ),
    "litellm": (
        400,
        {
            "error": {
                "message": "litellm.BadRequestError: litellm."
                f"ContentPolicyViolationError: AzureException - {AZURE}\nmodel=x. "
                "content_policy_fallback=None.",
                "type": None,
                "code": "400",
            }
        },
        R.BLOCKED,
    ),
    "litellm with facts": (
        400,
        {
            "error": {
                "message": "No.",
                "code": "400",
                "provider_specific_fields": {
                    "innererror": {"code": "ResponsibleAIPolicyViolation"}
                },
            }
        },
        R.BLOCKED,
    ),
    "python in a text": (
        500,
        {
            "error": {
                "message": "Upstream: Error code: 400 - "
                f"{openai_body('moderation_blocked', SAFETY)}"
            }
        },
        R.BLOCKED,
    ),
    "json in json": (
        429,
        {
            "error": {
                "message": json.dumps(google(429, "RESOURCE_EXHAUSTED", "x")),
                "code": 429,
                "status": "Too Many Requests",
            }
        },
        R.RATE_LIMITED,
    ),
    "detail": (400, {"detail": "Prompt is too long"}, R.TOO_LARGE),
    "detail of an object": (400, {"detail": openai_body("content_filter")}, R.BLOCKED),
    "errors": (400, {"errors": [{"code": "moderation_blocked"}]}, R.BLOCKED),
    "a list": (400, [openai_body("insufficient_quota")], R.QUOTA),
    "no body": (400, "", R.BAD_REQUEST),
    # Look-alikes
    "a server that speaks of safety": (
        500,
        openai_body(None, "Internal error in the safety module."),
        R.OVERLOADED,
    ),
    "a service that cannot be reached": (
        500,
        openai_body(None, "I cannot reach the moderation service."),
        R.OVERLOADED,
    ),
    "the same as 400": (
        400,
        openai_body(None, "I cannot reach the moderation service."),
        R.BAD_REQUEST,
    ),
    "a filter that did nothing": (
        500,
        {
            "error": {
                "message": "Late.",
                "content_filter_results": {
                    "sexual": {"filtered": False, "severity": "safe"}
                },
            }
        },
        R.OVERLOADED,
    ),
    "a filter that failed": (
        503,
        openai_body("content_filter_error", "The content filter is unavailable."),
        R.OVERLOADED,
    ),
    "a request that was not flagged": (
        500,
        openai_body(None, "The prompt was not flagged, but no worker took it."),
        R.OVERLOADED,
    ),
    "an image that cannot be made": (
        500,
        openai_body(None, "Failed to generate the image."),
        R.OVERLOADED,
    ),
    "a size": (
        400,
        openai_body("invalid_value", "Invalid size '1x1'. Supported: ..."),
        R.BAD_REQUEST,
    ),
    "a quoted prompt": (
        400,
        {
            "detail": [
                {
                    "loc": ["body"],
                    "msg": "too short",
                    "input": "My prompt was flagged by moderation",
                }
            ]
        },
        R.BAD_REQUEST,
    ),
    "billing as a subject": (
        500,
        openai_body(None, "Could not load the billing page."),
        R.OVERLOADED,
    ),
}


@pytest.mark.parametrize("name", HTTP)
def test_an_answer_with_a_status(name: str) -> None:
    status, body, reason = HTTP[name]
    failure = failures.of(http(status, body, {"x-request-id": "req_1"}))
    assert failure is not None
    assert failure.reason is reason, failure
    assert (failure.status, failure.request_id) == (status, "req_1")


@pytest.mark.parametrize(
    "name", [name for name, (_, body, _) in HTTP.items() if "'code'" in str(body)]
)
def test_the_same_body_as_an_error_of_a_stream(name: str) -> None:
    _, body, reason = HTTP[name]
    failure = failures.of(body)
    assert failure is not None
    # Without the status less is known, but nothing is taken for a block, and no block
    # for anything else.
    assert (failure.reason is R.BLOCKED) == (reason is R.BLOCKED), failure


@pytest.mark.parametrize(
    "told",
    [
        {"status": "moderation_blocked"},
        {"error": "moderation_blocked"},
        {"incomplete_details": {"reason": "content_filter"}},
        {"finish_reason": "IMAGE_SAFETY"},
        {"failure_reason": "moderated"},
        {"errors": [{"code": "content_policy_violation"}]},
        {"last_error": {"message": "Rejected by the safety system."}},
        {"moderation": {"flagged": True, "categories": ["violence"]}},
        {"content_filter_results": {"violence": {"filtered": True}}},
    ],
    ids=str,
)
def test_a_call_that_says_in_another_place_why_it_has_no_image(
    told: dict[str, Any],
) -> None:
    call = {"type": "image_generation_call", "id": "ig_1", "result": None}
    failure = failures.of(call | {"status": "failed"} | told)
    assert failure is not None and failure.reason is Reason.BLOCKED
    assert failures.of(call | told | {"result": "AAAA"}) is None


@pytest.mark.parametrize(
    "told", [{"moderation": "auto"}, {"content_filter_results": {"hate": {}}}], ids=str
)
def test_a_call_that_says_nothing_of_its_end(told: dict[str, Any]) -> None:
    call = {"type": "image_generation_call", "id": "ig_1", "status": "completed"}
    assert failures.of(call | told) is None


GOOGLE = {
    "a prompt": ({"promptFeedback": {"blockReason": "SAFETY"}}, R.BLOCKED, "SAFETY"),
    "its feedback": ({"block_reason": "OTHER"}, R.BLOCKED, "content_filtered"),
    "an image": (
        {"candidates": [{"finish_reason": "IMAGE_SAFETY", "finish_message": "No."}]},
        R.BLOCKED,
        "IMAGE_SAFETY",
    ),
    "no image": (
        {"candidates": [{"finishReason": "NO_IMAGE"}]},
        R.NO_RESULT,
        "NO_IMAGE",
    ),
    "a filter": (
        {"generatedImages": [{"raiFilteredReason": "Sensitive."}]},
        R.BLOCKED,
        "content_filtered",
    ),
    "one of two": (
        {"candidates": [{"finishReason": "STOP"}, {"finishReason": "SAFETY"}]},
        None,
        "",
    ),
    "all": ({"generated_images": [{"image": {"mime_type": "image/png"}}]}, None, ""),
    "junk": ({"candidates": [1, {}], "generated_images": "x"}, None, ""),
}


@pytest.mark.parametrize("name", GOOGLE)
def test_an_answer_of_googles_without_an_image(name: str) -> None:
    answer, reason, code = GOOGLE[name]
    found = failures.of(answer)
    assert (found and found.reason, found.code if found else "") == (reason, code)


def test_the_objects_of_googles_client_are_read_alike() -> None:
    genai = pytest.importorskip("google.genai.types")
    feedback = genai.GenerateContentResponsePromptFeedback(block_reason="SAFETY")
    found = failures.of(genai.GenerateContentResponse(prompt_feedback=feedback))
    assert found is not None and (found.reason, found.code) == (R.BLOCKED, "SAFETY")


def test_a_filter_that_took_a_part_of_a_complete_response() -> None:
    results = {"violence": {"filtered": True}, "hate": {"filtered": False}}
    said = {"blocked": True, "content_filter_results": results}
    failure = failures.of(response(status="completed", content_filters=[said]))
    assert failure is not None and failure.reason is Reason.BLOCKED
    assert failure.moderation == {"categories": ["violence"]}
    passed = {"blocked": False, "content_filter_results": {"hate": {}}}
    assert failures.of(response(status="completed", content_filters=[passed])) is None


def test_what_moderation_said() -> None:
    _, body, _ = HTTP["content filter"]
    filtered = failures.of(http(400, body))
    assert filtered and filtered.moderation == {"categories": ["sexual"]}
    told = failures.of(http(400, HTTP["moderation"][1]))
    assert told and told.moderation == {"categories": ["sexual", "violence"]}
    asked = failures.of(http(403, HTTP["openrouter moderates"][1]))
    assert asked and asked.moderation == {"categories": ["sexual"]}
    details = {"categories": ["sexual"], "moderation_stage": "output"}
    error = {"code": "moderation_blocked", "type": "t", "message": "No.", "param": None}
    call = ImageGenerationCall.model_validate(
        {
            "id": "ig_1",
            "type": "image_generation_call",
            "status": "failed",
            "error": error | {"moderation_details": details},
        }
    )
    own = failures.of(call)
    assert own and own.reason is R.BLOCKED
    assert own.moderation == details
    assert (own.code, own.type, own.message) == ("moderation_blocked", "t", "No.")


EVENTS: dict[str, tuple[Any, Reason | None, str]] = {
    "error event": (
        ResponseErrorEvent(
            type="error", code="moderation_blocked", message="No.", sequence_number=1
        ),
        R.BLOCKED,
        "moderation_blocked",
    ),
    "nested error event": (
        {
            "type": "error",
            "error": {
                "type": "server_error",
                "code": "rate_limit_exceeded",
                "message": "Slow.",
            },
        },
        R.RATE_LIMITED,
        "rate_limit_exceeded",
    ),
    "error event without a code": (
        {"type": "error", "code": None, "message": "Upstream timed out."},
        R.TIMEOUT,
        "",
    ),
    "error event that says nothing": (
        {"type": "error", "code": None, "message": "x"},
        R.UNKNOWN,
        "",
    ),
    "failed": (
        ResponseFailedEvent(
            type="response.failed",
            sequence_number=1,
            response=Response.construct(
                **response(
                    status="failed", error={"code": "server_error", "message": "Sorry."}
                )
            ),
        ),
        R.OVERLOADED,
        "server_error",
    ),
    "failed by moderation": (
        {
            "type": "response.failed",
            "response": response(
                status="failed", error={"code": "moderation_blocked", "message": "No."}
            ),
        },
        R.BLOCKED,
        "moderation_blocked",
    ),
    "failed without a word": (
        {"type": "response.failed", "response": response(status="failed", error=None)},
        R.BROKEN_OFF,
        "failed",
    ),
    "incomplete by the filter": (
        {
            "type": "response.incomplete",
            "response": response(
                status="incomplete", incomplete_details={"reason": "content_filter"}
            ),
        },
        R.BLOCKED,
        "content_filter",
    ),
    "incomplete by length": (
        {
            "type": "response.incomplete",
            "response": response(
                status="incomplete", incomplete_details={"reason": "max_output_tokens"}
            ),
        },
        R.TOO_LONG,
        "max_output_tokens",
    ),
    "incomplete without a word": (
        {"type": "response.incomplete", "response": response(status="incomplete")},
        R.BROKEN_OFF,
        "incomplete",
    ),
    "completed": (
        {"type": "response.completed", "response": response(status="completed")},
        None,
        "",
    ),
    "text": ({"type": "response.output_text.delta", "delta": "error"}, None, ""),
    "call without an error": (
        {"type": "image_generation_call", "status": "failed", "result": None},
        None,
        "",
    ),
    "call with an image and an error": (
        {"type": "image_generation_call", "result": "AAAA", "error": {"code": "x"}},
        None,
        "",
    ),
    "call with an error": (
        {
            "type": "image_generation_call",
            "error": {"code": "server_error", "message": "x"},
        },
        R.OVERLOADED,
        "server_error",
    ),
    "nothing": (None, None, ""),
    "an object of another kind": (object(), None, ""),
}


@pytest.mark.parametrize("name", EVENTS)
def test_events_responses_and_calls(name: str) -> None:
    source, reason, code = EVENTS[name]
    failure = failures.of(source)
    assert (failure.reason if failure else None) is reason, failure
    assert (failure.code if failure else "") == code


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


class Throttled(Exception):
    """As botocore's ``ClientError``."""

    response = {  # noqa: RUF012 - as a caller gives it
        "Error": {"Code": "ThrottlingException", "Message": "Slow."},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "r-1"},
    }


class ContentPolicyViolationError(Exception):
    """As LiteLLM's."""

    status_code = 400


class GoogleError(Exception):
    """As ``google.genai.errors.ClientError``."""

    code = 429
    status = "RESOURCE_EXHAUSTED"
    details = google(429, "RESOURCE_EXHAUSTED", QUOTA, RETRY_INFO)


class ProjectError(Exception):
    """Something of a project's own."""


EXCEPTIONS: dict[str, tuple[BaseException, Reason]] = {
    "dropped": (openai.APIConnectionError(request=REQUEST), R.BROKEN_OFF),
    "late": (openai.APITimeoutError(REQUEST), R.TIMEOUT),
    "in a stream": (
        openai.APIError("No.", REQUEST, body={"code": "moderation_blocked"}),
        R.BLOCKED,
    ),
    "in a stream, overloaded": (
        openai.APIError("O", REQUEST, body={"type": "overloaded_error"}),
        R.OVERLOADED,
    ),
    "no key": (
        openai.OpenAIError("The api_key client option must be set."),
        R.INSTALLATION,
    ),
    "httpx timeout": (httpx2.ReadTimeout("x"), R.TIMEOUT),
    "httpx connect": (httpx2.ConnectError("x"), R.BROKEN_OFF),
    "httpx cut": (httpx2.RemoteProtocolError("peer closed"), R.BROKEN_OFF),
    "httpx status": (
        httpx2.HTTPStatusError(
            "x",
            request=REQUEST,
            response=httpx2.Response(
                400, json=openai_body("content_filter"), request=REQUEST
            ),
        ),
        R.BLOCKED,
    ),
    "asyncio": (TimeoutError(), R.TIMEOUT),
    "cancelled": (asyncio.CancelledError(), R.STOPPED),
    "reset": (ConnectionResetError(), R.BROKEN_OFF),
    "html": (json.JSONDecodeError("x", "<html>", 0), R.BROKEN_OFF),
    "turns": (agents.MaxTurnsExceeded("Max turns (10) exceeded"), R.NO_RESULT),
    "model": (agents.ModelBehaviorError("Tool x not found."), R.NO_RESULT),
    "no end": (
        agents.ModelBehaviorError("Model did not produce a final response!"),
        R.BROKEN_OFF,
    ),
    "terminal": (
        agents.ModelBehaviorError(
            "Responses stream ended with terminal event `error`. "
            "code=moderation_blocked; message=No.."
        ),
        R.BLOCKED,
    ),
    "terminal failure": (
        agents.ModelBehaviorError(
            "Responses stream ended with terminal event `response.failed`. "
            "status=failed; error=ResponseError(code='rate_limit_exceeded')."
        ),
        R.RATE_LIMITED,
    ),
    "user": (agents.UserError("Unknown tool."), R.INSTALLATION),
    "user with a cause": (
        caused(agents.UserError("Tool failed"), http(429, "")),
        R.RATE_LIMITED,
    ),
    "configured": (ImproperlyConfigured("SERVER"), R.INSTALLATION),
    "no table": (OperationalError("no such table: chatkit_run"), R.INSTALLATION),
    "no relation": (ProgrammingError('relation "x" does not exist'), R.INSTALLATION),
    "no database": (OperationalError("connection refused"), R.NOT_SAVED),
    "no connection": (InterfaceError("connection already closed"), R.NOT_SAVED),
    "disk": (StorageUnavailable("full"), R.NOT_SAVED),
    "full": (OSError(errno.ENOSPC, "No space left"), R.INSTALLATION),
    "broken disk": (OSError(errno.EIO, "Input/output error"), R.NOT_SAVED),
    "bytes": (ImageError("invalid_base64", "x"), R.NO_RESULT),
    "claim": (ClaimLost("x"), R.INTERRUPTED),
    "programming": (TypeError("x"), R.INSTALLATION),
    "key": (KeyError("rate_limit_exceeded"), R.INSTALLATION),
    "project": (ProjectError("The rate limit is exceeded"), R.INSTALLATION),
    "project's refusal": (CustomStreamError("Not today."), R.REFUSED),
    "runtime": (RuntimeError("connection reset by my own code"), R.INSTALLATION),
    "wrapped words": (
        RuntimeError("BFL API did not return an image due to: Request Moderated."),
        R.BLOCKED,
    ),
    "wrapped": (caused(RuntimeError("x"), http(503, "")), R.OVERLOADED),
    "wrapped by a project": (
        caused(ProjectError("x"), caused(ValueError("y"), httpx2.ReadTimeout("z"))),
        R.TIMEOUT,
    ),
    "programming error with a cause": (
        caused(TypeError("x"), http(503, "")),
        R.INSTALLATION,
    ),
    "group": (ExceptionGroup("x", [ValueError("y"), http(429, "")]), R.RATE_LIMITED),
    "botocore": (Throttled("x"), R.RATE_LIMITED),
    "litellm": (ContentPolicyViolationError("x"), R.BLOCKED),
    "google": (GoogleError("x"), R.RATE_LIMITED),
    "file": (FileNotFoundError("x"), R.INSTALLATION),
}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exceptions(name: str) -> None:
    error, reason = EXCEPTIONS[name]
    failure = failures.of(error)
    assert failure is not None
    assert failure.reason is reason, failure
    assert failure.error


def test_an_exception_raised_while_another_was_handled() -> None:
    try:
        try:
            raise http(429, openai_body("rate_limit_exceeded"))
        except openai.RateLimitError:
            raise RuntimeError("The painter failed")  # noqa: B904 - no cause is named
    except RuntimeError as error:
        failure = failures.of(error)
    assert failure and failure.reason is R.RATE_LIMITED
    first, second = RuntimeError("x"), ValueError("y")
    first.__cause__, second.__cause__ = second, first
    loop = failures.of(first)
    assert loop and loop.reason is R.INSTALLATION


def test_what_is_attached_counts() -> None:
    error = agents.ModelBehaviorError("x")
    failures.attach(None, error)
    assert failures.of(error) == Failure(
        R.NO_RESULT, message="x", error="ModelBehaviorError"
    )
    known = Failure(R.BLOCKED, code="moderation_blocked")
    failures.attach(known, error)
    assert failures.of(error) is known
    assert failures.of(caused(RuntimeError("y"), error)) is known
    assert failures.of(known) is known


NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
WAITS: dict[str, tuple[dict[str, str], Any, float | None]] = {
    "seconds": ({"retry-after": "30"}, "", 30),
    "fraction": ({"Retry-After": "1.5"}, "", 1.5),
    "milliseconds": ({"retry-after-ms": "1500", "retry-after": "2"}, "", 1.5),
    "date": (
        {
            "retry-after": email.utils.format_datetime(
                NOW + datetime.timedelta(hours=1), usegmt=False
            )
        },
        "",
        3600,
    ),
    "a date gone by": ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", None),
    "junk": ({"retry-after": "soon"}, "", None),
    "negative": ({"retry-after": "-5"}, "", None),
    "infinite": ({"retry-after": "inf"}, "", None),
    "not a number": ({"retry-after": "nan"}, "", None),
    "a year": ({"retry-after": "31536000"}, "", 86400),
    "reset": (
        {"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "20ms"},
        "",
        360,
    ),
    "the limit that is hit": (
        {
            "x-ratelimit-reset-requests": "6m0s",
            "x-ratelimit-remaining-requests": "9",
            "x-ratelimit-reset-tokens": "2s",
            "x-ratelimit-remaining-tokens": "0",
        },
        "",
        2,
    ),
    "epoch": ({"x-ratelimit-reset": str(int(NOW.timestamp() + 600))}, "", 600),
    "epoch in ms": (
        {"X-RateLimit-Reset": str(int(NOW.timestamp() + 600) * 1000)},
        "",
        600,
    ),
    "anthropic": (
        {
            "anthropic-ratelimit-requests-reset": (
                NOW + datetime.timedelta(hours=1)
            ).isoformat()
        },
        "",
        3600,
    ),
    "words": ({}, {"error": {"message": "Please try again in 20s."}}, 20),
    "minutes": ({}, {"error": {"message": "Try again in 1.5 minutes"}}, 90),
    "span in words": ({}, {"error": {"message": "Please try again in 1m30.5s."}}, 90.5),
    "ms in words": ({}, {"error": {"message": "try again in 350ms"}}, 0.35),
    "azure": ({}, {"error": {"message": "Please retry after 6 seconds."}}, 6),
    "google": ({}, google(429, "RESOURCE_EXHAUSTED", "x", RETRY_INFO), 12),
    "google as an object": (
        {},
        google(429, "RESOURCE_EXHAUSTED", "x", {"retryDelay": {"seconds": 7}}),
        7,
    ),
    "codex": ({}, {"error": {"type": "x", "resets_in_seconds": 40}}, 40),
    "discord": ({}, {"message": "Slow", "retry_after": 2.5}, 2.5),
    "another number": ({}, {"error": {"message": "Limit 3, used 3. Try again."}}, None),
    "none": ({}, "", None),
}


@pytest.mark.parametrize("name", WAITS)
def test_how_long_to_wait(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    headers, body, seconds = WAITS[name]
    # It is the time at which the headers were made.
    monkeypatch.setattr(waits, "time", SimpleNamespace(time=NOW.timestamp))
    failure = failures.of(http(429, body, headers))
    assert failure is not None
    assert failure.retry_after == pytest.approx(seconds)


@pytest.mark.parametrize("reason", codes.CODES)
def test_a_code_of_each_reason_is_read(reason: Reason) -> None:
    code = codes.CODES[reason].split()[0]
    failure = failures.of({"error": {"code": code, "message": "x"}})
    assert failure is not None
    assert (failure.reason, failure.code) == (reason, code)


def test_who_waits_for_nothing() -> None:
    failure = failures.of(http(400, openai_body("x"), {"retry-after": "30"}))
    assert failure and failure.retry_after is None
    assert R.RATE_LIMITED.may_retry
    assert not any(
        reason.may_retry
        for reason in (R.BLOCKED, R.QUOTA, R.NOT_ALLOWED, R.BAD_REQUEST, R.INSTALLATION)
    )


def test_facts_and_summary() -> None:
    body = openai_body("rate_limit_exceeded", "Slow\ndown.", type="requests")
    headers = {"retry-after": "3", "x-request-id": "req_9"}
    failure = failures.of(http(429, body, headers))
    assert failure is not None
    assert failure.facts() == {
        "reason": "rate_limited",
        "code": "rate_limit_exceeded",
        "type": "requests",
        "status": 429,
        "message": "Slow\ndown.",
        "request_id": "req_9",
        "retry_after": 3.0,
        "error": "RateLimitError",
    }
    assert json.loads(json.dumps(failure.facts())) == failure.facts()
    assert failure.summary() == (
        "rate_limited, RateLimitError, HTTP 429, rate_limit_exceeded, request req_9: "
        "Slow down."
    )
    assert Failure(R.STOPPED).summary() == "stopped"


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123456789012345678901234567890",
        "Bearer abcdefghijk12345",
        "api_key=abcdef12345",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "postgres://user:hunter22@db/x",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA",
        "QUJ1" * 30 + "zZ09" * 30,
    ],
)
def test_secrets_and_bytes_are_not_kept(secret: str) -> None:
    failure = Failure(R.UNKNOWN, message=f"Wrong: {secret} was given.\x00")
    said = failure.message
    assert said.startswith("Wrong: ")
    assert said.endswith(" was given.\N{REPLACEMENT CHARACTER}")
    for part in ("abcDEF", "abcdefghijk", "abcdef12", "hunter22", "iVBOR", "QUJ1QUJ1"):
        assert part not in said


@pytest.mark.parametrize(
    "body",
    [
        "[" * 5000,
        {"error": {"message": "{" * 5000}},
        {"error": {"message": "{'a': " * 3000}},
        json.loads("[" * 15 + "1" + "]" * 15),
        {"error": {str(number): {"code": "y"} for number in range(5000)}},
        {"error": {"message": None, "code": True, "type": ["a"]}},
        {"error": {"message": "x" * 10**6}},
        b"\xff\xfe",
        "\ud83d",
    ],
)
def test_a_hostile_body(body: Any) -> None:
    failure = failures.of(body)
    assert failure is not None
    assert len(failure.message) <= 2000
    json.dumps(failure.facts()).encode()


@pytest.mark.parametrize("part", ["a", "89504e47", "Ab1", "key-", "sk-a1"])
def test_long_words_of_a_provider_hold_nobody_up(part: str) -> None:
    begun = time.thread_time()
    Failure(R.UNKNOWN, message=part * (200_000 // len(part)))
    assert time.thread_time() - begun < 0.5


def test_what_moderation_says_has_an_end_and_no_secrets() -> None:
    image = "data:image/png;base64," + "Ab1+" * 100
    said = {
        "categories": [f"kind {number}" for number in range(10_000)],
        "input": image,
        "key": "sk-abcdefghijkl1234567890",
        "scores": {"violence": float("nan"), "hate": 0.5},
    }
    kept = Failure(R.BLOCKED, moderation=said | {"deep": nested(30)}).moderation
    assert kept["categories"][:2] == ["kind 0", "kind 1"]
    assert len(json.dumps(kept)) < 5_000
    assert "base64" not in str(kept) and "sk-abc" not in str(kept)
    assert kept["scores"] == {"violence": None, "hate": 0.5}


def nested(depth: int) -> dict[str, Any]:
    return {"in": nested(depth - 1)} if depth else {"end": "there"}


def test_an_exception_that_cannot_be_read_is_a_failure_all_the_same() -> None:
    class Broken(Exception):
        @property
        def response(self) -> Any:
            raise RuntimeError("The response was not read.")

        def __str__(self) -> str:
            raise ValueError("no words")

    told = failures.of(Broken())
    assert told is not None
    assert (told.reason, told.error, told.message) == (R.INSTALLATION, "Broken", "")
