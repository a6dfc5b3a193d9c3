"""Codes of providers and gateways, and the names of their classes.

A code is compared in small letters without signs, so that ``RESOURCE_EXHAUSTED``,
``ResourceExhausted`` and ``resource-exhausted`` are one.
"""

from __future__ import annotations

import re

from .reasons import Reason

SIGNS = re.compile(r"[\W_]+")

# Words that say what it was, whatever else is said. Names of classes are among them.
CODES = {
    Reason.BLOCKED: """
        moderation_blocked content_policy_violation content_filter content_filtered
        ResponsibleAIPolicyViolation image_content_policy_violation bio_policy
        cyber_policy misalignment_policy_violation content_moderation flagged_input
        SAFETY IMAGE_SAFETY PROHIBITED_CONTENT IMAGE_PROHIBITED_CONTENT BLOCKLIST SPII
        RECITATION IMAGE_RECITATION request_moderated content_moderated moderated
        guardrail_intervened
        data_inspection_failed sensitive nsfw nsfw_content_detected safety_violation
        content_flagged prompt_flagged ContentFilterFinishReasonError
        ContentPolicyViolationError ModelRefusalError guardrail
        InputGuardrailTripwireTriggered OutputGuardrailTripwireTriggered
        ToolInputGuardrailTripwireTriggered ToolOutputGuardrailTripwireTriggered
        BlockedPromptException StopCandidateException risk_control invalid_prompts
        moderation_error refusal blocked_by_safety content_violation
        GuardrailRaisedException
    """,
    Reason.QUOTA: """
        insufficient_quota billing_hard_limit_reached billing_not_active billing_error
        quota_exceeded insufficient_balance insufficient_credits payment_required
        insufficient_funds credit_balance_too_low usage_limit_reached budget_exceeded
        BudgetExceededError usage_not_included ServiceQuotaExceededException
        account_overdue arrearage balance_not_enough insufficient_user_quota
        billing_limit_reached
    """,
    Reason.RATE_LIMITED: """
        rate_limit_exceeded rate_limit_error rate_limited rate_limit
        RESOURCE_EXHAUSTED too_many_requests ThrottlingException throttling
        TooManyRequestsException requests_limit_reached tokens_per_minute_exceeded
        RateLimitError RateLimitReached slow_down TooManyRequestsError
    """,
    Reason.NOT_ALLOWED: """
        invalid_api_key authentication_error invalid_authentication incorrect_api_key
        api_key_invalid UNAUTHENTICATED unauthorized permission_error
        AccessDeniedException UnrecognizedClientException ExpiredTokenException
        ExpiredToken TokenRefreshRequired
        InvalidSignatureException InvalidClientTokenId missing_api_key no_api_key
        account_deactivated access_terminated organization_not_verified
        unsupported_country_region_territory ip_not_authorized mismatched_organization
        invalid_organization AuthenticationError PermissionDeniedError invalid_token
        API_KEY_SERVICE_BLOCKED SERVICE_DISABLED CONSUMER_SUSPENDED token_expired
        OAuthError SubjectTokenProviderError data_residency_mismatch
        insufficient_permissions missing_scope PermissionDenied
    """,
    Reason.TOO_LARGE: """
        context_length_exceeded ContextWindowExceededError request_too_large
        payload_too_large string_above_max_length array_above_max_length
        request_entity_too_large max_tokens_exceeded prompt_too_long input_too_long
        content_length_exceeded RequestEntityTooLarge context_window_exceeded
        model_context_window_exceeded RequestEntityTooLargeError
    """,
    Reason.REFUSED_INPUT: """
        invalid_image invalid_image_format invalid_base64_image invalid_image_url
        image_too_large image_too_small image_parse_error invalid_image_mode
        image_file_too_large unsupported_image_media_type empty_image_file
        failed_to_download_image image_file_not_found unsupported_image
        invalid_image_type invalid_image_size image_not_supported invalid_file
        unsupported_file unsupported_file_type invalid_file_format file_too_large
        empty_file file_not_supported ImageFetchError unsupported_media_type
        image_dimensions_exceeded
    """,
    Reason.GONE: """
        model_not_found previous_response_not_found response_not_found
        DeploymentNotFound not_found_error item_not_found file_not_found
        conversation_not_found ResourceNotFoundException ModelNotFoundError
        model_not_available model_decommissioned model_deprecated NotFoundError
        container_expired encrypted_content_expired invalid_encrypted_content
        vector_store_expired
    """,
    Reason.TIMEOUT: """
        DEADLINE_EXCEEDED timeout request_timeout gateway_timeout APITimeoutError
        ModelTimeoutError ToolTimeoutError ModelTimeoutException timeout_error
        timed_out vector_store_timeout upstream_timeout ReadTimeout ConnectTimeout
        WriteTimeout PoolTimeout TimeoutException ReadTimeoutError ConnectTimeoutError
        ServerTimeoutError SocketTimeoutException
    """,
    Reason.OVERLOADED: """
        overloaded_error overloaded engine_overloaded server_overloaded
        server_is_overloaded UNAVAILABLE service_unavailable
        ServiceUnavailableException ModelNotReadyException no_available_channel
        capacity_exceeded ServiceUnavailableError EngineOverloaded overload
        model_overloaded no_healthy_upstream ServiceUnavailable
    """,
    Reason.BROKEN_OFF: """
        connection_error APIConnectionError RemoteProtocolError ReadError WriteError
        ConnectError CloseError IncompleteRead stream_disconnected
        ClientConnectorError ServerDisconnectedError ClientPayloadError
        ConnectionClosed ConnectionClosedError ConnectionClosedOK
        EndpointConnectionError connection_reset
        ProtocolError ChunkedEncodingError WebSocketConnectionClosedError
        BrokenResourceError ClosedResourceError ProxyError NetworkError
    """,
    Reason.TOO_LONG: """
        max_output_tokens max_tokens MAX_TOKENS LengthFinishReasonError
    """,
    Reason.NO_RESULT: """
        image_generation_failed IMAGE_OTHER NO_IMAGE no_image_generated
        MALFORMED_FUNCTION_CALL empty_response no_result max_turns MaxTurnsExceeded
        response_error
    """,
}
# Words that say little: a status or a sentence beside them may say more.
WEAK_CODES = {
    Reason.BAD_REQUEST: """
        invalid_request_error invalid_request bad_request INVALID_ARGUMENT
        validation_error ValidationException invalid_value invalid_type
        unknown_parameter missing_required_parameter unsupported_parameter
        unsupported_value image_generation_user_error BadRequestError
        UnprocessableEntityError OUT_OF_RANGE invalid_parameter invalid_prompt
        invalid_json InvalidRequestError unprocessable_entity UnsupportedParamsError
    """,
    Reason.NOT_ALLOWED: """
        PERMISSION_DENIED forbidden FAILED_PRECONDITION access_denied not_allowed
    """,
    Reason.GONE: "NOT_FOUND",
    Reason.QUOTA: "exceeded_current_quota_error",
    Reason.OVERLOADED: """
        server_error internal_error INTERNAL InternalServerError api_error
        internal_server_error InternalServerException ModelErrorException bad_gateway
        upstream_error provider_error ABORTED image_generation_server_error
        BadGatewayError
    """,
}
# Ends of codes that providers make up for each of their rules.
BLOCKED_ENDS = ("policyviolation", "sensitivecontentdetected", "policyviolationerror")
BLOCKED_STARTS = ("safetychecktype",)


def squeezed(word: str) -> str:
    """Return a word in small letters, without signs."""
    return SIGNS.sub("", word).lower()


def _table(codes: dict[Reason, str]) -> dict[str, Reason]:
    return {
        squeezed(word): reason
        for reason, text in codes.items()
        for word in text.split()
    }


STRONG, WEAK = _table(CODES), _table(WEAK_CODES)


def strong(word: str) -> Reason | None:
    """Return the reason that a code means for sure."""
    short = squeezed(word)
    if short.endswith(BLOCKED_ENDS) or short.startswith(BLOCKED_STARTS):
        return Reason.BLOCKED
    return STRONG.get(short)


def weak(word: str) -> Reason | None:
    """Return the reason that a code may mean."""
    return WEAK.get(squeezed(word))
