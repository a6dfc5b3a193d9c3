"""The reasons for which an answer, or an image of it, has no result."""

from __future__ import annotations

import enum


class Reason(enum.StrEnum):
    """Why there is no result.

    Attributes:
        may_retry: Whether the same request may succeed soon, without anybody's help.
    """

    may_retry: bool

    def __new__(cls, value: str, may_retry: bool) -> Reason:
        """Make a member with its flag."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.may_retry = may_retry
        return member

    # What the provider has refused.
    BLOCKED = "blocked", False
    RATE_LIMITED = "rate_limited", True
    QUOTA = "quota", False
    NOT_ALLOWED = "not_allowed", False
    BAD_REQUEST = "bad_request", False
    REFUSED_INPUT = "refused_input", False
    TOO_LARGE = "too_large", False
    GONE = "gone", False
    # What has gone wrong on the way.
    TIMEOUT = "timeout", True
    BROKEN_OFF = "broken_off", True
    NO_RESULT = "no_result", True
    OVERLOADED = "overloaded", True
    UNKNOWN = "unknown", True
    # What has happened in the project.
    NOT_SAVED = "not_saved", True
    INSTALLATION = "installation", False
    STOPPED = "stopped", True
    INTERRUPTED = "interrupted", True
