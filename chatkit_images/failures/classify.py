"""The decision: a code that says it for sure, then the status, then sentences."""

from __future__ import annotations

import re
from http import HTTPStatus

from . import waits
from .bodies import Evidence
from .codes import strong, weak
from .failure import Failure
from .reasons import Reason
from .sentences import spoken

# Statuses that say what it was. Those that say little (400, 403, 404, ...) come later.
CERTAIN = {
    401: Reason.NOT_ALLOWED,
    402: Reason.QUOTA,
    407: Reason.NOT_ALLOWED,
    408: Reason.TIMEOUT,
    413: Reason.TOO_LARGE,
    415: Reason.REFUSED_INPUT,
    429: Reason.RATE_LIMITED,
    504: Reason.TIMEOUT,
    # Cloudflare's: the provider behind it did not answer in time.
    522: Reason.TIMEOUT,
    524: Reason.TIMEOUT,
}
# What each of the other statuses may be in truth, by its sentences; then what it is.
REFUSALS = (
    Reason.BLOCKED,
    Reason.TOO_LARGE,
    Reason.QUOTA,
    Reason.REFUSED_INPUT,
    Reason.NOT_ALLOWED,
    Reason.RATE_LIMITED,
    Reason.GONE,
)
OTHERWISE = {
    403: Reason.NOT_ALLOWED,
    404: Reason.GONE,
    # The SDKs repeat a request after a conflict; it passes.
    409: Reason.OVERLOADED,
    410: Reason.GONE,
    425: Reason.OVERLOADED,
    # "Unavailable for legal reasons".
    451: Reason.BLOCKED,
}
# Which of several codes counts.
ORDER = (
    Reason.BLOCKED,
    Reason.QUOTA,
    Reason.REFUSED_INPUT,
    Reason.TOO_LARGE,
    Reason.GONE,
    Reason.NOT_ALLOWED,
    Reason.RATE_LIMITED,
    Reason.TIMEOUT,
    Reason.OVERLOADED,
    Reason.BROKEN_OFF,
    Reason.TOO_LONG,
    Reason.NO_RESULT,
)
# The parameter is a part of the input that is, or has, an image or a file.
INPUT_PART = re.compile(
    r"^(?:input|messages|contents?)\b.*(?:\.content[\[.]\d+|image|file|inline_?data)"
    r"|^(?:image|images|mask|file)(?:\[\d*\])?$",
    re.IGNORECASE,
)
TEXT_PART = re.compile(r"text$|\.role$|\.type$|_index$", re.IGNORECASE)
VIOLATIONS = re.compile(r"safety_violations=\[([^\]]{1,200})\]")
# A limit for each day does not end while somebody waits.
PER_DAY = re.compile(r"per_?day", re.IGNORECASE)


def judge(evidence: Evidence) -> Failure:
    """Return the failure that the evidence speaks of."""
    reason = _reason(evidence) or Reason.UNKNOWN
    wait = None
    if reason in (Reason.RATE_LIMITED, Reason.OVERLOADED):
        wait = evidence.retry_after
        if wait is None:
            wait = waits.of_words(evidence.text)
    moderation = dict(evidence.moderation)
    if reason is Reason.BLOCKED and (match := VIOLATIONS.search(evidence.text)):
        listed = [word.strip(" '\"") for word in match[1].split(",")]
        moderation.setdefault("categories", listed)
    code = evidence.code
    if (not code or code.isdecimal()) and evidence.words:
        # Some put their code elsewhere, as Google does into ``status``.
        code = next((word for word in evidence.words if _known(word)), code)
    return Failure(
        reason=reason,
        code=code,
        type=evidence.type,
        status=evidence.status,
        message=" ".join(evidence.messages),
        request_id=evidence.request_id,
        retry_after=wait,
        param=evidence.param,
        moderation=moderation,
        error=evidence.error,
    )


def _known(word: str) -> bool:
    return strong(word) is not None or weak(word) is not None


def _reason(evidence: Evidence) -> Reason | None:
    status, text = evidence.status, evidence.text
    named = {reason for word in evidence.words if (reason := strong(word))}
    if named:
        return _surest(named, evidence)
    if status in CERTAIN:
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return _limit(evidence)
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return spoken(text, Reason.REFUSED_INPUT) or Reason.TOO_LARGE
        return CERTAIN[status]
    hints = [reason for word in evidence.words if (reason := weak(word))]
    if status is not None and status >= 500:
        # Gateways hide the refusal of another provider in a 500. Only a sentence that
        # can be nothing else counts: a server that fails may speak of anything.
        return spoken(text, Reason.BLOCKED) or Reason.OVERLOADED
    if status is None and not hints:
        return spoken(text)
    if hints and hints[0] is Reason.OVERLOADED:
        return spoken(text, Reason.BLOCKED) or Reason.OVERLOADED
    if _names_input(evidence):
        return spoken(text, Reason.BLOCKED) or Reason.REFUSED_INPUT
    otherwise = OTHERWISE.get(status) if status is not None else None
    said = spoken(text, *REFUSALS)
    return said or otherwise or next(iter(hints), None) or Reason.BAD_REQUEST


def _surest(named: set[Reason], evidence: Evidence) -> Reason:
    """Return the one of several reasons that codes name.

    A gateway adds its own code to that of the provider. What says more of the request
    itself is the provider's.
    """
    reason = next(reason for reason in ORDER if reason in named)
    if reason is Reason.RATE_LIMITED:
        return _limit(evidence)
    if reason is Reason.NO_RESULT:
        return spoken(evidence.text, Reason.BLOCKED) or reason
    return reason


def _limit(evidence: Evidence) -> Reason:
    """Return whether a limit ends by itself, can never be kept, or must be paid for."""
    said = spoken(evidence.text, Reason.TOO_LARGE, Reason.QUOTA)
    if said is Reason.TOO_LARGE and "request too large" in evidence.text.lower():
        return said
    if any(PER_DAY.search(word) for word in evidence.words):
        return Reason.QUOTA
    # Google tells of plan and billing even if the limit is one for each minute.
    if said is Reason.QUOTA and evidence.retry_after is None:
        return said
    return Reason.RATE_LIMITED


def _names_input(evidence: Evidence) -> bool:
    """Whether the parameter that is wrong is an image or a file of the input."""
    param = evidence.param
    return bool(INPUT_PART.search(param)) and not TEXT_PART.search(param)
