"""The reasons for which an answer, or an image of it, has no result."""

from __future__ import annotations

import enum


class Reason(enum.StrEnum):
    """Why there is no result."""

    # What the provider, or the project, has refused.
    BLOCKED = "blocked"
    REFUSED = "refused"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    NOT_ALLOWED = "not_allowed"
    BAD_REQUEST = "bad_request"
    REFUSED_INPUT = "refused_input"
    TOO_LARGE = "too_large"
    GONE = "gone"
    # What has gone wrong on the way.
    TIMEOUT = "timeout"
    BROKEN_OFF = "broken_off"
    TOO_LONG = "too_long"
    NO_RESULT = "no_result"
    OVERLOADED = "overloaded"
    UNKNOWN = "unknown"
    # What has happened in the project.
    NOT_SAVED = "not_saved"
    INSTALLATION = "installation"
    STOPPED = "stopped"
    STOPPED_BY_STAFF = "stopped_by_staff"
    INTERRUPTED = "interrupted"

    @property
    def may_retry(self) -> bool:
        """Whether the same request may succeed soon, without anybody's help."""
        return self not in FINAL


FINAL = {
    Reason.BLOCKED,
    Reason.REFUSED,
    Reason.QUOTA,
    Reason.NOT_ALLOWED,
    Reason.BAD_REQUEST,
    Reason.REFUSED_INPUT,
    Reason.TOO_LARGE,
    Reason.GONE,
    Reason.INSTALLATION,
    Reason.STOPPED_BY_STAFF,
}
